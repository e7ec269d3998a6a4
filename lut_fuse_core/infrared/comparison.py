"""Frames compared with the one before, in some thousand pixels."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import RawInfrared
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.infrared.quantiles import quantiles
from lut_fuse_core.native.bindings import Comparison as Compared
from lut_fuse_core.native.bindings import load_library

PIXELS = 1200
"""That are compared, at least; all of a smaller frame."""

EDGES = 0.05, 0.95
"""Shares of the pixels in view between which their span is measured."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the sample of a frame shows, and how it differs from that of the one before.

    Attributes:
        sample: ``(h, w) float32``, counts.
        span: Counts from the 5th to the 95th percentile of what is in view; 0 where nothing is.
        same: Whether all counts are those of the sample before; False without one.
        shift: Median of the changes, counts; None where no pixel is in view in both.
        stray: Median deviation of the changes from that, counts.
    """

    sample: npt.NDArray[np.float32]
    span: float
    same: bool = False
    shift: float | None = None
    stray: float = 0.0


def compare(raw: RawInfrared, past: npt.NDArray[np.float32] | None) -> Comparison:
    """Compare a frame with the one before.

    Args:
        raw: ``(H, W) uint8 or uint16``; 0 is outside the view.
        past: Sample of the frame before; None, or one of another size, without.
    """
    step = max(1, int(np.sqrt(raw.size / PIXELS)))
    shape = -(-raw.shape[0] // step), -(-raw.shape[1] // step)
    if past is not None and past.shape != shape:
        past = None
    try:
        library = load_library()
    except BackendUnavailableError:
        library = None
    if library is None or raw.strides[1] != raw.itemsize:
        return _compared(raw[::step, ::step].astype(np.float32), past)
    sample = np.empty(shape, np.float32)
    found = Compared(
        raw.ctypes.data,
        None if past is None else past.ctypes.data,
        sample.ctypes.data,
        raw.strides[0],
        *raw.shape,
        raw.itemsize > 1,
        step,
        *EDGES,
    )
    if library.lut_fuse_compare(ctypes.byref(found)):
        raise MemoryError("no memory to compare infrared frames")
    shift = found.shift if found.common else None
    return Comparison(sample, found.span, bool(found.same), shift, found.stray)


def _compared(sample: npt.NDArray[np.float32], past: npt.NDArray[np.float32] | None) -> Comparison:
    seen, span = sample[sample > 0], 0.0
    if seen.size:
        low, high = quantiles(seen, *EDGES)
        span = high - low
    if past is None:
        return Comparison(sample, span)
    change = (sample - past)[(sample > 0) & (past > 0)]
    same = np.array_equal(sample, past)
    if not change.size:
        return Comparison(sample, span, same)
    (shift,) = quantiles(change, 0.5)
    (stray,) = quantiles(np.abs(change - np.float32(shift)), 0.5)
    return Comparison(sample, span, same, shift, stray)
