"""16-bit counts whose bytes are in the wrong order, as radiometric PNGs of FLIR's are."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import AnyInfrared

ROUGHER = 8.0
"""Factor by which an image must be rougher as it is than with its bytes swapped to be taken for
swapped: scenes are smooth, while a swapped image changes by 256 counts where the scene changes by
one."""

ROWS = 16
"""At least so many rows, and fewer than twice as many, are looked at, evenly spaced: in live
streams every frame is."""


def in_native_order(image: AnyInfrared) -> AnyInfrared:
    """An image with its bytes swapped if they are in the wrong order.

    Args:
        image: ``(H, W)`` of any type; only uint16 is ever changed.

    Returns:
        ``(H, W)`` of the same type; the image itself where nothing is wrong with it.
    """
    if image.dtype != np.uint16 or min(image.shape) < 2:
        return image
    rows = image[:: max(1, image.shape[0] // ROWS)]
    roughness = _roughness(rows)
    if roughness <= ROUGHER * 0.5 or roughness <= ROUGHER * max(_roughness(rows.byteswap()), 0.5):
        return image
    # Multiples of 256 are 8-bit images in the upper byte: swapped they would only seem smoother.
    return image.byteswap() if (image % 256).any() else image


def _roughness(rows: AnyInfrared) -> float:
    """Mean absolute difference between horizontal neighbors, in counts."""
    counts = rows.astype(np.int32)
    return float(np.abs(counts[:, 1:] - counts[:, :-1]).mean())
