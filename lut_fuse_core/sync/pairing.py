"""Pairing of two streams by their capture times, for bags and live topics alike."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from lut_fuse_core.sync.jumps import SIDES, Jump, JumpWatch, Side
from lut_fuse_core.sync.periods import PeriodMeter, tolerance_for
from lut_fuse_core.sync.stamps import NANOSECONDS

V = TypeVar("V")
I = TypeVar("I")  # noqa: E741 - I for infrared, beside V for visible
T = TypeVar("T")

PATIENCE = NANOSECONDS // 5
"""Nanoseconds of the other stream for which a frame waits beyond the time of its partner, in case
that comes out of order."""

NEVER = -(2**63)
"""A stamp before all others."""


@dataclass(frozen=True)
class Stamped(Generic[T]):
    """An item and when it was captured.

    Attributes:
        stamp: Nanoseconds.
        item: The item that is paired.
    """

    stamp: int
    item: T


@dataclass(frozen=True)
class Pair(Generic[V, I]):
    """Two items that belong together.

    Attributes:
        visible: Item of the visible camera.
        infrared: Item of the infrared camera.
    """

    visible: Stamped[V]
    infrared: Stamped[I]


class StampPairer(Generic[V, I]):
    """Pairs each visible item with the nearest infrared one within a tolerance.

    Pairs are returned in the order of their stamps. A pair is decided as soon as no frame that may
    still come can be nearer to either of the two: if their stamps differ by less than half a frame
    period, that is when the second one arrives. Frames wait for a partner until a later one is
    paired, until the other stream is `PATIENCE` past them, or until ``capacity`` of them wait.

    If the stamps of a stream jump back, or ahead by more than the arrivals do, the waiting frames
    are decided and pairing starts again; frames after the jump of one camera wait for that of the
    other one.

    Args:
        tolerance: Nanoseconds by which the stamps of a pair may differ; None to follow the measured
            frame periods (`tolerance_for`).
        disorder: Nanoseconds by which frames of one stream may come out of order and still be
            sorted; pairs wait for so long. 0, for live streams, takes them as they come.
        capacity: Most items of each camera that wait.
        reuse_infrared: Whether one infrared item may serve several visible ones (for a faster
            visible camera); otherwise the nearest one gets it.

    Attributes:
        capacity: See above; may be changed.
        unpaired_visible: Number of visible items without a partner so far.
        unpaired_infrared: Number of infrared items that were paired with none so far.
        closest: Smallest distance of a visible item without a partner to an infrared one,
            nanoseconds; None without any.
        missed: Whether a partner came after its item was given up because too many waited.
        jump: Whether a clock was set just before the latest item.

    >>> pairer = StampPairer(tolerance=10)
    >>> pairer.add_visible(100, "v")
    []
    >>> [(pair.visible.item, pair.infrared.item) for pair in pairer.add_infrared(104, "i")]
    [('v', 'i')]
    """

    def __init__(
        self,
        tolerance: int | None,
        *,
        disorder: int = 0,
        capacity: int = 32,
        reuse_infrared: bool = False,
    ) -> None:
        self.set_tolerance(tolerance)
        self.capacity = capacity
        self.unpaired_visible = 0
        self.unpaired_infrared = 0
        self.closest: int | None = None
        self.missed = False
        self.jump: Jump = "none"
        self._disorder, self._reuse = disorder, reuse_infrared
        self._periods: dict[Side, PeriodMeter] = {side: PeriodMeter() for side in SIDES}
        self._watch = JumpWatch()
        self._given_up: dict[Side, deque[int]] = {side: deque(maxlen=1024) for side in SIDES}
        self._restart()

    def set_tolerance(self, tolerance: int | None) -> None:
        """Change the tolerance, from the next item on.

        Args:
            tolerance: Nanoseconds; None to follow the measured frame periods.
        """
        self._fixed_tolerance = tolerance

    @property
    def tolerance(self) -> int:
        """Nanoseconds by which the stamps of a pair may differ now."""
        if self._fixed_tolerance is not None:
            return self._fixed_tolerance
        return tolerance_for(self.period("visible"), self.period("infrared"))

    def period(self, side: Side) -> int | None:
        """The measured frame period of a camera.

        Args:
            side: The camera.

        Returns:
            Nanoseconds; None if unknown.
        """
        return self._periods[side].period

    def add_visible(self, stamp: int, item: V, arrival: int | None = None) -> list[Pair[V, I]]:
        """Take in a visible item.

        Args:
            stamp: When it was captured, nanoseconds.
            item: The item.
            arrival: When it arrived, nanoseconds of a monotonic clock; None if unknown.

        Returns:
            The pairs that are decided now.
        """
        pairs = self._note("visible", stamp, arrival)
        if stamp < self._decided:
            self.unpaired_visible += 1  # too late: its successors are out already
            return pairs
        self._look_back(stamp, "infrared")
        insort(self._visible, Stamped(stamp, item), key=_stamp)
        return pairs + self._decide()

    def add_infrared(self, stamp: int, item: I, arrival: int | None = None) -> list[Pair[V, I]]:
        """Take in an infrared item; see `add_visible`."""
        pairs = self._note("infrared", stamp, arrival)
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
        """Decide all waiting items, since the streams have ended.

        Returns:
            The remaining pairs.
        """
        pairs = self._decide(everything=True)
        self._drop_infrared(len(self._infrared))
        return pairs

    def forget(self, *sides: Side) -> None:
        """Give up the waiting items, and take the next item of some cameras as their first one.

        Args:
            *sides: Cameras whose clock is another one from now on.
        """
        self.unpaired_visible += len(self._visible)
        self._drop_infrared(len(self._infrared))
        self._restart()
        for side in sides:
            self._watch.forget(side)

    def _restart(self) -> None:
        self._visible: list[Stamped[V]] = []
        self._infrared: list[Stamped[I]] = []
        self._newest: dict[Side, int] = {}
        self._decided = NEVER
        self._used: Stamped[I] | None = None
        for side in SIDES:
            self._given_up[side].clear()
            self._periods[side].restart()

    def _note(self, side: Side, stamp: int, arrival: int | None) -> list[Pair[V, I]]:
        """Take in a stamp.

        Returns:
            The pairs that a jump decides.
        """
        self.jump, pairs = self._watch.note(side, stamp, arrival), list[Pair[V, I]]()
        if self.jump == "first":
            pairs = self.flush()
            self._restart()
        elif self.jump == "second":
            self._forget_before_jump(side)
        self._periods[side].note(stamp)
        self._newest[side] = max(stamp, self._newest.get(side, stamp))
        return pairs

    def _forget_before_jump(self, side: Side) -> None:
        """The other camera jumped before: what this one sent until now is of the time before."""
        if side == "visible":
            self.unpaired_visible += len(self._visible)
            self._visible, self._decided = [], NEVER
        else:
            self._drop_infrared(len(self._infrared))
            self._used = None
        self._newest.pop(side, None)
        self._periods[side].restart()

    def _look_back(self, stamp: int, side: Side) -> None:
        """Note whether the partner of an item that came now was given up before."""
        if self.missed or not self._given_up[side]:
            return
        tolerance = self.tolerance
        self.missed = any(abs(stamp - given_up) <= tolerance for given_up in self._given_up[side])

    def _decide(self, everything: bool = False) -> list[Pair[V, I]]:
        pairs, index = [], 0
        next_visible = self._earliest("visible", everything)
        next_infrared = self._earliest("infrared", everything)
        while index < len(self._visible):
            forced = everything or max(len(self._visible), len(self._infrared)) > self.capacity
            visible = self._visible[index]
            partner = self._partner(index)
            if partner is None:
                if forced or self._is_hopeless(visible.stamp):
                    self._give_up(index)
                elif next_infrared <= visible.stamp + self.tolerance:
                    break
                else:  # it should have come, but may be out of order; later ones need not wait
                    index += 1
                continue
            infrared = self._infrared[partner]
            distance = abs(infrared.stamp - visible.stamp)
            nearest = next_infrared - visible.stamp >= distance and (
                next_visible >= visible.stamp
                if self._reuse
                else next_visible - infrared.stamp >= distance
            )
            if not (forced or nearest):
                break
            for _ in range(index):
                self._give_up(0)
            pairs.append(self._take(partner))
            index = 0
        if pairs and not everything:
            self._watch.paired()
        return pairs

    def _earliest(self, side: Side, everything: bool) -> int:
        """The earliest stamp that the next item of a stream can have."""
        if everything:
            return 2**63
        newest = self._newest.get(side)
        if newest is None:
            return NEVER
        return newest - self._disorder if self._disorder else newest + (self.period(side) or 0)

    def _is_hopeless(self, stamp: int) -> bool:
        """Whether the other stream is so far past a visible item that nothing will come for it."""
        newest = self._newest.get("infrared")
        patience = max(PATIENCE, self._disorder)
        return newest is not None and newest > stamp + self.tolerance + patience

    def _take(self, partner: int) -> Pair[V, I]:
        """Pair the oldest visible item with the infrared one at an index."""
        visible, infrared = self._visible.pop(0), self._infrared[partner]
        self._decided = visible.stamp
        self._drop_infrared(partner)
        self._used = infrared
        if not self._reuse:
            self._infrared.pop(0)
        return Pair(visible, infrared)

    def _give_up(self, index: int) -> None:
        visible = self._visible.pop(index)
        self._decided = max(self._decided, visible.stamp)
        self.unpaired_visible += 1
        self._given_up["visible"].append(visible.stamp)
        nearest = self._nearest(visible.stamp)
        if nearest is not None:
            distance = abs(self._infrared[nearest].stamp - visible.stamp)
            self.closest = distance if self.closest is None else min(distance, self.closest)

    def _partner(self, index: int) -> int | None:
        """Index of the infrared item for a waiting visible one; None if there is none for it."""
        visible = self._visible[index]
        nearest = self._nearest(visible.stamp)
        if nearest is not None and not self._reuse and self._is_nearer_to_next(nearest, index):
            nearest = nearest - 1 if nearest > 0 else None
        if nearest is None:
            return None
        distance = abs(self._infrared[nearest].stamp - visible.stamp)
        return nearest if distance <= self.tolerance else None

    def _nearest(self, stamp: int) -> int | None:
        """Index of the waiting infrared item nearest to a stamp; None if none waits."""
        after = bisect_left(self._infrared, stamp, key=_stamp)
        around = [index for index in (after - 1, after) if 0 <= index < len(self._infrared)]
        return min(around, key=lambda index: abs(self._infrared[index].stamp - stamp), default=None)

    def _is_nearer_to_next(self, nearest: int, index: int) -> bool:
        """Whether the next visible item would take this infrared one, being nearer to it."""
        if index + 1 >= len(self._visible):
            return False
        following, stamp = self._visible[index + 1].stamp, self._infrared[nearest].stamp
        nearer = abs(following - stamp) < abs(self._visible[index].stamp - stamp)
        return nearer and self._nearest(following) == nearest

    def _drop_infrared(self, count: int) -> None:
        dropped = self._infrared[:count]
        del self._infrared[:count]
        self.unpaired_infrared += sum(item is not self._used for item in dropped)


def _stamp(stamped: Stamped[T]) -> int:
    return stamped.stamp
