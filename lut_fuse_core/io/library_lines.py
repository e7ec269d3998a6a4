"""What C libraries write to stderr themselves, caught: libjpeg and libpng know no other way."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MARKS = ("JPEG", "JFIF", "libpng", "libjpeg", "marker")
"""Words that tell the lines of image libraries from all others."""

_lock = threading.Lock()


@contextmanager
def library_lines() -> Iterator[list[str]]:
    """Catch what image libraries write to stderr meanwhile.

    Lines of others, from other threads too, reach stderr a little later. One thread at a time.
    Where stderr is closed there is nothing to catch.

    Yields:
        A list that holds the caught lines once the context is left.
    """
    lines: list[str] = []
    with _lock, tempfile.TemporaryFile() as caught:
        try:
            stderr = os.dup(2)
        except OSError:
            yield lines
            return
        os.dup2(caught.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(stderr, 2)
            caught.seek(0)
            for line in caught.read().splitlines(keepends=True):
                text = line.decode(errors="replace").strip()
                if any(mark in text for mark in MARKS):
                    lines.append(text)
                else:
                    os.write(stderr, line)
            os.close(stderr)
