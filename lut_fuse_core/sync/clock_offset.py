"""The offset between two cameras' clocks, from what moves in their pictures."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, FloatArray, RawInfrared, UInt8Array
from lut_fuse_core.opencv import cv2
from lut_fuse_core.sync.jumps import jumped_back_seconds
from lut_fuse_core.sync.offsets import OffsetMeter
from lut_fuse_core.sync.stamps import NANOSECONDS

RATE = 100.0
"""Samples per second that both signals are resampled to; the peak is interpolated between them."""

MIN_SPAN = 5.0
"""Seconds of common record before an estimate is tried."""

MIN_CORRELATION = 0.5
MIN_LEAD = 0.1
"""How much the correlation must exceed that of the next peak."""

ACCURACY = 0.05
"""Seconds by which an estimate may be off where little moves, or moves regularly."""

REFRESH = 1.0
"""Seconds between two estimates."""

MAX_APART = 1.0
"""Seconds by which frames that arrive together may be captured apart."""


@dataclass(frozen=True)
class ClockOffset:
    """What was found.

    Attributes:
        seconds: Infrared clock minus visible clock.
        correlation: Of what moves in both streams there, 0 to 1.
    """

    seconds: float
    correlation: float


class ClockOffsetEstimator:
    """Compares how much moves, and when, in the last seconds of both streams.

    Whatever moves, or the camera's own motion, changes both images in the same rhythm, however
    different they look.

    Args:
        window: Seconds of record.
        interleaved: Whether frames are added in the order in which they arrived. Then an offset of
            any size is found: the stamps themselves tell it to a second. Otherwise `MAX_APART`.

    Attributes:
        estimate: As `latest` last returned it; may be read from any thread.
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
        """Take in a visible frame, ``(H, W, 3) uint8``, captured at ``time`` (seconds)."""
        self._stamps.arrived("visible", round(time * NANOSECONDS))
        self._visible.add(image[..., 1], time)

    def add_infrared(self, image: RawInfrared, time: float) -> None:
        """Take in an infrared frame, ``(H, W) uint8 or uint16``, captured at ``time``."""
        self._stamps.arrived("infrared", round(time * NANOSECONDS))
        self._infrared.add(image, time)

    def latest(self) -> ClockOffset | None:
        """The current estimate, renewed about once a second; None while there is no clear one."""
        newest = self._visible.newest
        if newest - self._estimated_at >= REFRESH:
            self._estimated_at = newest
            about = self._about()
            times, motion = self._infrared.signal()
            found = estimate_offset(self._visible.signal(), (times - about, motion))
            self.estimate = found and replace(found, seconds=found.seconds + about)
        return self.estimate

    def _about(self) -> float:
        """The offset as far as the stamps themselves tell; 0 if that may be chance."""
        about = self._stamps.seconds() if self._interleaved else None
        return about if about is not None and abs(about) > MAX_APART / 2 else 0.0


def estimate_offset(
    visible: tuple[Float64Array, Float64Array],
    infrared: tuple[Float64Array, Float64Array],
    largest: float = MAX_APART,
) -> ClockOffset | None:
    """Clock offset between two motion signals.

    Args:
        visible: Times in seconds, and how much moved in between.
        infrared: The same of the other camera.
        largest: Seconds by which they may be apart.

    Returns:
        None if the record is short, nothing changes, or several offsets fit about equally well.
    """
    if min(len(visible[0]), len(infrared[0])) < 10:
        return None
    start = max(visible[0][0], infrared[0][0]) + largest
    end = min(visible[0][-1], infrared[0][-1]) - largest
    if end - start < MIN_SPAN:
        return None
    base = np.arange(start, end, 1 / RATE)
    # The slower camera sees less of the rhythm; both are smoothed to what it can see.
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
    """How much each frame differs from the one before, per second, over a window of time."""

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
            self._points.clear()  # the clock was set
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
