"""What stamps and arrival times tell: jumps of the clock, silence of a camera, unpaired frames.

Stamps are in nanoseconds of the cameras' clock, arrival times in seconds of a monotonic clock.
"""

from __future__ import annotations

from collections import deque
from statistics import median

JUMP_BACK = 200_000_000
"""A stamp this much (ns) before its predecessor means that time was set back, not that two
messages swapped places: a bag that loops, a simulation that restarts."""

JUMP_AHEAD = 10_000_000_000
"""A gap in the stamps that is this much (ns) longer than the one between the arrivals means another
recording or a clock that was set, and not a camera that paused."""


class StampWatch:
    """Recognizes jumps in the stamps of one camera."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None

    @property
    def newest(self) -> int | None:
        """The latest stamp (ns); None before the first."""
        return None if self._last is None else self._last[0]

    def jumped(self, stamp: int, now: float) -> bool:
        """Note a stamp (ns) and its arrival (s). Returns whether the clock was set since the one
        before."""
        last, self._last = self._last, (stamp, now)
        if last is None:
            return False
        paused = round((now - last[1]) * 1e9)
        return not -JUMP_BACK <= stamp - last[0] <= paused + JUMP_AHEAD


class PairWatch:
    """Decides when infrared has been missing for so long that visible frames go out alone.

    What counts is how long visible frames have come without a pair, so that an infrared camera
    whose stamps fit nothing is treated like one that is silent, and a slow pair of cameras like a
    fast one.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self.fallen_back = False

    def arrived(self, now: float) -> None:
        """Note a visible frame (seconds of the arrival clock)."""
        if self._since is None:
            self._since = now

    def paired(self) -> None:
        """Note a pair."""
        self._since = None
        self.fallen_back = False

    def overdue(self, now: float, timeout: float) -> bool:
        """Whether visible frames have come for ``timeout`` seconds without a pair."""
        self.fallen_back = self._since is not None and now - self._since > timeout
        return self.fallen_back


class Waiting:
    """The stamps of one camera's frames that wait for a partner.

    queue_size: how many wait before the oldest is given up.
    """

    def __init__(self, queue_size: int) -> None:
        self._queue_size = queue_size
        self._stamps: deque[int] = deque()

    def arrived(self, stamp: int) -> int:
        """Note a frame (stamp in ns). Returns how many were given up for it: 0 or 1."""
        self._stamps.append(stamp)
        if len(self._stamps) <= self._queue_size:
            return 0
        self._stamps.popleft()
        return 1

    def paired(self, stamp: int) -> int:
        """Note that this frame found a partner. Returns how many older ones never will."""
        older = sum(1 for waiting in self._stamps if waiting < stamp)
        self._stamps = deque(waiting for waiting in self._stamps if waiting > stamp)
        return older

    def clear(self) -> None:
        """Forget the waiting frames (the clock was set)."""
        self._stamps.clear()


class OffsetMeter:
    """By how much infrared stamps are ahead of visible ones, lately.

    Compares the newest stamps of both cameras whenever either delivers, and keeps the smaller
    median: to about half a frame period the offset of their clocks, enough to tell a user why
    nothing pairs.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._offsets: dict[str, deque[int]] = {
            side: deque(maxlen=31) for side in ("visible", "infrared")
        }

    def arrived(self, side: str, stamp: int) -> None:
        """Note a stamp (ns) of the ``visible`` or ``infrared`` camera."""
        self._newest[side] = stamp
        if len(self._newest) == 2:
            offset = self._newest["infrared"] - self._newest["visible"]
            self._offsets[side].append(offset)

    def seconds(self) -> float | None:
        """The offset; None before both cameras were seen."""
        medians = [median(offsets) for offsets in self._offsets.values() if offsets]
        return min(medians, key=abs) * 1e-9 if medians else None
