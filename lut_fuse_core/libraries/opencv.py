"""OpenCV, imported when something of it is first used.

A node whose images are raw and not registered never uses it where the C++ library is there. That
spares it 22 MB and a good part of its start.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

__all__ = ["cv2", "use_threads"]

_NAME = "cv2"

if importlib.util.find_spec(_NAME) is None:  # said at the start, as of any other package
    raise ModuleNotFoundError(f"No module named '{_NAME}'", name=_NAME)

_threads: int | None = None


def use_threads(count: int) -> None:
    """Have OpenCV use so many threads, also where it is imported later."""
    global _threads
    _threads = count
    if _NAME in sys.modules:
        sys.modules[_NAME].setNumThreads(count)


@lru_cache(maxsize=1)
def _imported() -> Any:
    module = importlib.import_module(_NAME)
    if _threads is not None:
        module.setNumThreads(_threads)
    return module


class _OpenCV:
    def __getattr__(self, name: str) -> Any:
        return getattr(_imported(), name)


if TYPE_CHECKING:
    import cv2 as cv2
else:
    cv2 = _OpenCV()
