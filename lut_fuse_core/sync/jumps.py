"""Clocks that were set: bags that loop, simulations that restart, cameras that synchronize late."""

from __future__ import annotations

from typing import Literal

from lut_fuse_core.sync.stamps import NANOSECONDS

JUMP_BACK = NANOSECONDS // 5
"""A stamp this much (ns) before the newest one means that time was set back, not that two messages
swapped places."""

JUMP_AHEAD = 10 * NANOSECONDS
"""A gap in the stamps that is this much (ns) longer than the one between the arrivals means another
recording or a clock that was set, and not a camera that paused."""

JUMP_TOGETHER = NANOSECONDS
"""When the clock of the second camera is set to within this time (ns) of the newest stamp of the
first, both made one jump."""

Side = Literal["visible", "infrared"]

SIDES: tuple[Side, Side] = ("visible", "infrared")

Jump = Literal["none", "first", "second"]
"""Whether a camera's clock was set, and whether the other camera's was before."""


def jumped_back(stamp: int, newest: int | None) -> bool:
    """Whether time was set back between the newest stamp (ns; None before the first) and this."""
    return newest is not None and stamp < newest - JUMP_BACK


def jumped_back_seconds(time: float, newest: float | None) -> bool:
    """The same for times in seconds."""
    return newest is not None and time < newest - JUMP_BACK / NANOSECONDS


class JumpWatch:
    """Recognizes jumps in the stamps of two cameras, and jumps that both make together.

    >>> watch = JumpWatch()
    >>> [watch.note(side, 60 * NANOSECONDS) for side in SIDES]
    ['none', 'none']
    >>> [watch.note(side, 0) for side in SIDES]
    ['first', 'second']
    """

    def __init__(self) -> None:
        self._newest: dict[Side, int] = {}
        self._arrivals: dict[Side, int] = {}
        self._first: Side | None = None

    def note(self, side: Side, stamp: int, arrival: int | None = None) -> Jump:
        """Take the stamp of a frame.

        Args:
            side: Its camera.
            stamp: Nanoseconds of the camera's clock.
            arrival: Nanoseconds of a monotonic clock; None if unknown, then jumps ahead go
                unnoticed.

        Returns:
            ``first`` if the clock was set since the frame before; ``second`` if it was, and the
            other camera's clock was set to the same time just before; else ``none``.
        """
        newest = self._newest.get(side)
        jumped = jumped_back(stamp, newest) or self._jumped_ahead(side, stamp, newest, arrival)
        if jumped or newest is None or stamp > newest:
            self._newest[side] = stamp
        if arrival is not None:
            self._arrivals[side] = arrival
        if not jumped:
            return "none"
        first = self._first
        if (
            first is not None
            and first != side
            and abs(self._newest[first] - stamp) <= JUMP_TOGETHER
        ):
            self._first = None
            return "second"
        self._first = side
        return "first"

    def paired(self) -> None:
        """Note that both cameras agree again: the next jump is a new one."""
        self._first = None

    def forget(self, side: Side) -> None:
        """Take whatever comes next from a camera as its first frame."""
        self._newest.pop(side, None)
        self._arrivals.pop(side, None)

    def _jumped_ahead(
        self, side: Side, stamp: int, newest: int | None, arrival: int | None
    ) -> bool:
        before = self._arrivals.get(side)
        if newest is None or arrival is None or before is None:
            return False
        return stamp - newest > arrival - before + JUMP_AHEAD
