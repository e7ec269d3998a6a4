"""The gray range of a thermal stream: robust against hot objects, stable in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, RawInfrared

SAMPLES = 16_384
"""Pixels looked at per frame; percentiles of so many are known to a fraction of a percent."""

FENCE = 1.5
"""Tukey's fence: values beyond the quartiles by 1.5 interquartile ranges are outliers, and the
range does not stretch for them."""

OBJECT_SHARE, SCENE_SHARE = 0.3, 0.55
"""Shares of the frame outside the range: up to the first it is an object that came into view,
from the second on the scene itself has changed; in between the range follows ever faster."""

OBJECT_RATE = 0.01
"""How fast, relative to the scene, the range opens for an object."""


@dataclass(frozen=True)
class GrayRange:
    """Raw counts shown from `FOOT` to `SHOULDER`, linear in between."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """Counts between both ends."""
        return self.high - self.low

    def shifted(self, counts: float) -> GrayRange:
        """The range after all counts moved by the same amount."""
        return GrayRange(self.low + counts, self.high + counts)


def subsample(raw: RawInfrared) -> RawInfrared:
    """Every n-th pixel, about `SAMPLES` of them: a view ``(h, w)`` of ``(H, W)``."""
    step = max(1, int(np.sqrt(raw.size / SAMPLES)))
    return raw[::step, ::step]


class RangeTracker:
    """Follows the range of a stream.

    Narrowing, and moves of the whole scene, are followed with the given smoothing. Widening for a
    minority of very hot (or very cold) pixels is a hundred times slower, so an object that
    enters the view takes its place on the soft end of the scale and leaves the rest as it was.

    low_percentile, high_percentile: in percent. smoothing: weight of the past, 0 to below 1.
    """

    def __init__(self, low_percentile: float, high_percentile: float, smoothing: float) -> None:
        self._quantiles = np.array([low_percentile / 100, 0.25, 0.75, high_percentile / 100])
        self._smoothing = smoothing
        self.current: GrayRange | None = None

    def reset(self) -> None:
        """Forget the stream."""
        self.current = None

    def shift(self, counts: float) -> None:
        """All counts moved by the same amount (after a shutter event)."""
        if self.current is not None:
            self.current = self.current.shifted(counts)

    def update(self, raw: RawInfrared) -> GrayRange:
        """Look at one more frame, ``(H, W) uint8 or uint16``."""
        # Stable sorting of integers is a radix sort: three times as fast as a selection here.
        ordered = np.sort(subsample(raw), axis=None, kind="stable").astype(np.float64)
        target = self._target(ordered, raw.dtype)
        if self.current is None:
            self.current = target
        else:
            self.current = self._follow(self.current, target, ordered)
        return self.current

    def _target(self, ordered: Float64Array, dtype: npt.DTypeLike) -> GrayRange:
        positions = np.rint(self._quantiles * (len(ordered) - 1)).astype(np.int64)
        low, lower, upper, high = (float(value) for value in ordered[positions])
        fence = FENCE * max(upper - lower, 1.0)
        low, high = max(low, lower - fence), min(high, upper + fence)
        # A flat frame has noise only; it must not be blown up to full contrast.
        missing = max(0.0, minimum_width(dtype) - (high - low)) / 2
        return GrayRange(low - missing, high + missing)

    def _follow(self, past: GrayRange, target: GrayRange, ordered: Float64Array) -> GrayRange:
        count = len(ordered)
        below = int(np.searchsorted(ordered, past.low)) / count
        above = 1 - int(np.searchsorted(ordered, past.high, side="right")) / count
        rate = 1 - self._smoothing
        low_rate = rate * (_urgency(below) if target.low < past.low else 1.0)
        high_rate = rate * (_urgency(above) if target.high > past.high else 1.0)
        return GrayRange(
            past.low + low_rate * (target.low - past.low),
            past.high + high_rate * (target.high - past.high),
        )


def minimum_width(dtype: npt.DTypeLike) -> float:
    """Least counts that the full contrast is spent on."""
    return 16.0 if np.dtype(dtype) == np.uint8 else 32.0


def _urgency(outside: float) -> float:
    share = (outside - OBJECT_SHARE) / (SCENE_SHARE - OBJECT_SHARE)
    return OBJECT_RATE + (1 - OBJECT_RATE) * min(1.0, max(0.0, share))
