"""The gray range of a thermal stream: robust against hot objects, stable in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, RawInfrared
from lut_fuse_core.opencv import cv2

SAMPLES = 16_384
"""Pixels looked at per frame; percentiles of so many are known to a fraction of a percent."""

NOMINAL_RATE = 30.0
"""Frames per second that rates per frame refer to, and that frames without times count as."""

FENCE = 1.5
"""Tukey's fence: values beyond the quartiles by 1.5 interquartile ranges are outliers, and the
range does not stretch for them."""

SCENE_SHARE = 0.38
"""Share of the pixels beyond the range, more than usual, from which on the scene itself has
changed; fewer are an object that came into view."""

BOTH_ENDS = 0.008
"""The same for each of both ends at once: one object is beyond one end only, while a scene that
gains contrast (fog lifts, a shutter opens) is beyond both."""

NARROWER = 0.6
"""Share of the range from which on it is so much too wide that the scene has changed."""

NOTHING_IN_COMMON = 0.9, 0.25
"""Share of the pixels beyond the range, and share of the range that the new one takes, from which
on the range starts with the new scene at once: shown with the old one, nothing of it is seen."""

OBJECT_RATE = 0.004
"""How fast, relative to the usual smoothing, the range opens for an object: minutes."""

CATCH_UP = 0.75
"""Weight of the past per frame while the range catches up with a new scene: 9 frames leave 8 %."""

CAUGHT_UP = 0.03
"""Deviation of both ends, as a share of the range, at which it has caught up."""


FILL_SHARE = 0.01
"""Share of the pixels that have the very same count, the least or the largest, from which on they
are filled in or saturated, if the scene is further from it than it is wide."""


@dataclass(frozen=True)
class GrayRange:
    """Raw counts shown from `FOOT` to `SHOULDER`, linear in between.

    Attributes:
        low: Counts at the dark end.
        high: Counts at the bright end.
    """

    low: float
    high: float

    @property
    def width(self) -> float:
        """Counts between both ends."""
        return self.high - self.low

    def shifted(self, counts: float) -> GrayRange:
        """The range after all counts moved by the same amount."""
        return GrayRange(self.low + counts, self.high + counts)

    def toward(self, target: GrayRange, low_rate: float, high_rate: float) -> GrayRange:
        """The range after each end moved by a share (0 to 1) of its distance to the target's."""
        return GrayRange(
            self.low + low_rate * (target.low - self.low),
            self.high + high_rate * (target.high - self.high),
        )

    def beyond(self, ordered: Float64Array) -> tuple[float, float]:
        """Shares, 0 to 1, of sorted counts that lie below and above the range."""
        below = np.searchsorted(ordered, self.low) / len(ordered)
        above = 1 - np.searchsorted(ordered, self.high, side="right") / len(ordered)
        return float(below), float(above)


def subsample(raw: RawInfrared) -> RawInfrared:
    """Every n-th pixel, about `SAMPLES` of them: a view ``(h, w)`` of ``(H, W)``."""
    step = max(1, int(np.sqrt(raw.size / SAMPLES)))
    return raw[::step, ::step]


def in_view(pixels: RawInfrared) -> RawInfrared:
    """The pixels that the camera sees, ``(n,)``, of a frame or a subsample of it, ``(h, w)``.

    Rectified and registered frames are zero outside the view; next to it they are interpolated
    between zero and the scene, so neighbors of zeros do not count either, where enough others are
    left.
    """
    if pixels.all():
        return pixels.ravel()
    seen = (pixels != 0).astype(np.uint8)
    inner = cv2.erode(seen, np.ones((3, 3), np.uint8)).astype(bool)
    enough = 2 * np.count_nonzero(inner) > np.count_nonzero(seen)
    return pixels[inner if enough else seen.astype(bool)]


def without_fill(ordered: Float64Array) -> Float64Array:
    """Sorted counts without those that a border is filled with (65535, or any other value far from
    the scene), or that the sensor saturates at; all where nothing else is left."""
    start, end = 0, len(ordered)
    first = int(np.searchsorted(ordered, ordered[0], side="right"))
    last = int(np.searchsorted(ordered, ordered[-1], side="left"))
    if first >= last:
        return ordered
    width = ordered[last - 1] - ordered[first]
    if first > FILL_SHARE * end and ordered[first] - ordered[0] > max(width, 1.0):
        start = first
    if end - last > FILL_SHARE * end and ordered[-1] - ordered[last - 1] > max(width, 1.0):
        end = last
    return ordered[start:end]


class RangeTracker:
    """Follows the range of a stream.

    Small changes are followed with the given smoothing. An object that enters the view, much
    hotter or colder than the rest, takes its place on the soft end of the scale and leaves the
    rest as it was: for it the range opens in minutes only. A new scene (after a blank or
    featureless start, when fog lifts, behind a wall) is caught up with in some frames.

    Args:
        low_percentile: Dark end, in percent of the pixels.
        high_percentile: Bright end, in percent of the pixels.
        smoothing: Weight of the past per 1/30 s, 0 to below 1.
    """

    def __init__(self, low_percentile: float, high_percentile: float, smoothing: float) -> None:
        self._quantiles = np.array([low_percentile / 100, 0.25, 0.75, high_percentile / 100])
        self._smoothing = smoothing
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self.current: GrayRange | None = None
        self._usual = (0.0, 0.0)
        self._catching_up = False
        self._time: float | None = None

    def shift(self, counts: float) -> None:
        """All counts moved by the same amount (after a flat-field correction)."""
        if self.current is not None:
            self.current = self.current.shifted(counts)

    def update(self, raw: RawInfrared, time: float | None = None) -> GrayRange:
        """Look at one more frame.

        Args:
            raw: ``(H, W) uint8 or uint16``; pixels of 0 counts are outside the view.
            time: Of the capture, seconds; without it frames count as 1/30 s apart.

        Returns:
            The range to show the frame with.
        """
        frames = self._frames_since(time)
        pixels = in_view(subsample(raw))
        if not pixels.size:
            return self.current or GrayRange(0.0, minimum_width(raw.dtype))
        # Stable sorting of integers is a radix sort: three times as fast as a selection here.
        ordered = without_fill(np.sort(pixels, kind="stable").astype(np.float64))
        target = self._target(ordered, raw.dtype)
        past = self.current or target
        self.current = self._follow(past, target, ordered, frames)
        if _near(self.current, target):
            self._catching_up = False
            self._usual = self.current.beyond(ordered)
        return self.current

    def _frames_since(self, time: float | None) -> float:
        """How many frames of the nominal rate have passed since the last update."""
        before, self._time = self._time, time
        if time is None or before is None or time <= before:
            return 1.0
        return (time - before) * NOMINAL_RATE

    def _target(self, ordered: Float64Array, dtype: npt.DTypeLike) -> GrayRange:
        positions = np.rint(self._quantiles * (len(ordered) - 1)).astype(np.int64)
        low, lower, upper, high = (float(value) for value in ordered[positions])
        fence = FENCE * max(upper - lower, 1.0)
        low, high = max(low, lower - fence), min(high, upper + fence)
        # A flat frame has noise only; it must not be blown up to full contrast.
        missing = max(0.0, minimum_width(dtype) - (high - low)) / 2
        return GrayRange(low - missing, high + missing)

    def _follow(
        self, past: GrayRange, target: GrayRange, ordered: Float64Array, frames: float
    ) -> GrayRange:
        below, above = past.beyond(ordered)
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
    """Least counts that the full contrast is spent on."""
    return 16.0 if np.dtype(dtype) == np.uint8 else 32.0


def _near(one: GrayRange, other: GrayRange) -> bool:
    apart = max(abs(one.low - other.low), abs(one.high - other.high))
    return apart <= CAUGHT_UP * min(one.width, other.width)
