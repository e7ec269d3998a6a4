"""How often each count occurs in a raw frame, by which its gray range is found."""

from __future__ import annotations

import ctypes
import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import RawInfrared
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.native.bindings import Histogram, load_library

SAMPLES = 16_384
"""Pixels, at least, by which the range of a frame is found; all of a smaller one."""

MOST_COUNTS = 65_536
"""Counts that there are in 16 bits."""

FILL_SHARE = 0.01
"""Share of the pixels with the very same count, the least or the largest, above which they are
filled in or saturated, if the scene is further from it than it is wide."""


@dataclass(frozen=True, eq=False)
class CountHistogram:
    """How often each count occurs.

    Attributes:
        least: The least count that occurs.
        cumulative: ``(n,) int32``, how many pixels have the least count, that or the next one, and
            so on up to the largest that occurs.
    """

    least: int
    cumulative: npt.NDArray[np.int32]

    @property
    def pixels(self) -> int:
        """How many there are, at least one."""
        return int(self.cumulative[-1])

    @property
    def largest(self) -> int:
        """The largest count that occurs."""
        return self.least + len(self.cumulative) - 1

    def counts_at(self, *shares: float) -> list[float]:
        """The counts below which some shares of the pixels lie, to the nearest pixel.

        Args:
            *shares: 0 to 1.
        """
        last, cumulative = self.pixels - 1, self.cumulative.data  # in a third of NumPy's time
        return [float(self.least + bisect_right(cumulative, round(s * last))) for s in shares]

    def up_to(self, count: float) -> int:
        """How many pixels have at most that count."""
        entry = math.floor(count) - self.least
        return 0 if entry < 0 else int(self.cumulative[min(entry, len(self.cumulative) - 1)])

    def below(self, count: float) -> int:
        """How many pixels have less than that count."""
        return self.up_to(math.ceil(count) - 1)

    def without_fill(self) -> CountHistogram:
        """Without the counts that fill a border, or at which the sensor saturates.

        Those are the least or the largest count where many pixels have it, and the others are far
        from it. All stay where nothing else would be left.
        """
        cumulative, pixels = self.cumulative, self.pixels
        first, last = int(cumulative[0]), self.below(self.largest)
        many = FILL_SHARE * pixels
        if first >= last or max(first, pixels - last) <= many:
            return self
        start = int(np.searchsorted(cumulative, np.int32(first), side="right"))
        end = int(np.searchsorted(cumulative, np.int32(last), side="left"))
        width = max(end - start, 1)
        if pixels - last > many and len(cumulative) - 1 - end > width:
            cumulative = cumulative[: end + 1]
        if first > many and start > width:
            return CountHistogram(self.least + start, cumulative[start:] - np.int32(first))
        return CountHistogram(self.least, cumulative)


def histogram_in_view(raw: RawInfrared) -> CountHistogram | None:
    """The counts of an even sample of what the camera sees, see `in_view`.

    Args:
        raw: ``(H, W) uint8 or uint16``; 0 is outside the view.

    Returns:
        Of `SAMPLES` to four times as many pixels, of all of a smaller frame; None if all are 0.
    """
    step = max(1, int(np.sqrt(raw.size / SAMPLES)))
    pixels = raw[::step, ::step]
    try:
        library = load_library()
    except BackendUnavailableError:
        library = None
    if library is None or raw.strides[1] != raw.itemsize:
        return _histogram(in_view(pixels))
    cumulative = np.empty(MOST_COUNTS, np.int32)
    found = Histogram(
        raw.ctypes.data, cumulative.ctypes.data, raw.strides[0], *raw.shape, raw.itemsize > 1, step
    )
    if library.lut_fuse_histogram(ctypes.byref(found)):
        raise MemoryError("no memory to find the range of an infrared frame")
    if not found.least:  # pixels outside the view
        return _histogram(in_view(pixels))
    return CountHistogram(found.least, cumulative[: found.entries])


def _histogram(pixels: RawInfrared) -> CountHistogram | None:
    if not pixels.size:
        return None
    least = int(pixels.min())
    return CountHistogram(least, np.cumsum(np.bincount(pixels.ravel() - least), dtype=np.int32))


def in_view(pixels: RawInfrared) -> RawInfrared:
    """The pixels that the camera sees.

    Rectified and registered frames are 0 outside the view, and interpolated between 0 and the scene
    next to that: neighbors of zeros do not count either, unless too few pixels would be left.

    Args:
        pixels: A frame or a sample of it, ``(h, w)``.

    Returns:
        ``(n,)``; empty if all are 0.
    """
    if pixels.all():
        return pixels.ravel()
    seen = (pixels != 0).astype(np.uint8)
    inner = cv2.erode(seen, np.ones((3, 3), np.uint8)).astype(bool)
    enough = 2 * np.count_nonzero(inner) > np.count_nonzero(seen)
    return pixels[inner if enough else seen.astype(bool)]
