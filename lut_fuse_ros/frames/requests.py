"""Changes of the pipeline that are asked for from other threads; the latest of a kind wins."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lut_fuse_core.pipeline.pipeline import FusionPipeline

Change = Callable[[FusionPipeline], None]


class Requests:
    """What is to be changed before the next frame: never more than one change of each kind.

    >>> requests = Requests()
    >>> for distance in (1.0, 2.0): requests.put("distance", lambda pipeline: None)
    >>> len(requests.take())
    1
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: dict[str, Change] = {}

    def put(self, kind: str, change: Change) -> None:
        """Ask for a change; it replaces one of its kind that was not made yet."""
        with self._lock:
            self._changes.pop(kind, None)
            self._changes[kind] = change

    def take(self) -> list[Change]:
        """The changes to make now, in the order in which they were asked for last."""
        with self._lock:
            changes = list(self._changes.values())
            self._changes.clear()
        return changes
