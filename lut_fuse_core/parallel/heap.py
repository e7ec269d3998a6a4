"""How the C library keeps memory, where that is glibc; elsewhere none of this does anything."""

from __future__ import annotations

import ctypes

LARGEST = 32 << 20
"""Bytes up to which arrays come from the heap, the most that glibc takes; larger ones are mapped
alone, and returned when they are freed."""

KEPT = 256 << 20
"""Bytes at the end of the heap that are kept when they are freed."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Numbers of the parameters of mallopt(3)."""


def keep_freed_memory() -> None:
    """Have this process keep what it frees, for good.

    Images of some megabytes are allocated and freed for every frame. The system takes them back
    each time and clears new ones, which takes a fifth of the time of the cheaper codecs.
    """
    _call("mallopt", _MMAP_THRESHOLD, LARGEST)
    _call("mallopt", _TRIM_THRESHOLD, KEPT)


def one_heap() -> None:
    """Have all threads share one heap; before there are threads that allocate.

    glibc gives each of up to eight threads per core one of its own, and of each the room that was
    once needed stays: 10 MB in a node whose images are taken by one thread and fused by another.
    """
    _call("mallopt", _ARENA_MAX, 1)


def give_back() -> None:
    """Return to the system what is free, once what was needed for loading is."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return
    function(*arguments)
