"""Frame periods as measured from stamps, and what follows from them for pairing."""

from __future__ import annotations

from collections import deque
from statistics import fmean, median

from lut_fuse_core.sync.stamps import NANOSECONDS

MARGIN = 1.1
"""Jitter that a tolerance of half a period allows for."""

FIRST_TOLERANCE = 15_000_000
"""Nanoseconds by which a pair may be apart until the periods are known."""

MAX_TOLERANCE = NANOSECONDS // 10
"""Nanoseconds by which a pair may be apart where both cameras are slow: what moves has moved."""

DRIFT_WINDOW = 30 * NANOSECONDS
"""Time over which the drift between two cameras is measured; a third of it is the least."""

MIN_DRIFT = 0.05
"""Share of a frame period by which the phase must have drifted to be no jitter."""


class PeriodMeter:
    """The frame period of one camera: the median distance of its latest stamps."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._gaps: deque[int] = deque(maxlen=15)

    def note(self, stamp: int) -> None:
        """Take the stamp of a frame (ns); what is out of order or repeated tells nothing."""
        newest = self._newest
        if newest is None or stamp > newest:
            if newest is not None:
                self._gaps.append(stamp - newest)
            self._newest = stamp

    def restart(self) -> None:
        """Forget the newest stamp: the clock was set, the period stays."""
        self._newest = None

    @property
    def period(self) -> int | None:
        """Nanoseconds from frame to frame; None before there were three frames."""
        return round(median(self._gaps)) if len(self._gaps) >= 2 else None


def tolerance_for(visible: int | None, infrared: int | None) -> int:
    """By how much the stamps of a pair may differ, from the periods of both cameras.

    Half of the shorter period and some jitter: then every frame of the slower camera finds a
    partner, whatever the phase of cameras that no common trigger keeps in step, and none is taken
    for its neighbor.

    Args:
        visible: Period of the visible camera in nanoseconds; None if unknown.
        infrared: That of the infrared camera.

    Returns:
        Nanoseconds, at most `MAX_TOLERANCE`; `FIRST_TOLERANCE` while a period is unknown.
    """
    if visible is None or infrared is None:
        return FIRST_TOLERANCE
    return min(round(MARGIN * min(visible, infrared) / 2), MAX_TOLERANCE)


class DriftMeter:
    """Recognizes cameras that run freely: nearly equal periods, and a phase that drifts.

    From the pairs of the last half minute. Cameras with one trigger keep their phase.
    """

    def __init__(self) -> None:
        self._phases: deque[tuple[int, float]] = deque()
        self._period = 0.0

    def restart(self) -> None:
        """Forget the pairs so far."""
        self._phases.clear()

    def note(self, visible: int, infrared: int, period: int | None) -> None:
        """Take a pair: its stamps, and the frame period of the visible camera; all in ns."""
        if period is None:
            return
        self._period = float(period)
        phase = float(infrared - visible)
        if self._phases:
            # Where pairing slips to the neighboring frame the phase goes on beyond half a period.
            before = self._phases[-1][1]
            phase += period * round((before - phase) / period)
        self._phases.append((visible, phase))
        while visible - self._phases[0][0] > DRIFT_WINDOW:
            self._phases.popleft()

    @property
    def slip(self) -> float | None:
        """Seconds in which the phase drifts by one frame; None if it keeps, or is not yet known."""
        count = len(self._phases)
        if count < 30 or self._phases[-1][0] - self._phases[0][0] < DRIFT_WINDOW // 3:
            return None
        points = list(self._phases)
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
