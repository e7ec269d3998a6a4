"""Pairs each visible frame with the newest infrared one, for live streams."""

from __future__ import annotations

from typing import Generic, TypeVar

from lut_fuse_core.sync.jumps import Jump, JumpWatch, Side
from lut_fuse_core.sync.pairing import Pair, Stamped

V = TypeVar("V")
I = TypeVar("I")  # noqa: E741 - I for infrared, beside V for visible


class LatestPairer(Generic[V, I]):
    """Pairs each visible item with the newest infrared one, whatever its stamp.

    Attributes:
        unpaired_visible: Number of visible items that came before any infrared one.
        unpaired_infrared: Number of infrared items that were replaced before they were paired.
        jump: Whether a clock was set just before the latest item.

    >>> pairer = LatestPairer()
    >>> pairer.add_infrared(0, "i")
    []
    >>> [pairer.add_visible(stamp, "v")[0].infrared.item for stamp in (5, 10)]
    ['i', 'i']
    """

    def __init__(self) -> None:
        self.unpaired_visible = 0
        self.unpaired_infrared = 0
        self.jump: Jump = "none"
        self._watch = JumpWatch()
        self._newest: Stamped[I] | None = None
        self._served = False

    def add_visible(self, stamp: int, item: V, arrival: int | None = None) -> list[Pair[V, I]]:
        """Take in a visible item.

        Args:
            stamp: When it was captured, nanoseconds.
            item: The item.
            arrival: When it arrived, nanoseconds of a monotonic clock; None if unknown.

        Returns:
            Its pair; empty if there is no infrared item.
        """
        self.jump = self._watch.note("visible", stamp, arrival)
        if self.jump == "first":
            self._newest = None
        if self._newest is None:
            self.unpaired_visible += 1
            return []
        self._served = True
        return [Pair(Stamped(stamp, item), self._newest)]

    def add_infrared(self, stamp: int, item: I, arrival: int | None = None) -> list[Pair[V, I]]:
        """Take in an infrared item; see `add_visible`.

        Returns:
            An empty list: it is paired with the visible items that follow.
        """
        self.jump = self._watch.note("infrared", stamp, arrival)
        self.unpaired_infrared += self._newest is not None and not self._served
        self._newest, self._served = Stamped(stamp, item), False
        return []

    def forget(self, *sides: Side) -> None:
        """Drop the infrared item, and take the next item of some cameras as their first one.

        Args:
            *sides: Cameras whose clock is another one from now on.
        """
        self._newest = None
        for side in sides:
            self._watch.forget(side)
