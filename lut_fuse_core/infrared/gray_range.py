"""The gray range of a thermal stream: robust against hot objects, stable in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import RawInfrared
from lut_fuse_core.infrared.histogram import CountHistogram, histogram_in_view

NOMINAL_RATE = 30.0
"""Frames per second that rates per frame refer to; assumed for frames without times."""

FENCE = 1.5
"""Tukey's fence: values beyond the quartiles by 1.5 interquartile ranges are outliers, for which
the range does not widen."""

SCENE_SHARE = 0.38
"""Share of the pixels beyond the range, in excess of the usual, above which the scene has changed;
fewer are an object that came into view."""

BOTH_ENDS = 0.008
"""The same for both ends at once: an object is beyond one end only, while a scene that gains
contrast (fog lifts, a shutter opens) is beyond both."""

NARROWER = 0.6
"""Width of the new range, as a share of the current one, below which the scene has changed."""

NOTHING_IN_COMMON = 0.9, 0.25
"""Share of the pixels beyond the range above which, and width of the new range as a share of the
current one below which, the new range applies at once: in the current one nothing would be seen."""

OBJECT_RATE = 0.004
"""Speed at which the range widens for an object, relative to the usual smoothing: minutes."""

CATCH_UP = 0.75
"""Weight of the past per frame while the range catches up with a new scene: 9 frames leave 8 %."""

CAUGHT_UP = 0.03
"""Largest deviation of either end, as a share of the range, at which it has caught up."""


@dataclass(frozen=True)
class GrayRange:
    """The counts between which gray levels rise linearly.

    They rise from `FOOT` to `SHOULDER` in `tone_table`, from 0 to 255 in `linear_table`.

    Attributes:
        low: Counts at the dark end.
        high: Counts at the bright end, above ``low``.
    """

    low: float
    high: float

    @property
    def width(self) -> float:
        """Counts between both ends."""
        return self.high - self.low

    def shifted(self, counts: float) -> GrayRange:
        """The range after all counts changed by the same amount.

        Args:
            counts: The amount.
        """
        return GrayRange(self.low + counts, self.high + counts)

    def toward(self, target: GrayRange, low_rate: float, high_rate: float) -> GrayRange:
        """The range after each end moved toward that of another.

        Args:
            target: The other range.
            low_rate: Share, 0 to 1, of its distance by which the dark end moves.
            high_rate: The same for the bright end.
        """
        return GrayRange(
            self.low + low_rate * (target.low - self.low),
            self.high + high_rate * (target.high - self.high),
        )

    def beyond(self, counts: CountHistogram) -> tuple[float, float]:
        """How many counts lie outside the range.

        Args:
            counts: Of a frame.

        Returns:
            Shares, 0 to 1, below and above the range.
        """
        pixels = counts.pixels
        return counts.below(self.low) / pixels, 1 - counts.up_to(self.high) / pixels


class RangeTracker:
    """Follows the gray range of a stream.

    Small changes are followed with the given smoothing. An object much hotter or colder than the
    rest is shown on the soft end of the scale and leaves the rest as it was: for it the range
    widens over minutes. A new scene (after a blank start, when fog lifts, behind a wall) is caught
    up with in a few frames.

    Args:
        low_percentile: Dark end, percent of the pixels.
        high_percentile: Bright end, percent of the pixels.
        smoothing: Weight of the past per 1/30 s, from 0 to below 1.

    Attributes:
        current: The range; None before the first frame that shows anything.
    """

    def __init__(self, low_percentile: float, high_percentile: float, smoothing: float) -> None:
        self._quantiles = low_percentile / 100, 0.25, 0.75, high_percentile / 100
        self._smoothing = smoothing
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self.current: GrayRange | None = None
        self._usual = (0.0, 0.0)
        self._catching_up = False
        self._time: float | None = None

    def shift(self, counts: float) -> None:
        """Shift the range, as after a flat-field correction.

        Args:
            counts: The amount by which all counts of the stream changed.
        """
        if self.current is not None:
            self.current = self.current.shifted(counts)

    def update(self, raw: RawInfrared, time: float | None = None) -> GrayRange:
        """Take in the next frame.

        Args:
            raw: ``(H, W) uint8 or uint16``; 0 is outside the view.
            time: When it was captured, seconds; None if unknown, then 1/30 s after the one before.

        Returns:
            The range to show the frame with.
        """
        frames = self._frames_since(time)
        counts = histogram_in_view(raw)
        if counts is None:
            return self.current or GrayRange(0.0, minimum_width(raw.dtype))
        counts = counts.without_fill()
        target = self._target(counts, raw.dtype)
        past = self.current or target
        self.current = self._follow(past, target, counts, frames)
        if _near(self.current, target):
            self._catching_up = False
            self._usual = self.current.beyond(counts)
        return self.current

    def _frames_since(self, time: float | None) -> float:
        """Frames of `NOMINAL_RATE` that have passed since the last update."""
        before, self._time = self._time, time
        if time is None or before is None or time <= before:
            return 1.0
        return (time - before) * NOMINAL_RATE

    def _target(self, counts: CountHistogram, dtype: npt.DTypeLike) -> GrayRange:
        low, lower, upper, high = counts.counts_at(*self._quantiles)
        fence = FENCE * max(upper - lower, 1.0)
        low, high = max(low, lower - fence), min(high, upper + fence)
        # A flat frame has noise only; it must not be blown up to full contrast.
        missing = max(0.0, minimum_width(dtype) - (high - low)) / 2
        return GrayRange(low - missing, high + missing)

    def _follow(
        self, past: GrayRange, target: GrayRange, counts: CountHistogram, frames: float
    ) -> GrayRange:
        below, above = past.beyond(counts)
        outside, narrow = NOTHING_IN_COMMON
        if below + above > outside or target.width < narrow * past.width:
            return target
        more = below - self._usual[0], above - self._usual[1]
        self._catching_up |= (
            sum(more) > SCENE_SHARE or min(more) > BOTH_ENDS or target.width < NARROWER * past.width
        )
        if self._catching_up:
            rate = 1 - min(CATCH_UP, self._smoothing) ** frames
            return past.toward(target, rate, rate)
        rate = 1 - self._smoothing**frames
        opening = 1 - (1 - OBJECT_RATE * (1 - self._smoothing)) ** frames
        return past.toward(
            target,
            opening if target.low < past.low else rate,
            opening if target.high > past.high else rate,
        )


def minimum_width(dtype: npt.DTypeLike) -> float:
    """The narrowest range, so that noise is not shown at full contrast.

    Args:
        dtype: Type of the frames, uint8 or uint16.

    Returns:
        Counts.
    """
    return 16.0 if np.dtype(dtype) == np.uint8 else 32.0


def _near(one: GrayRange, other: GrayRange) -> bool:
    apart = max(abs(one.low - other.low), abs(one.high - other.high))
    return apart <= CAUGHT_UP * min(one.width, other.width)
