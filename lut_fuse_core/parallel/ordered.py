"""Overlapping work with bounded memory and the order kept: codecs and kernels release the GIL.

Both functions take and give iterables, so that stages chain. The thread that consumes the last one
pulls everything through; what stands between the stages runs in that thread, in order:

    decoded = ordered_map(read, paths)                # several reads at a time
    fused = (pipeline.process(*pair) for pair in decoded)  # in the caller's thread, in order
    for name in ordered_map(write, fused):            # several writes at a time
        ...

An image takes a millisecond or two, and for one thread to wait for another takes up to a tenth of
one: so whoever has to wait waits for a few items, as far as there may be more in memory.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice, repeat
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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

    Items are taken from their iterable in the thread that consumes the results, and only ``ahead``
    of them in advance. Where one bad item must not end the rest, let ``work`` return the error.

    Args:
        work: Called in a thread of the pool, in several at a time unless ``workers`` is 1, which
            also keeps the calls in order.
        items: Arguments of the calls.
        workers: Number of threads; None for one per usable core.
        ahead: Items that may be running, or done and not yet consumed; None for four times the
            workers. Memory holds as many items and results.

    Yields:
        The results, in the order of the items.

    Raises:
        Exception: Whatever ``work`` or the iterable raised, in its place in the order. Items that
            have not been started by then never are.
    """
    workers = workers or usable_cores()
    ahead = ahead or 4 * workers
    at_once = max(1, ahead // 4)
    pool = ThreadPoolExecutor(workers, "ordered_map")
    running: deque[Future[Result]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            del item  # the pool alone keeps it, and no longer than it needs it
            if len(running) >= ahead:
                wait((running[at_once - 1],))
                for _ in range(at_once):
                    yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def prefetch(items: Iterable[Item], ahead: int = 8) -> Iterator[Item]:
    """Take items from their iterable in a thread of its own, a few in advance.

    For iterables that do work themselves, such as a video decoder.

    Args:
        items: The items; used from that one thread only.
        ahead: Number of items that may wait in memory.

    Yields:
        The items in their order.

    Raises:
        Exception: Whatever the iterable raised, after the items before it.
    """
    iterator = iter(items)
    at_once = max(1, ahead // 4)

    def take(count: int) -> tuple[list[Item], BaseException | None]:
        taken: list[Item] = []
        try:
            taken.extend(islice(iterator, count))
        except BaseException as error:
            return taken, error
        return taken, None

    for taken, error in ordered_map(take, repeat(at_once), workers=1, ahead=ahead // at_once):
        is_last = len(taken) < at_once
        taken.reverse()
        while taken:
            yield taken.pop()
        if error is not None:
            raise error
        if is_last:
            return
