"""Jumps in time: bags that loop, simulations that restart, cameras that synchronize late."""

from __future__ import annotations

from typing import Literal

from lut_fuse_core.sync.stamps import NANOSECONDS

JUMP_BACK = NANOSECONDS // 5
"""Nanoseconds: a stamp so much before the newest one means that time was set back, and not that two
messages swapped places."""

JUMP_AHEAD = 10 * NANOSECONDS
"""Nanoseconds: a gap in the stamps so much longer than the one between the arrivals means another
recording or a clock that was set, and not a camera that paused."""

JUMP_TOGETHER = NANOSECONDS
"""Nanoseconds: if the second clock is set to within so much of the newest stamp of the first one,
both made one jump."""

Side = Literal["visible", "infrared"]

SIDES: tuple[Side, Side] = ("visible", "infrared")

Jump = Literal["none", "first", "second"]
"""Whether a camera's clock was set, and if so, whether that of the other one was set before."""


def jumped_back(stamp: int, newest: int | None) -> bool:
    """Whether time was set back before a frame.

    Args:
        stamp: Stamp of the frame, nanoseconds.
        newest: Newest stamp before it, nanoseconds; None without one.
    """
    return newest is not None and stamp < newest - JUMP_BACK


def jumped_back_seconds(time: float, newest: float | None) -> bool:
    """Whether time was set back before a frame.

    Args:
        time: Time of the frame, seconds.
        newest: Newest time before it, seconds; None without one.
    """
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
        """Take in the stamp of the next frame.

        Args:
            side: Its camera.
            stamp: Its stamp, nanoseconds.
            arrival: When it arrived, nanoseconds of a monotonic clock; None if unknown, then jumps
                ahead are not noticed.

        Returns:
            ``first`` if the clock was set since the frame before; ``second`` if it was, and the
            clock of the other camera was set to about the same time before; else ``none``.
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
        """Note that both clocks agree again: the next jump is another one."""
        self._first = None

    def forget(self, side: Side) -> None:
        """Take the next frame of a camera as its first one.

        Args:
            side: The camera.
        """
        self._newest.pop(side, None)
        self._arrivals.pop(side, None)

    def _jumped_ahead(
        self, side: Side, stamp: int, newest: int | None, arrival: int | None
    ) -> bool:
        before = self._arrivals.get(side)
        if newest is None or arrival is None or before is None:
            return False
        return stamp - newest > arrival - before + JUMP_AHEAD
