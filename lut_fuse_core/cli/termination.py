"""SIGTERM and SIGHUP end a command like Ctrl-C, so that temporary files are removed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def tidy_termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (a closed terminal) raise KeyboardInterrupt in the block, so that
    nothing half-written is left."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # With nohup the end of the terminal is ignored, and stays so.
    heeded = (signal.SIGTERM, signal.SIGHUP)
    previous = {
        number: signal.signal(number, interrupt)
        for number in heeded
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
