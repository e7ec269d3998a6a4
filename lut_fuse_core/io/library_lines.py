"""What C libraries write to stderr, captured: libjpeg and libpng report errors in no other way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

T = TypeVar("T")

MARKS = ("JPEG", "JFIF", "libpng", "libjpeg", "marker")
"""Words by which the lines of image libraries are recognized."""

LONGEST = 0.2
"""Seconds after which no further thread joins a capture, so that the lines of others are not
delayed for long."""


class _Capture:
    """File descriptor 2, redirected while somebody listens."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._listeners = self._alone_waiting = 0
        self._alone = 0  # the thread that listens alone
        self._began = 0.0
        self._stderr: int | None = None
        self._file: BinaryIO | None = None

    def enter(self, *, alone: bool) -> int:
        """Begin to listen. Returns how many bytes were caught before."""
        with self._turn:
            if self._listeners and self._alone == threading.get_ident():
                raise RuntimeError("a thread that listens alone would wait for itself")
            self._alone_waiting += alone
            self._turn.wait_for(lambda: self._may_enter(alone))
            self._alone_waiting -= alone
            self._alone = threading.get_ident() if alone else 0
            if not self._listeners:
                self._redirect()
            self._listeners += 1
            return self._size()

    def leave(self) -> tuple[int, list[str]]:
        """Stop listening.

        Returns:
            How many bytes were caught by now, and, if nobody else listens, the libraries' lines.
        """
        with self._turn:
            self._listeners -= 1
            size = self._size()
            lines = [] if self._listeners else self._restore()
            self._turn.notify_all()
            return size, lines

    def _may_enter(self, alone: bool) -> bool:
        if not self._listeners:
            return alone or not self._alone_waiting
        lasting = time.monotonic() - self._began
        return not (alone or self._alone or self._alone_waiting) and lasting < LONGEST

    def _size(self) -> int:
        return 0 if self._file is None else os.fstat(self._file.fileno()).st_size

    def _redirect(self) -> None:
        self._began = time.monotonic()
        try:
            self._stderr = os.dup(2)
        except OSError:  # it is closed: there is nothing to catch
            return
        from tempfile import TemporaryFile  # hardly ever needed

        self._file = TemporaryFile()  # noqa: SIM115
        os.dup2(self._file.fileno(), 2)

    def _restore(self) -> list[str]:
        if self._stderr is None or self._file is None:
            return []
        os.dup2(self._stderr, 2)
        self._file.seek(0)
        lines = []
        for line in self._file.read().splitlines(keepends=True):
            text = line.decode(errors="replace").strip()
            if any(mark in text for mark in MARKS):
                lines.append(text)
            else:
                os.write(self._stderr, line)
        os.close(self._stderr)
        self._file.close()
        self._stderr = self._file = None
        return lines


_capture = _Capture()


@contextmanager
def library_lines() -> Iterator[list[str]]:
    """Capture what image libraries write to stderr in the block; one thread at a time.

    All other lines, of other threads too, reach stderr when the block ends. Where stderr is closed
    nothing is captured.

    Yields:
        A list that holds the libraries' lines once the block has ended.

    Raises:
        RuntimeError: In a block of the same thread: it would wait for itself.
    """
    lines: list[str] = []
    _capture.enter(alone=True)
    try:
        yield lines
    finally:
        lines.extend(_capture.leave()[1])


@dataclass
class Suspicion:
    """Whether something was written to stderr.

    Attributes:
        raised: Whether it was, by this thread or another; known once the block has ended.
    """

    raised: bool = False


@contextmanager
def overheard() -> Iterator[Suspicion]:
    """Notice whether anything is written to stderr in the block, in any number of threads at once.

    Lines of image libraries are dropped, all others reach stderr when the last block has ended.

    Yields:
        Whether something was written.

    Raises:
        RuntimeError: In a block of `library_lines` of the same thread.
    """
    suspicion = Suspicion()
    before = _capture.enter(alone=False)
    try:
        yield suspicion
    finally:
        suspicion.raised = _capture.leave()[0] > before


def heard(work: Callable[[], T]) -> tuple[T, str]:
    """Do something, and say what an image library complained of.

    Args:
        work: Called in any number of threads at once; a second time, alone, if anything was written
            to stderr meanwhile, by this thread or another.

    Returns:
        What it returns, and the library's last line; empty without one.

    Raises:
        RuntimeError: In a block of `library_lines` or `overheard` of the same thread.
    """
    with overheard() as suspicion:
        result = work()
    if not suspicion.raised:
        return result, ""
    with library_lines() as lines:
        result = work()
    return result, lines[-1] if lines else ""
