"""16-bit counts whose bytes are in the wrong order, as radiometric PNGs of FLIR's are."""

from __future__ import annotations

import ctypes

import numpy as np

from lut_fuse_core.arrays import AnyInfrared
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import Roughness, load_library

ROUGHER = 8.0
"""Factor by which an image must be rougher as it is than with its bytes swapped to be taken for
swapped: scenes are smooth, while a swapped image changes by 256 counts where the scene changes by
one."""

ROWS = 16
"""At least so many rows, and fewer than twice as many, are looked at, evenly spaced: in live
streams every frame is."""

MOST_COLUMNS = 32767
"""Of an image that the library looks at."""


def in_native_order(image: AnyInfrared) -> AnyInfrared:
    """An image with its bytes swapped if they are in the wrong order.

    Args:
        image: ``(H, W)`` of any type; only uint16 is ever changed.

    Returns:
        ``(H, W)`` of the same type; the image itself where nothing is wrong with it.
    """
    if image.dtype != np.uint16 or min(image.shape) < 2:
        return image
    as_is, swapped = _roughness(image, max(1, image.shape[0] // ROWS))
    if as_is <= ROUGHER * max(swapped, 0.5):
        return image
    # Multiples of 256 are 8-bit images in the upper byte: swapped they would only seem smoother.
    return image.byteswap() if (image % 256).any() else image


def _roughness(image: AnyInfrared, step: int) -> tuple[float, float]:
    """Mean absolute difference between horizontal neighbors in every ``step``-th row, in counts: as
    they are, and with their bytes swapped."""
    rows = image[::step]
    try:
        library = load_library() if image.shape[1] <= MOST_COLUMNS else None
    except BackendUnavailableError:
        library = None
    if library is None or image.strides[1] != image.itemsize or not image.dtype.isnative:
        return _roughness_of(rows), _roughness_of(rows.byteswap())
    sums = Roughness(image.ctypes.data, image.strides[0], *image.shape, step)
    library.lut_fuse_roughness(ctypes.byref(sums))
    neighbors = len(rows) * (image.shape[1] - 1)
    return sums.as_is / neighbors, sums.swapped / neighbors


def _roughness_of(rows: AnyInfrared) -> float:
    counts = rows.astype(np.int32)
    return float(np.abs(counts[:, 1:] - counts[:, :-1]).mean())
