"""16-bit counts whose bytes are in the wrong order, as radiometric PNGs of FLIR's are."""

from __future__ import annotations

import cv2
import numpy as np

from lut_fuse_core.arrays import AnyInfrared

ROUGHER = 8.0
"""How much rougher an image must be than with its bytes swapped to be in the wrong order: scenes
are smooth, while a swapped image changes by 256 counts where the scene changes by one."""


ROWS = 48
"""Rows that are looked at: live streams are, frame by frame."""


def in_native_order(image: AnyInfrared) -> AnyInfrared:
    """An image with its bytes swapped where they are in the wrong order.

    Args:
        image: ``(H, W)``; only uint16 ones are ever changed.

    Returns:
        The same type; the image itself where nothing is wrong with it.
    """
    if image.dtype != np.uint16 or min(image.shape) < 2:
        return image
    rows = image[:: max(1, image.shape[0] // ROWS)]
    roughness = _roughness(rows)
    if roughness <= ROUGHER * 0.5 or roughness <= ROUGHER * max(_roughness(rows.byteswap()), 0.5):
        return image
    return image.byteswap() if (image % 256).any() else image


def _roughness(rows: AnyInfrared) -> float:
    """Mean difference between neighbors, in counts."""
    # One call: where other threads work, each of several would wait for the interpreter again.
    total = cv2.norm(rows[:, 1:], rows[:, :-1], cv2.NORM_L1)
    return float(total) / (rows.shape[0] * (rows.shape[1] - 1))
