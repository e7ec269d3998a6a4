"""The offset between two cameras' stamps, from the stamps alone, and its likely reason."""

from __future__ import annotations

from collections import deque
from statistics import median

from lut_fuse_core.sync.jumps import Side

TAI_AHEAD = 37.0
"""Seconds that TAI, the time scale of PTP, is ahead of UTC since 2017."""

GPS_AHEAD = 18.0
"""Seconds that GPS time is ahead of UTC since 2017."""

HOUR = 3600.0
YEAR = 365.25 * 24 * HOUR

NEAR = 0.9
"""Seconds by which images of one moment may arrive apart: the uncertainty of an offset."""


class OffsetMeter:
    """Measures by how much infrared stamps are ahead of visible ones.

    The newest stamps of both cameras are compared whenever a frame of either arrives. The smaller
    of the two medians is the offset of their clocks to about half a frame period, which is enough
    to tell the user why nothing pairs.
    """

    def __init__(self) -> None:
        self._newest: dict[Side, int] = {}
        self._offsets: dict[Side, deque[int]] = {
            side: deque(maxlen=31) for side in ("visible", "infrared")
        }

    def arrived(self, side: Side, stamp: int) -> None:
        """Take in a stamp, in the order in which frames arrive.

        Args:
            side: The camera.
            stamp: Nanoseconds.
        """
        self._newest[side] = stamp
        if len(self._newest) == 2:
            offset = self._newest["infrared"] - self._newest["visible"]
            self._offsets[side].append(offset)

    def seconds(self) -> float | None:
        """The offset in seconds; None before a frame of each camera has arrived."""
        medians = [median(offsets) for offsets in self._offsets.values() if offsets]
        return min(medians, key=abs) * 1e-9 if medians else None


def explain_offset(seconds: float) -> str:
    """The likely reason for an offset between two clocks.

    Args:
        seconds: The offset, in either direction.

    Returns:
        A clause for a sentence; empty if the reason is not clear.

    >>> explain_offset(-37.01)
    'one camera stamps in TAI (PTP), 37 s ahead of UTC'
    >>> explain_offset(7200.2)
    'one clock is set to another time zone'
    >>> explain_offset(0.2)
    ''
    """
    distance = abs(seconds)
    if abs(distance - TAI_AHEAD) < NEAR:
        return "one camera stamps in TAI (PTP), 37 s ahead of UTC"
    if abs(distance - GPS_AHEAD) < NEAR:
        return "one camera stamps in GPS time, 18 s ahead of UTC"
    if distance > YEAR:
        return "one camera counts from when it was switched on, not from 1970"
    hours = round(distance / HOUR, 0)
    if hours and hours <= 14 and abs(distance - hours * HOUR) < NEAR:
        return "one clock is set to another time zone" if hours > 1 else "one clock is an hour off"
    return ""
