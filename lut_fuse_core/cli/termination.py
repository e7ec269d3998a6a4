"""SIGTERM and SIGHUP like Ctrl-C: temporary files are removed before the process ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def tidy_termination() -> Iterator[None]:
    """Let a polite kill or a closed terminal end the block with a KeyboardInterrupt: nothing
    half-written is left."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # What was started with nohup ignores the end of its terminal, and goes on.
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
