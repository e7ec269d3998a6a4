"""OpenCV's own reports, which go to stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

SILENT = 0
"""OpenCV's log level at which it says nothing."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep OpenCV from reporting what is reported here, in a sentence."""
    logging: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 has moved it there
    level = logging.getLogLevel()
    logging.setLogLevel(SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
