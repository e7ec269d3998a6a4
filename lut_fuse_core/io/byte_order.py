"""16-bit counts whose bytes are in the wrong order, as radiometric PNGs of FLIR's are."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import AnyInfrared

ROUGHER = 8.0
"""How much rougher an image must be than with its bytes swapped to be in the wrong order: scenes
are smooth, while a swapped image changes by 256 counts where the scene changes by one."""


def in_native_order(image: AnyInfrared) -> AnyInfrared:
    """An image with its bytes swapped where they are in the wrong order.

    Args:
        image: ``(H, W)``; only uint16 ones are ever changed.

    Returns:
        The same type; the image itself where nothing is wrong with it.
    """
    if image.dtype != np.uint16 or min(image.shape) < 2 or not (image % 256).any():
        return image
    swapped = image.byteswap()
    return swapped if _roughness(image) > ROUGHER * max(_roughness(swapped), 0.5) else image


def _roughness(image: AnyInfrared) -> float:
    """Mean difference between neighbors, in counts."""
    step = max(1, image.shape[0] // 256)
    rows = image[::step].astype(np.int32)
    return float(np.abs(np.diff(rows, axis=1)).mean())
