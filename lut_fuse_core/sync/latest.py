"""The newest infrared frame for each visible one, for live streams of different rates."""

from __future__ import annotations

from typing import Generic, TypeVar

from lut_fuse_core.sync.jumps import Jump, JumpWatch, Side
from lut_fuse_core.sync.pairing import Pair, Stamped

V = TypeVar("V")
I = TypeVar("I")  # noqa: E741 - I for infrared, beside V for visible


class LatestPairer(Generic[V, I]):
    """Gives each visible item the newest infrared one, whatever its stamp; see `StampPairer`.

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
        """Take a visible item (stamp and arrival in ns).

        Returns:
            Its pair, if there is one.
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
        """Take an infrared item (stamp and arrival in ns).

        Returns:
            Nothing.
        """
        self.jump = self._watch.note("infrared", stamp, arrival)
        self.unpaired_infrared += self._newest is not None and not self._served
        self._newest, self._served = Stamped(stamp, item), False
        return []

    def forget(self, *sides: Side) -> None:
        """Take the next item of these cameras as their first: their clock is another one."""
        self._newest = None
        for side in sides:
            self._watch.forget(side)
