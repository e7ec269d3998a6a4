"""Runs the tasks of a batch in processes of this machine."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from lut_fuse_core.batch.fork_server import context, prepare
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.task import Task
from lut_fuse_core.parallel.heap import keep_freed_memory

PATIENCE = 10.0
"""Seconds that a process has to clean up when it is told to end."""

KILLED = "its process ended without a word: it was killed, or there was no memory left"

Work = Callable[[Task], Outcome]


def fuse_input(task: Task) -> Outcome:
    """Fuse one input, see `work.fuse_input`, which only workers import."""
    from lut_fuse_core.batch.work import fuse_input as fuse

    return fuse(task)


def run_tasks(
    tasks: Iterable[Task],
    work: Work,
    *,
    workers: int,
    threads: int,
    retries: int = 0,
    started: Callable[[Task], None] = lambda task: None,
) -> Iterator[tuple[Task, Outcome]]:
    """Run tasks in several processes.

    A process that dies takes its own task with it, and no other. When the iterator is closed, or an
    error ends it, all processes are ended.

    Args:
        tasks: The tasks, in order.
        work: Does one task; a function of a module.
        workers: Number of processes.
        threads: Threads of each process.
        retries: How often a task is run again if its failure may pass.
        started: Called with each task before it is run.

    Yields:
        Each task with its outcome, as it ends.
    """
    prepare()
    waiting = deque((task, 0) for task in tasks)
    idle = [_Worker(work, threads) for _ in range(min(workers, len(waiting)))]
    busy: dict[Connection, tuple[_Worker, Task, int]] = {}
    try:
        while waiting or busy:
            while waiting and idle:
                task, attempt = waiting.popleft()
                worker = idle.pop()
                started(task)
                try:
                    worker.pipe.send(task)
                except OSError:  # it was killed while it was idle
                    worker.end()
                    worker = _Worker(work, threads)
                    worker.pipe.send(task)
                busy[worker.pipe] = worker, task, attempt
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                worker, task, attempt = busy.pop(ready)
                try:
                    outcome = ready.recv()
                    idle.append(worker)
                except (EOFError, OSError):
                    worker.end()
                    outcome = Outcome("failed", error=KILLED, passing=True)
                    idle.append(_Worker(work, threads))
                if outcome.passing and attempt < retries:
                    waiting.append((task, attempt + 1))
                else:
                    yield task, outcome
    finally:
        for worker in (*idle, *(each for each, _, _ in busy.values())):
            worker.end()


class _Worker:
    """A process that runs one task after the other, and the pipe to it."""

    def __init__(self, work: Work, threads: int) -> None:
        starting = context()
        self.pipe, theirs = starting.Pipe()
        self._process = starting.Process(target=_serve, args=(theirs, work, threads), daemon=True)
        self._process.start()
        theirs.close()

    def end(self) -> None:
        """End the process, with time to clean up."""
        self.pipe.close()
        if self._process.is_alive():
            self._process.terminate()
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()


def _serve(pipe: Connection, work: Work, threads: int) -> None:
    """Run tasks until there are no more."""
    working = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        # Without a task the process ends when its pipe does, and must not be interrupted.
        if working:
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import cv2

    cv2.setNumThreads(threads)
    keep_freed_memory()
    try:
        while True:
            task: Any = pipe.recv()
            working = True
            outcome = work(task)
            working = False
            pipe.send(outcome)
    except (EOFError, OSError, KeyboardInterrupt):
        return
