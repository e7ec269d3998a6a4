"""PyAV, FFmpeg's libraries for Python: imported where a video is read or written, not before."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from lut_fuse_core.errors import LutFuseError

MISSING = "videos are read and written with PyAV, which is not installed; run 'pip install av'"


def has_pyav() -> bool:
    """Whether videos can be read and written here."""
    return importlib.util.find_spec("av") is not None


def pyav() -> ModuleType:
    """The module ``av``, with FFmpeg's own reports silenced: callers report in a sentence.

    Raises:
        LutFuseError: If it is not installed.
    """
    try:
        import av
    except ImportError:
        raise LutFuseError(MISSING) from None
    av.logging.set_level(av.logging.PANIC)
    return av
