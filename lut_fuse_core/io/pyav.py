"""PyAV, the Python bindings of FFmpeg's libraries, imported only where a video is used."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from lut_fuse_core.errors import LutFuseError

MISSING = "videos are read and written with PyAV, which is not installed; run 'pip install av'"


def has_pyav() -> bool:
    """Whether videos can be read and written here."""
    return importlib.util.find_spec("av") is not None


def pyav() -> ModuleType:
    """The module ``av``, with FFmpeg's log silenced: callers report errors in a sentence.

    Raises:
        LutFuseError: If it is not installed.
    """
    try:
        import av
    except ImportError:
        raise LutFuseError(MISSING) from None
    av.logging.set_level(av.logging.PANIC)
    return av
