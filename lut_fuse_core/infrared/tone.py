"""Tables from raw counts to gray levels, and their application."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, RawInfrared, UInt8Array
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.infrared.gray_range import GrayRange
from lut_fuse_core.native.bindings import Tones, load_library
from lut_fuse_core.native.tables import looked_up

FOOT, SHOULDER = 16.0, 208.0
"""Gray levels of the two ends of the range; the soft ends beyond hold what lies outside of it."""

_UNCHANGED = np.arange(256, dtype=np.uint8)
"""The table of 8-bit images that are used as they are."""


def tone_table(gray_range: GrayRange, entries: int) -> UInt8Array:
    """The table from counts to gray levels with soft ends: `tones`, rounded.

    The levels rise with the counts, so that it is enough to find the count at which each begins:
    streams whose range moves with every frame need a table of 65536 entries each time.

    Args:
        gray_range: Of any width above 0.
        entries: Length of the table, 256 or 65536.

    Returns:
        ``(entries,) uint8``.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        return _tone_table(gray_range, entries)
    levels = np.empty(entries, np.uint8)
    ends = gray_range.low, gray_range.width
    library.lut_fuse_tones(ctypes.byref(Tones(levels.ctypes.data, *ends, FOOT, SHOULDER, entries)))
    return levels


def _tone_table(gray_range: GrayRange, entries: int) -> UInt8Array:
    beginnings = gray_range.low + (_BEGINNINGS - FOOT) * gray_range.width / (SHOULDER - FOOT)
    first = np.ceil(np.clip(beginnings, 0, entries)).astype(np.int64)
    # Where rounding put a beginning beside the count for which `tones` gives the level.
    wanted = np.arange(1, 256)
    first -= (first > 0) & (_rounded(tones(gray_range, first - 1)) >= wanted)
    first += (first < entries) & (_rounded(tones(gray_range, first)) < wanted)
    return np.repeat(_UNCHANGED, np.diff(first, prepend=0, append=entries))


def tones(gray_range: GrayRange, counts: npt.NDArray[np.int64]) -> Float64Array:
    """The gray levels of counts before rounding: linear with soft ends.

    Beyond both ends of the range the levels approach 0 and 255 as x / (1 + x), with the slope of
    the linear part at the joint, so that nothing ever saturates completely.

    Args:
        gray_range: Of any width above 0.
        counts: ``(N,)``.

    Returns:
        ``(N,) float64``, 0 to 255.
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
    """The table from counts to gray levels that is linear over the range, and clipped outside.

    Args:
        gray_range: Of any width above 0; its ends become 0 and 255.
        entries: Length of the table, 256 or 65536.

    Returns:
        ``(entries,) uint8``.
    """
    counts = np.arange(entries, dtype=np.float64)
    levels = (counts - gray_range.low) * (255.0 / gray_range.width)
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def apply_table(raw: RawInfrared, table: UInt8Array, out: UInt8Array) -> None:
    """Look up the gray level of every pixel.

    Args:
        raw: ``(H, W) uint8 or uint16``.
        table: ``(256,)`` or ``(65536,) uint8``, an entry for every count.
        out: ``(H, W) uint8``, where the gray levels are written.
    """
    if raw.dtype == np.uint8:
        if np.array_equal(table, _UNCHANGED):
            np.copyto(out, raw)
        else:
            looked_up(raw.astype(np.uint8, copy=False), table, out)
        return
    # A table has an entry for every count; clipping is the mode that needs no copy of `out`.
    np.take(table, raw, out=out, mode="clip")
