"""OpenCV's own reports, which go to stderr."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lut_fuse_core.libraries.opencv import cv2

SILENT = 0
"""OpenCV's log level at which it says nothing."""

_lock = threading.Lock()
_inside = 0
_before = SILENT


@contextmanager
def quiet() -> Iterator[None]:
    """Silence OpenCV's log in the block, whose errors are reported in a sentence.

    The log level is one for the process: it is restored when the last thread leaves its block.
    """
    global _inside, _before
    logging: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 has moved it there
    with _lock:
        if not _inside:
            _before = logging.getLogLevel()
            logging.setLogLevel(SILENT)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                logging.setLogLevel(_before)
