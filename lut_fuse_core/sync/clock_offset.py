"""The offset between two cameras' clocks, estimated from what moves in their images."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, FloatArray, RawInfrared, UInt8Array
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.sync.jumps import jumped_back_seconds
from lut_fuse_core.sync.offsets import OffsetMeter
from lut_fuse_core.sync.stamps import NANOSECONDS

RATE = 100.0
"""Samples per second that both signals are resampled to; the peak is interpolated between them."""

MIN_SPAN = 5.0
"""Seconds of common record before an estimate is tried."""

MIN_CORRELATION = 0.5
"""Least correlation of both signals at their offset."""

MIN_LEAD = 0.1
"""By how much that must exceed the correlation of the next peak."""

ACCURACY = 0.05
"""Seconds by which an estimate may be wrong where little moves, or moves regularly."""

REFRESH = 1.0
"""Seconds between two estimates."""

MAX_APART = 1.0
"""Seconds by which frames that arrive together may be captured apart."""


@dataclass(frozen=True)
class ClockOffset:
    """An estimated offset.

    Attributes:
        seconds: Infrared clock minus visible clock.
        correlation: Correlation of the motion in both streams at this offset, 0 to 1; 0 for an
            offset that was not estimated from motion.
    """

    seconds: float
    correlation: float


class ClockOffsetEstimator:
    """Compares how much moves, and when, in the last seconds of both streams.

    Moving objects, or the motion of the rig, change both images in the same rhythm, however
    different they look.

    Args:
        window: Seconds of both streams that are compared.
        interleaved: Whether frames are added in the order in which they arrived. Then an offset of
            any size is found, since the stamps themselves show it to a second; otherwise one of up
            to `MAX_APART`.

    Attributes:
        estimate: What `latest` last returned; may be read from any thread.
    """

    def __init__(self, window: float = 30.0, *, interleaved: bool = True) -> None:
        self._window, self._interleaved = window, interleaved
        self.reset()

    def reset(self) -> None:
        """Forget both streams."""
        self._visible, self._infrared = _MotionRecord(self._window), _MotionRecord(self._window)
        self._stamps = OffsetMeter()
        self._estimated_at = -np.inf
        self.estimate: ClockOffset | None = None

    def add_visible(self, image: UInt8Array, time: float) -> None:
        """Take in a visible frame.

        Args:
            image: ``(H, W, 3) uint8``, RGB.
            time: When it was captured, seconds.
        """
        self._stamps.arrived("visible", round(time * NANOSECONDS))
        self._visible.add(image[..., 1], time)

    def add_infrared(self, image: RawInfrared, time: float) -> None:
        """Take in an infrared frame.

        Args:
            image: ``(h, w) uint8 or uint16``.
            time: When it was captured, seconds of its own clock.
        """
        self._stamps.arrived("infrared", round(time * NANOSECONDS))
        self._infrared.add(image, time)

    def latest(self) -> ClockOffset | None:
        """The estimate, renewed every `REFRESH` seconds of the visible stream.

        Returns:
            None while there is no clear one.
        """
        newest = self._visible.newest
        if newest - self._estimated_at >= REFRESH:
            self._estimated_at = newest
            about = self._about()
            times, motion = self._infrared.signal()
            found = estimate_offset(self._visible.signal(), (times - about, motion))
            self.estimate = found and replace(found, seconds=found.seconds + about)
        return self.estimate

    def _about(self) -> float:
        """The offset that the stamps themselves show, in seconds; 0 if it may be chance."""
        about = self._stamps.seconds() if self._interleaved else None
        return about if about is not None and abs(about) > MAX_APART / 2 else 0.0


def estimate_offset(
    visible: tuple[Float64Array, Float64Array],
    infrared: tuple[Float64Array, Float64Array],
    largest: float = MAX_APART,
) -> ClockOffset | None:
    """Estimate the offset between two motion signals.

    Args:
        visible: Times in seconds, increasing, and the motion at each, both ``(n,)``.
        infrared: The same of the infrared camera.
        largest: Largest offset in seconds, in either direction.

    Returns:
        The offset; None if the signals are short, nothing changes, or several offsets fit about
        equally well.
    """
    if min(len(visible[0]), len(infrared[0])) < 10:
        return None
    start = max(visible[0][0], infrared[0][0]) + largest
    end = min(visible[0][-1], infrared[0][-1]) - largest
    if end - start < MIN_SPAN:
        return None
    base = np.arange(start, end, 1 / RATE)
    # The slower camera samples less of the rhythm; both are smoothed to what it can resolve.
    slowest = max(float(np.median(np.diff(times))) for times, _ in (visible, infrared))
    reference = _resampled(visible, base, slowest)
    lags = np.arange(-int(largest * RATE), int(largest * RATE) + 1)
    correlations = np.array(
        [
            float(np.mean(reference * _resampled(infrared, base + lag / RATE, slowest)))
            for lag in lags
        ]
    )
    return _peak(lags, correlations)


class _MotionRecord:
    """How much each frame of a stream differs from the one before, per second."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._before: tuple[FloatArray, float] | None = None
        self._points: deque[tuple[float, float]] = deque()

    @property
    def newest(self) -> float:
        return self._points[-1][0] if self._points else -np.inf

    def add(self, image: RawInfrared, time: float) -> None:
        step = max(1, int(np.sqrt(image.size / 5000)))
        sample = cv2.blur(image[::step, ::step].astype(np.float32), (3, 3)).astype(np.float32)
        before = self._before
        if before is not None and jumped_back_seconds(time, before[1]):
            self._points.clear()  # the clock was set back
            before = None
        if before is not None and time <= before[1]:
            return
        self._before = (sample, time)
        if before is None or before[0].shape != sample.shape:
            return
        change = np.abs(sample - before[0])
        # The middle of the interval is when the change happened, whatever the rate.
        moment = (time + before[1]) / 2
        self._points.append((moment, float(change.mean()) / (time - before[1])))
        while moment - self._points[0][0] > self._window:
            self._points.popleft()

    def signal(self) -> tuple[Float64Array, Float64Array]:
        points = np.array(self._points, np.float64).reshape(-1, 2)
        return points[:, 0], points[:, 1]


def _resampled(
    signal: tuple[Float64Array, Float64Array], base: Float64Array, interval: float
) -> Float64Array:
    """Relative motion at the given moments, with zero mean and unit power."""
    times, motion = signal
    values = np.log(np.interp(base, times, motion) + 1e-6)
    width = max(3, int(interval * RATE) | 1)
    values = np.convolve(np.pad(values, width // 2, mode="edge"), np.ones(width) / width, "valid")
    values = values - values.mean()
    power = float(np.sqrt(np.mean(values**2)))
    return values / power if power > 1e-9 else np.zeros_like(values)


def _peak(lags: npt.NDArray[np.int64], correlations: Float64Array) -> ClockOffset | None:
    best = int(np.argmax(correlations))
    if best in (0, len(lags) - 1) or correlations[best] < MIN_CORRELATION:
        return None
    local = (correlations[1:-1] > correlations[:-2]) & (correlations[1:-1] >= correlations[2:])
    others = [correlations[i + 1] for i in np.flatnonzero(local) if i + 1 != best]
    if others and max(others) > correlations[best] - MIN_LEAD:
        return None
    left, here, right = correlations[best - 1 : best + 2]
    bend = left - 2 * here + right
    fraction = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return ClockOffset(float((lags[best] + fraction) / RATE), float(here))
