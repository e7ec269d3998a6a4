"""A sample of a raw frame, by which its gray range is found."""

from __future__ import annotations

import ctypes

import numpy as np

from lut_fuse_core.arrays import Float64Array, RawInfrared
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.native.bindings import Sorting, load_library

SAMPLES = 16_384
"""Pixels, at least, by which the range of a frame is found; all of a smaller one."""


def sorted_in_view(raw: RawInfrared) -> Float64Array:
    """The counts of an even sample of what the camera sees, see `in_view`, in ascending order.

    Args:
        raw: ``(H, W) uint8 or uint16``; 0 is outside the view.

    Returns:
        ``(n,)``: `SAMPLES` to four times as many, all of a smaller frame; none if all are 0.
    """
    step = max(1, int(np.sqrt(raw.size / SAMPLES)))
    pixels = raw[::step, ::step]
    try:
        library = load_library()
    except BackendUnavailableError:
        library = None
    if library is None or raw.strides[1] != raw.itemsize:
        return _sorted(in_view(pixels))
    ordered = np.empty(pixels.size, np.float64)
    sorting = Sorting(
        raw.ctypes.data, ordered.ctypes.data, raw.strides[0], *raw.shape, raw.itemsize > 1, step
    )
    if library.lut_fuse_sort(ctypes.byref(sorting)):
        raise MemoryError("no memory to find the range of an infrared frame")
    return ordered if sorting.done else _sorted(in_view(pixels))


def _sorted(pixels: RawInfrared) -> Float64Array:
    # Stable sorting of integers is a radix sort: three times as fast as a selection here.
    return np.sort(pixels, kind="stable").astype(np.float64)


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
