"""Frame periods, measured from stamps, and what follows from them for pairing."""

from __future__ import annotations

from collections import deque
from statistics import fmean, median

from lut_fuse_core.sync.stamps import NANOSECONDS

MARGIN = 1.1
"""Factor by which the tolerance exceeds half a period, for jitter."""

FIRST_TOLERANCE = 15_000_000
"""Tolerance in nanoseconds until the periods are known."""

MAX_TOLERANCE = NANOSECONDS // 10
"""Largest tolerance in nanoseconds, for slow cameras: in more time things have moved."""

DRIFT_WINDOW = 30 * NANOSECONDS
"""Nanoseconds over which the drift between two cameras is measured; a third of it at least."""

MIN_DRIFT = 0.05
"""Share of a frame period by which the phase must have drifted; less is jitter."""


class PeriodMeter:
    """Measures the frame period of one camera: the median distance of its latest stamps."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._gaps: deque[int] = deque(maxlen=15)

    def note(self, stamp: int) -> None:
        """Take in the stamp of a frame; one that is out of order or repeated is ignored.

        Args:
            stamp: Nanoseconds.
        """
        newest = self._newest
        if newest is None or stamp > newest:
            if newest is not None:
                self._gaps.append(stamp - newest)
            self._newest = stamp

    def restart(self) -> None:
        """Forget the newest stamp, since the clock was set; the period stays."""
        self._newest = None

    @property
    def period(self) -> int | None:
        """Nanoseconds from frame to frame; None before the third frame."""
        return round(median(self._gaps)) if len(self._gaps) >= 2 else None


def tolerance_for(visible: int | None, infrared: int | None) -> int:
    """How much the stamps of a pair may differ, by the frame periods of both cameras.

    Half of the shorter period and some jitter: then every frame of the slower camera finds a
    partner, whatever the phase of cameras without a common trigger, and none is taken for its
    neighbor.

    Args:
        visible: Frame period of the visible camera, nanoseconds; None if unknown.
        infrared: The same of the infrared camera.

    Returns:
        Nanoseconds, at most `MAX_TOLERANCE`; `FIRST_TOLERANCE` while a period is unknown.
    """
    if visible is None or infrared is None:
        return FIRST_TOLERANCE
    return min(round(MARGIN * min(visible, infrared) / 2), MAX_TOLERANCE)


class DriftMeter:
    """Recognizes cameras that run freely: nearly equal periods, and a phase that drifts.

    Measured from the pairs of the last half minute; cameras with one trigger keep their phase.
    """

    def __init__(self) -> None:
        self._phases: deque[tuple[int, float]] = deque()
        self._period = 0.0

    def restart(self) -> None:
        """Forget the pairs so far."""
        self._phases.clear()

    def note(self, visible: int, infrared: int, period: int | None) -> None:
        """Take in a pair.

        Args:
            visible: Stamp of the visible frame, nanoseconds.
            infrared: Stamp of the infrared frame, nanoseconds.
            period: Frame period of the visible camera, nanoseconds; None if unknown.
        """
        if period is None:
            return
        self._period = float(period)
        phase = float(infrared - visible)
        if self._phases:
            # Where pairing slips to the neighboring frame, the phase continues past half a period.
            before = self._phases[-1][1]
            phase += period * round((before - phase) / period)
        self._phases.append((visible, phase))
        while visible - self._phases[0][0] > DRIFT_WINDOW:
            self._phases.popleft()

    @property
    def slip(self) -> float | None:
        """Seconds in which the phase drifts by one frame; None if it does not, or is not known.

        Any thread may ask.
        """
        points = list(self._phases)
        count = len(points)
        if count < 30 or points[-1][0] - points[0][0] < DRIFT_WINDOW // 3:
            return None
        third = count // 3
        early, late = points[:third], points[-third:]
        phases = [[phase for _, phase in part] for part in (early, late)]
        times = [fmean(time for time, _ in part) for part in (early, late)]
        drift = fmean(phases[1]) - fmean(phases[0])
        spread = max(max(part) - min(part) for part in phases)
        # A steady drift moves the ends by as much within a third as from third to third.
        steady = spread < 2 * abs(drift) + 0.02 * self._period
        if abs(drift) < MIN_DRIFT * self._period or not steady:
            return None
        return abs(self._period * (times[1] - times[0]) / drift) / NANOSECONDS
