"""A precomputed remap: raw infrared to 8 bits on the visible pixel grid."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, RawInfrared, Size, UInt8Array
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.infrared.tone import apply_table
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.native.bindings import Infrared, load_library

BAND = 32
"""Visible rows that one thread samples at a time."""

STEPS = 32
"""Steps from one infrared pixel to the next."""


@dataclass(frozen=True)
class Remap:
    """Where each visible pixel lies in the infrared image, in OpenCV's fixed-point form.

    Attributes:
        offsets: ``(H, W, 2) int16``: x and y of the infrared pixel at its upper left, from -1 to
            the last one; before the first and behind the last the border continues.
        fractions: ``(H, W) uint16``: 32 * down + across, in 1/32 pixel.
        windows: ``(bands, 4) int32``: first column and row and last column and row of the infrared
            pixels that each `BAND` rows need.
    """

    offsets: npt.NDArray[np.int16]
    fractions: npt.NDArray[np.uint16]
    windows: npt.NDArray[np.int32]

    @classmethod
    def from_positions(cls, positions: FloatArray, infrared_size: Size) -> Remap:
        """From ``(H, W, 2) float32``, x and y; anything may lie outside or be NaN."""
        offsets = np.empty(positions.shape, np.int16)
        fractions = np.zeros(positions.shape[:2], np.uint16)
        for axis, unit in ((0, 1), (1, STEPS)):
            inside = np.nan_to_num(positions[..., axis], nan=-1)
            inside = np.clip(inside, -1, infrared_size[axis] - 1) * np.float32(STEPS)
            steps = np.rint(inside).astype(np.int32)
            offsets[..., axis] = steps // STEPS
            fractions += (steps % STEPS * unit).astype(np.uint16)
        bands = [offsets[row : row + BAND].reshape(-1, 2) for row in range(0, len(offsets), BAND)]
        windows = [(*band.min(axis=0), *(band.max(axis=0) + 1)) for band in bands]
        return cls(offsets, fractions, np.array(windows, np.int32))


@dataclass(frozen=True)
class Warp:
    """How infrared of one size gets onto the visible grid.

    Attributes:
        visible_size: Width and height in pixels.
        infrared_size: Width and height in pixels.
        remap: None where resizing is all there is to do.
        mask: ``(H, W) uint8``: 255 where infrared is valid, 0 where it sees nothing; None where it
            covers the whole visible image.
    """

    visible_size: Size
    infrared_size: Size
    remap: Remap | None = field(repr=False, default=None)
    mask: UInt8Array | None = field(repr=False, default=None)

    @classmethod
    def from_positions(
        cls, positions: FloatArray, infrared_size: Size, mask: UInt8Array | None
    ) -> Warp:
        """From the infrared position of each visible pixel, ``(H, W, 2) float32``, x and y."""
        height, width = positions.shape[:2]
        remap = Remap.from_positions(positions, infrared_size)
        return cls((width, height), infrared_size, remap, mask)

    def __call__(self, infrared: UInt8Array, out: UInt8Array | None = None) -> UInt8Array:
        """Infrared on the visible grid. Where infrared sees nothing, its border continues.

        Args:
            infrared: ``(h, w) uint8``.
            out: Where to write, ``(H, W) uint8``; None allocates.

        Returns:
            ``(H, W) uint8``: ``out`` or a new array; without ``out``, ``infrared`` itself if the
            grids are the same.
        """
        if self.remap is not None:
            warped = cv2.remap(
                infrared,
                self.remap.offsets,
                self.remap.fractions,
                cv2.INTER_LINEAR,
                dst=out,
                borderMode=cv2.BORDER_REPLICATE,
            )
            return warped.astype(np.uint8, copy=False)
        if self.infrared_size == self.visible_size:
            if out is None:
                return infrared
            np.copyto(out, infrared)
            return out
        shrinking = self.infrared_size[0] > self.visible_size[0]
        method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        resized = cv2.resize(infrared, self.visible_size, dst=out, interpolation=method)
        return resized.astype(np.uint8, copy=False)

    @property
    def one_pass(self) -> bool:
        """Whether each visible pixel is one raw pixel or lies between four: not where infrared is
        only resized.
        """
        return self.remap is not None or self.infrared_size == self.visible_size

    def sample(
        self, raw: RawInfrared, levels: UInt8Array, out: UInt8Array, threads: int = 1
    ) -> None:
        """Normalize and register in one pass: the same pixels as ``self(levels[raw])``.

        Images that are only resized take two passes.

        Args:
            raw: ``(h, w) uint8 or uint16``.
            levels: ``(256,)`` or ``(65536,) uint8``, gray level of every raw count.
            out: ``(H, W) uint8``, C-contiguous.
            threads: Of the native library.

        Raises:
            MemoryError: If there is no memory for a frame of this size.
        """
        if not self.one_pass:
            gray = np.empty(raw.shape, np.uint8)
            apply_table(raw, levels, gray)
            self(gray, out)
            return
        if self.remap is None and raw.dtype == np.uint8:
            apply_table(raw, levels, out)
            return
        try:
            library = load_library()
        except BackendUnavailableError:
            self._sample_portably(raw, levels, out)
        else:
            self._sample_natively(library, raw, levels, out, threads)

    def _sample_portably(self, raw: RawInfrared, levels: UInt8Array, out: UInt8Array) -> None:
        if self.remap is None:
            apply_table(raw, levels, out)
        else:
            _sample(raw, levels, self.remap.offsets, self.remap.fractions, out)

    def _sample_natively(
        self,
        library: ctypes.CDLL,
        raw: RawInfrared,
        levels: UInt8Array,
        out: UInt8Array,
        threads: int,
        instructions: str | None = None,
    ) -> None:
        adjacent: npt.NDArray[Any] = raw
        if raw.strides[1] != raw.itemsize:
            adjacent = np.ascontiguousarray(raw)
        table = np.ascontiguousarray(levels)
        maps: tuple[int | None, ...] = (None, None, None)
        if self.remap is not None:
            each = (self.remap.offsets, self.remap.fractions, self.remap.windows)
            maps = tuple(array.ctypes.data for array in each)
        described = Infrared(
            adjacent.ctypes.data,
            table.ctypes.data,
            *maps,
            out.ctypes.data,
            adjacent.strides[0],
            out.strides[0],
            BAND,
            raw.itemsize > 1,
            *raw.shape,
            *out.shape,
        )
        chosen = None if instructions is None else instructions.encode()
        if library.lut_fuse_sample(ctypes.byref(described), threads, chosen):
            raise MemoryError(f"no memory to register infrared of {raw.shape[1]}x{raw.shape[0]}")


def _sample(
    raw: RawInfrared,
    levels: UInt8Array,
    offsets: npt.NDArray[np.int16],
    fractions: npt.NDArray[np.uint16],
    out: UInt8Array,
) -> None:
    """Bilinear interpolation of gray levels in steps of 1/32 pixel, rounded half up."""
    height, width = raw.shape
    left, top = (offsets[..., axis].astype(np.int32) for axis in range(2))
    columns = np.maximum(left, 0), np.minimum(left + 1, width - 1)
    rows = np.maximum(top, 0) * width, np.minimum(top + 1, height - 1) * width
    gray = levels[raw].astype(np.int32).reshape(-1)
    across, down = (fractions & 31).astype(np.int32), (fractions >> 5).astype(np.int32)
    upper, lower = (
        gray.take(row + columns[0]) * (32 - across) + gray.take(row + columns[1]) * across
        for row in rows
    )
    np.copyto(out, (upper * (32 - down) + lower * down + 512) >> 10, casting="unsafe")
