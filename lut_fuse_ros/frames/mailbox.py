"""Hand-over from the callbacks to the worker: the latest item wins, nothing queues up."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE = 0.02
"""Seconds an item may wait before a newer one displaces it: less than the frame period of a camera
of up to 50 Hz, so that it spares only the frames of a burst (a scheduler that held both cameras
up)."""

CAPACITY = 3
"""Items of one burst that may wait for one another."""


class Mailbox(Generic[T]):
    """Holds the newest item, and those that came at practically the same time.

    However fast items arrive, the one that is taken came less than `CAPACITY` items ago. One item
    is handled at a time, by the thread that takes it or by the one that brings it (`claim`).

    >>> box = Mailbox[str]()
    >>> box.put("old", now=0.0), box.put("new", now=1.0)
    (0, 1)
    >>> box.take(timeout=0)
    'new'
    """

    def __init__(self) -> None:
        self._items: deque[tuple[float, T]] = deque()
        self._closed = self._handling = False
        self._condition = threading.Condition()

    def put(self, item: T, now: float, patience: float = PATIENCE) -> int:
        """Leave an item.

        Args:
            item: What to hand over.
            now: Monotonic seconds.
            patience: Seconds for which those that wait may have waited and not be displaced.

        Returns:
            How many older ones it displaced.
        """
        with self._condition:
            before = len(self._items)
            while self._items and (
                now - self._items[0][0] > patience or len(self._items) >= CAPACITY
            ):
                self._items.popleft()
            displaced = before - len(self._items)
            self._items.append((now, item))
            self._condition.notify()
            return displaced

    def take(self, timeout: float | None = None) -> T | None:
        """Wait up to ``timeout`` seconds for an item, and for the one before to be handled.

        Returns:
            None if none came or the box was closed; else call `done` afterwards.
        """
        with self._condition:
            ready = self._condition.wait_for(
                lambda: (self._items and not self._handling) or self._closed, timeout
            )
            if self._closed or not ready:
                return None
            self._handling = True
            return self._items.popleft()[1]

    def claim(self) -> bool:
        """Whether an item may be handled by its bringer: none is waiting or being handled.

        Returns:
            If True, call `done` afterwards.
        """
        with self._condition:
            if self._closed or self._items or self._handling:
                return False
            self._handling = True
            return True

    def done(self) -> None:
        """The item that was taken or claimed has been handled."""
        with self._condition:
            self._handling = False
            self._condition.notify()

    def close(self) -> None:
        """Wake whoever waits; from now on nothing is handed out."""
        with self._condition:
            self._closed = True
            self._items.clear()
            self._condition.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed
