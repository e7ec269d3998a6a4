"""Pairing of two streams by time stamp: bounded memory, stamps may be slightly out of order."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")
I = TypeVar("I")  # noqa: E741 - I for infrared, beside V for visible
T = TypeVar("T")

NANOSECONDS = 1_000_000_000
JUMP_BACK = NANOSECONDS
"""By how much one stream's stamps must run backwards to count as a jump, not as disorder."""


@dataclass(frozen=True)
class Stamped(Generic[T]):
    """An item and when it was captured, in nanoseconds."""

    stamp: int
    item: T


@dataclass(frozen=True)
class Pair(Generic[V, I]):
    """A visible item and the infrared item that belongs to it."""

    visible: Stamped[V]
    infrared: Stamped[I]


class StampPairer(Generic[V, I]):
    """Pairs each visible item with the nearest infrared one within a tolerance.

    Pairs come out in the order of their stamps. An item is decided on once both streams have moved
    past it by tolerance plus ``disorder``, or when ``capacity`` items wait on one side.
    If a stream's stamps jump back by more than a second, what waits is decided and all starts anew.

    tolerance, disorder: nanoseconds. capacity: most items that wait per side.
    reuse_infrared: whether one infrared item may serve several visible ones (for a faster visible
        camera); otherwise it goes to the nearest.

    >>> pairer = StampPairer(tolerance=10)
    >>> pairs = pairer.add_visible(100, "v") + pairer.add_infrared(104, "i") + pairer.flush()
    >>> [(pair.visible.item, pair.infrared.item) for pair in pairs]
    [('v', 'i')]
    """

    def __init__(
        self,
        tolerance: int,
        *,
        disorder: int = NANOSECONDS // 5,
        capacity: int = 32,
        reuse_infrared: bool = False,
    ) -> None:
        self.tolerance = tolerance
        self.unpaired_visible = 0
        self.unpaired_infrared = 0
        self.closest: int | None = None
        """Smallest distance of a visible item that found no partner, in nanoseconds."""
        self.missed = False
        """Whether a partner came after its item was given up, since too many waited."""
        self._given_up: dict[str, deque[int]] = {
            side: deque(maxlen=1024) for side in ("visible", "infrared")
        }
        self.capacity = capacity
        self._reach = tolerance + disorder
        self._reuse = reuse_infrared
        self._visible: list[Stamped[V]] = []
        self._infrared: list[Stamped[I]] = []
        self._newest_visible: int | None = None
        self._newest_infrared: int | None = None
        self._decided: int | None = None
        self._used: Stamped[I] | None = None

    def add_visible(self, stamp: int, item: V) -> list[Pair[V, I]]:
        """Take a visible item; returns the pairs that are decided now."""
        pairs = self._notice_jump(stamp, self._newest_visible)
        self._newest_visible = max(stamp, self._newest_visible or stamp)
        if self._decided is not None and stamp < self._decided:
            self.unpaired_visible += 1  # too late: its successors are out already
            return pairs
        self._look_back(stamp, "infrared")
        insort(self._visible, Stamped(stamp, item), key=_stamp)
        return pairs + self._decide()

    def add_infrared(self, stamp: int, item: I) -> list[Pair[V, I]]:
        """Take an infrared item; returns the pairs that are decided now."""
        pairs = self._notice_jump(stamp, self._newest_infrared)
        self._newest_infrared = max(stamp, self._newest_infrared or stamp)
        if self._used is not None and stamp < self._used.stamp:
            self.unpaired_infrared += 1
            return pairs
        self._look_back(stamp, "visible")
        insort(self._infrared, Stamped(stamp, item), key=_stamp)
        pairs += self._decide()
        while len(self._infrared) > self.capacity:
            self._given_up["infrared"].append(self._infrared[0].stamp)
            self._drop_infrared(1)
        return pairs

    def flush(self) -> list[Pair[V, I]]:
        """Decide on all that waits: the streams have ended."""
        pairs = self._decide(everything=True)
        self._drop_infrared(len(self._infrared))
        return pairs

    def _look_back(self, stamp: int, side: str) -> None:
        """Note whether the partner of an item that came now was given up before."""
        self.missed = self.missed or any(
            abs(stamp - given_up) <= self.tolerance for given_up in self._given_up[side]
        )

    def _start_anew(self) -> None:
        self._visible, self._infrared = [], []
        self._newest_visible = self._newest_infrared = None
        self._decided = self._used = None
        for stamps in self._given_up.values():
            stamps.clear()

    def _notice_jump(self, stamp: int, newest: int | None) -> list[Pair[V, I]]:
        if newest is None or stamp >= newest - JUMP_BACK:
            return []
        pairs = self.flush()
        self._start_anew()
        return pairs

    def _decide(self, everything: bool = False) -> list[Pair[V, I]]:
        pairs = []
        while self._visible and (everything or self._is_ripe(self._visible[0].stamp)):
            pair = self._decide_oldest()
            if pair is not None:
                pairs.append(pair)
        return pairs

    def _is_ripe(self, stamp: int) -> bool:
        if max(len(self._visible), len(self._infrared)) > self.capacity:
            return True
        newest = (self._newest_visible, self._newest_infrared)
        return all(latest is not None and latest >= stamp + self._reach for latest in newest)

    def _decide_oldest(self) -> Pair[V, I] | None:
        visible = self._visible.pop(0)
        self._decided = visible.stamp
        nearest = self._nearest(visible.stamp)
        if nearest is not None and not self._reuse and self._is_nearer_to_next(nearest, visible):
            nearest = nearest - 1 if nearest > 0 else None
        if nearest is None:
            self.unpaired_visible += 1
            self._given_up["visible"].append(visible.stamp)
            return None
        infrared = self._infrared[nearest]
        distance = abs(infrared.stamp - visible.stamp)
        if distance > self.tolerance:
            self.unpaired_visible += 1
            self.closest = distance if self.closest is None else min(distance, self.closest)
            self._given_up["visible"].append(visible.stamp)
            return None
        self._drop_infrared(nearest)
        self._used = infrared
        if not self._reuse:
            self._infrared.pop(0)
        return Pair(visible, infrared)

    def _nearest(self, stamp: int) -> int | None:
        """Index of the waiting infrared item nearest to a stamp; None if none waits."""
        after = bisect_left(self._infrared, stamp, key=_stamp)
        around = [index for index in (after - 1, after) if 0 <= index < len(self._infrared)]
        return min(around, key=lambda index: abs(self._infrared[index].stamp - stamp), default=None)

    def _is_nearer_to_next(self, nearest: int, visible: Stamped[V]) -> bool:
        """Whether the next visible item would take this infrared one, being nearer to it."""
        if not self._visible:
            return False
        following, stamp = self._visible[0].stamp, self._infrared[nearest].stamp
        nearer = abs(following - stamp) < abs(visible.stamp - stamp)
        return nearer and self._nearest(following) == nearest

    def _drop_infrared(self, count: int) -> None:
        dropped = self._infrared[:count]
        del self._infrared[:count]
        self.unpaired_infrared += sum(item is not self._used for item in dropped)


def _stamp(stamped: Stamped[T]) -> int:
    return stamped.stamp
