"""What keeps the memory of the node's process small, where the C library is glibc."""

from __future__ import annotations

import ctypes
from typing import Any

MOST_HEAPS = -8
"""M_ARENA_MAX of mallopt(3)."""


def one_heap() -> None:
    """Have all threads share one heap; before there are threads that allocate.

    glibc gives each of up to eight threads per core one of its own, and of each the room that was
    once needed stays: 10 MB in a node whose images are taken by one thread and fused by another.
    """
    _call("mallopt", MOST_HEAPS, 1)


def give_back() -> None:
    """Return to the system what is free, once what was needed for loading is."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    function: Any = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)
