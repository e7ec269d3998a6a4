"""Hand-over from the callbacks to the worker: the latest item wins, nothing queues up."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds at most one item; a newer one replaces it, so that latency cannot build up.

    >>> box = Mailbox[int]()
    >>> box.put(1), box.put(2)
    (False, True)
    >>> box.take(timeout=0)
    2
    """

    def __init__(self) -> None:
        self._item: T | None = None
        self._closed = False
        self._condition = threading.Condition()

    def put(self, item: T) -> bool:
        """Leave an item. Returns whether that displaced one nobody had taken."""
        with self._condition:
            displaced = self._item is not None
            self._item = item
            self._condition.notify()
            return displaced

    def take(self, timeout: float | None = None) -> T | None:
        """Wait up to ``timeout`` seconds for an item; None if none came or the box was closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wake whoever waits; from now on nothing is handed out."""
        with self._condition:
            self._closed = True
            self._item = None
            self._condition.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed
