"""The 4-D look-up in few, long NumPy operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.model.fusion_model import Axis


class LatticeTable:
    """One lattice, laid out for the interpolation of many pixels at a time.

    Args:
        lattice: ``(luma, infrared, gradient, context) float32``.
        axes: Of the lattice, in the same order.
    """

    def __init__(self, lattice: FloatArray, axes: Sequence[Axis]) -> None:
        flat = np.ascontiguousarray(lattice).reshape(-1)
        self._axes = axes
        self._strides = np.cumprod((1, *lattice.shape[:0:-1]))[::-1].tolist()
        # The lattice from each corner of its first cell on: one index serves all corners.
        self._corners = [
            flat[sum(stride for bit, stride in zip(bits, self._strides, strict=True) if bit) :]
            for bits in np.ndindex(2, 2, 2, 2)
        ]

    def look_up(self, features: Sequence[FloatArray | UInt8Array], out: FloatArray) -> None:
        """Interpolate the lattice at each pixel (equations 3 to 5).

        Args:
            features: luma, infrared, gradient and context in gray levels, each ``(h, w)``; features
                beyond an axis take its end.
            out: ``(h, w) float32``, written: fused luma, 0 to 1.
        """
        index: npt.NDArray[np.intp] = np.zeros(out.shape, np.intp)
        fractions = []
        for feature, axis, stride in zip(features, self._axes, self._strides, strict=True):
            position = np.subtract(feature, np.float32(axis.low), dtype=np.float32)
            position *= np.float32(1.0 / axis.step)
            np.clip(position, np.float32(0), np.float32(axis.nodes - 1), out=position)
            node = np.minimum(position.astype(np.int32), axis.nodes - 2)
            position -= node
            index += node * stride
            fractions.append(position)
        values = np.empty((16, *out.shape), np.float32)
        for corner, value in zip(self._corners, values, strict=True):
            # No index is out of bounds; other modes would check that in a second pass.
            np.take(corner, index, out=value, mode="wrap")
        # The upper half of the values lies one node further along the axis: halve, axis by axis.
        for fraction in fractions:
            lower, upper = np.split(values, 2)
            upper -= lower
            upper *= fraction
            lower += upper
            values = lower
        out[...] = values[0]
