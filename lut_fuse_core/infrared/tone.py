"""Tables from raw counts to gray levels, and their application."""

from __future__ import annotations

import cv2
import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.infrared.gray_range import GrayRange

FOOT, SHOULDER = 16.0, 208.0
"""Gray levels of the ends of the range; the soft ends beyond them take what lies outside it."""

_UNCHANGED = np.arange(256, dtype=np.uint8)
"""The table of 8-bit images that are used as they are."""


def tone_table(gray_range: GrayRange, entries: int) -> UInt8Array:
    """Gray level of every raw count, ``(entries,) uint8``, linear with soft ends.

    Beyond both ends of the range the levels approach 0 and 255 as x / (1 + x), with the slope of
    the linear part at the joint: nothing ever saturates fully, whatever its temperature.
    """
    slope = (SHOULDER - FOOT) / gray_range.width
    levels = FOOT + (np.arange(entries, dtype=np.float64) - gray_range.low) * slope
    above, below = np.maximum(levels - SHOULDER, 0), np.maximum(FOOT - levels, 0)
    top, bottom = 255.0 - SHOULDER, FOOT
    soft = np.clip(levels, FOOT, SHOULDER)
    soft += top * above / (top + above) - bottom * below / (bottom + below)
    return (soft + 0.5).astype(np.uint8)


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
