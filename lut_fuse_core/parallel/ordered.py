"""Overlapping work with bounded memory and the order kept: codecs and kernels release the GIL.

Both functions take and give iterables, so that stages chain. The thread that consumes the last one
pulls everything through; what stands between the stages runs in that thread, in order:

    decoded = ordered_map(read, paths)                # several reads at a time
    fused = (pipeline.process(*pair) for pair in decoded)  # in the caller's thread, in order
    for name in ordered_map(write, fused):            # several writes at a time
        ...
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from lut_fuse_core.errors import LutFuseError

Item = TypeVar("Item")
Result = TypeVar("Result")

_END = object()

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3)."""


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
    processes: bool = False,
) -> Iterator[Result]:
    """Yield ``work(item)`` for every item, in their order, worked on in threads or processes.

    Items are taken from their iterable in the thread that consumes the results, and only as far
    ahead as asked for. Where one bad item shall not end the rest, let ``work`` return the error.

    Args:
        work: called in a thread of the pool; must be safe to run beside itself, unless ``workers``
            is 1, which also keeps the calls in order.
        items: what to work on.
        workers: threads or processes; None for one per usable core.
        ahead: items that may be under way or done and not yet consumed; None for twice the
            workers. Memory holds as many items and results as this.
        processes: processes instead of threads, for work that holds the interpreter: many short
            calls rather than few long ones. Each takes half a second to start. ``work`` must be a
            function of a module, items and results are pickled.

    Yields:
        The results.

    Raises:
        Exception: what ``work`` or the iterable raised, in its place in the order. What has not
            been started by then never is.
        LutFuseError: If a process was killed.
    """
    workers = workers or usable_cores()
    ahead = ahead or 2 * workers
    pool = _processes(workers) if processes else ThreadPoolExecutor(workers, "ordered_map")
    running: deque[Future[Result]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            del item  # the pool alone keeps it, and no longer than it needs it
            if len(running) >= ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    except BrokenProcessPool:
        raise LutFuseError(
            "a process that took part was killed, or there was no memory left for it"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _processes(number: int) -> Executor:
    # Spawned: a fork would copy the locks of threads that only exist in this process.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(number, mp_context=context, initializer=_prepare_process)


def _prepare_process() -> None:
    """Leave interrupts to the process that started this one, and the other cores to its like."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_freed_memory()
    import cv2

    cv2.setNumThreads(1)


def _keep_freed_memory() -> None:
    """Have glibc keep what intermediate images are freed for the next ones.

    It would return each to the system, which clears it page by page when the next is made: a third
    of the time of a chain of NumPy calls on whole images. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, size in ((_TRIM_THRESHOLD, 256), (_TOP_PAD, 64), (_MMAP_THRESHOLD, 32)):
            mallopt(parameter, size << 20)


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
