"""Tables from raw counts to gray levels, and their application."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, RawInfrared, UInt8Array
from lut_fuse_core.infrared.gray_range import GrayRange
from lut_fuse_core.opencv import cv2

FOOT, SHOULDER = 16.0, 208.0
"""Gray levels of the ends of the range; the soft ends beyond them take what lies outside it."""

_UNCHANGED = np.arange(256, dtype=np.uint8)
"""The table of 8-bit images that are used as they are."""


def tone_table(gray_range: GrayRange, entries: int) -> UInt8Array:
    """Gray level of every raw count, ``(entries,) uint8``: `tones`, rounded.

    The levels rise with the counts, so that it is enough to find the count at which each of them
    begins: a stream that moves its range with every frame needs a table of 65536 entries each time.
    """
    beginnings = gray_range.low + (_BEGINNINGS - FOOT) * gray_range.width / (SHOULDER - FOOT)
    first = np.ceil(np.clip(beginnings, 0, entries)).astype(np.int64)
    # Where rounding put a beginning beside the count for which `tones` gives the level.
    wanted = np.arange(1, 256)
    first -= (first > 0) & (_rounded(tones(gray_range, first - 1)) >= wanted)
    first += (first < entries) & (_rounded(tones(gray_range, first)) < wanted)
    return np.repeat(_UNCHANGED, np.diff(first, prepend=0, append=entries))


def tones(gray_range: GrayRange, counts: npt.NDArray[np.int64]) -> Float64Array:
    """Gray levels of raw counts, 0 to 255, before rounding; linear with soft ends.

    Beyond both ends of the range the levels approach 0 and 255 as x / (1 + x), with the slope of
    the linear part at the joint: nothing ever saturates fully, whatever its temperature.

    Args:
        gray_range: Of any width above 0.
        counts: ``(N,)``.

    Returns:
        ``(N,) float64``.
    """
    slope = (SHOULDER - FOOT) / gray_range.width
    levels = FOOT + (counts - gray_range.low) * slope
    above, below = np.maximum(levels - SHOULDER, 0), np.maximum(FOOT - levels, 0)
    top, bottom = 255.0 - SHOULDER, FOOT
    soft = np.clip(levels, FOOT, SHOULDER)
    soft += top * above / (top + above) - bottom * below / (bottom + below)
    return np.asarray(soft, np.float64)


def _rounded(levels: Float64Array) -> UInt8Array:
    return (levels + 0.5).astype(np.uint8)


def _beginnings() -> Float64Array:
    """Where the linear scale stands when the soft one reaches 0.5, 1.5, ... 254.5, ``(255,)``."""
    levels = np.arange(1, 256) - 0.5
    above, below = np.maximum(levels - SHOULDER, 0), np.maximum(FOOT - levels, 0)
    top, bottom = 255.0 - SHOULDER, FOOT
    linear = np.clip(levels, FOOT, SHOULDER)
    return np.asarray(linear + top * above / (top - above) - bottom * below / (bottom - below))


_BEGINNINGS = _beginnings()


def linear_table(gray_range: GrayRange, entries: int) -> UInt8Array:
    """Gray level of every raw count, ``(entries,) uint8``: 0 to 255 over the range, clipped."""
    counts = np.arange(entries, dtype=np.float64)
    levels = (counts - gray_range.low) * (255.0 / gray_range.width)
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def apply_table(raw: RawInfrared, table: UInt8Array, out: UInt8Array) -> None:
    """Look every pixel up: ``(H, W) uint8 or uint16`` to ``(H, W) uint8``."""
    if raw.dtype == np.uint8:
        if np.array_equal(table, _UNCHANGED):
            np.copyto(out, raw)
        else:
            cv2.LUT(raw, table, out)
        return
    # A table has an entry for every count; clipping is the mode that needs no copy of `out`.
    np.take(table, raw, out=out, mode="clip")
