"""Overlapping work with bounded memory and the order kept: codecs and kernels release the GIL.

Both functions take and give iterables, so that stages chain. The thread that consumes the last one
pulls everything through; what stands between the stages runs in that thread, in order:

    decoded = ordered_map(read, paths)                # several reads at a time
    fused = (pipeline.process(*pair) for pair in decoded)  # in the caller's thread, in order
    for name in ordered_map(write, fused):            # several writes at a time
        ...
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_END = object()


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int | None = None,
    ahead: int | None = None,
) -> Iterator[Result]:
    """Yield ``work(item)`` for every item, in their order, worked on in threads.

    Items are taken from their iterable in the thread that consumes the results, and only as far
    ahead as asked for. Where one bad item shall not end the rest, let ``work`` return the error.

    Args:
        work: called in a thread of the pool; must be safe to run beside itself, unless ``workers``
            is 1, which also keeps the calls in order.
        items: what to work on.
        workers: threads; None for one per usable core.
        ahead: items that may be under way or done and not yet consumed; None for twice the
            workers. Memory holds as many items and results as this.

    Yields:
        The results.

    Raises:
        Exception: what ``work`` or the iterable raised, in its place in the order. What has not
            been started by then never is.
    """
    workers = workers or usable_cores()
    ahead = ahead or 2 * workers
    pool = ThreadPoolExecutor(workers, "ordered_map")
    running: deque[Future[Result]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            del item  # the pool alone keeps it, and no longer than it needs it
            if len(running) >= ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def prefetch(items: Iterable[Item], ahead: int = 4) -> Iterator[Item]:
    """Yield the items, taken from their iterable in a thread of its own, a few ahead.

    For iterables that do work themselves, such as a video decoder.

    Args:
        items: used from that one thread only.
        ahead: items that may wait in memory.

    Yields:
        The items in their order.

    Raises:
        Exception: what the iterable raised, after the items before it.
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, "prefetch")
    try:
        running = deque(pool.submit(next, iterator, _END) for _ in range(ahead))
        while (item := running.popleft().result()) is not _END:
            running.append(pool.submit(next, iterator, _END))
            yield item  # type: ignore[misc]  # `next` may also return _END, but not here
    finally:
        pool.shutdown(cancel_futures=True)
