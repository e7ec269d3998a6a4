"""Tables from raw counts to gray levels, and their application."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.infrared.gray_range import GrayRange
from lut_fuse_core.jit import compiled

FOOT, SHOULDER = 16.0, 208.0
"""Gray levels of the ends of the range; the soft ends beyond them take what lies outside it."""


def tone_table(gray_range: GrayRange, entries: int) -> UInt8Array:
    """Gray level of every raw count, ``(entries,) uint8``, linear with soft ends.

    Beyond both ends of the range the levels approach 0 and 255 as x / (1 + x), with the slope of
    the linear part at the joint: nothing ever saturates fully, whatever its temperature.
    """
    table = np.empty(entries, np.uint8)
    _fill_soft(table, gray_range.low, gray_range.high)
    return table


def linear_table(gray_range: GrayRange, entries: int) -> UInt8Array:
    """Gray level of every raw count, ``(entries,) uint8``: 0 to 255 over the range, clipped."""
    counts = np.arange(entries, dtype=np.float64)
    levels = (counts - gray_range.low) * (255.0 / gray_range.width)
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


@compiled
def _fill_soft(table: UInt8Array, low: float, high: float) -> None:
    slope = (SHOULDER - FOOT) / (high - low)
    top, bottom = 255.0 - SHOULDER, FOOT
    for count in range(table.size):
        level = FOOT + (count - low) * slope
        if level > SHOULDER:
            excess = level - SHOULDER
            level = SHOULDER + top * excess / (top + excess)
        elif level < FOOT:
            excess = FOOT - level
            level = FOOT - bottom * excess / (bottom + excess)
        table[count] = np.uint8(level + 0.5)


@compiled
def apply_table(raw: RawInfrared, table: UInt8Array, out: UInt8Array) -> None:
    """Look every pixel up: ``(H, W) uint8 or uint16`` to ``(H, W) uint8``, one pass."""
    for row in range(raw.shape[0]):
        for column in range(raw.shape[1]):
            out[row, column] = table[raw[row, column]]
