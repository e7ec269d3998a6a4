"""What C libraries write to stderr themselves, caught: libjpeg and libpng know no other way."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

MARKS = ("JPEG", "JFIF", "libpng", "libjpeg", "marker")
"""Words that tell the lines of image libraries from all others."""

LONGEST = 0.2
"""Seconds after which nobody joins a capture any more, so that what others write is seen soon."""


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
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
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
    """Catch what image libraries write to stderr meanwhile.

    Lines of others, from other threads too, reach stderr a little later. One thread at a time.
    Where stderr is closed there is nothing to catch.

    Yields:
        A list that holds the caught lines once the context is left.
    """
    lines: list[str] = []
    _capture.enter(alone=True)
    try:
        yield lines
    finally:
        lines.extend(_capture.leave()[1])


@dataclass
class Suspicion:
    """What was noticed of stderr.

    Attributes:
        raised: Whether something was written meanwhile, by this thread or by another.
    """

    raised: bool = False


@contextmanager
def overheard() -> Iterator[Suspicion]:
    """Notice whether anybody writes to stderr meanwhile; any number of threads at a time.

    Lines of image libraries are dropped, others reach stderr a little later.

    Yields:
        What is known once the context is left.
    """
    suspicion = Suspicion()
    before = _capture.enter(alone=False)
    try:
        yield suspicion
    finally:
        suspicion.raised = _capture.leave()[0] > before
