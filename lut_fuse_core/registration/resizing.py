"""What resizing an image does to the places of its pixels."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import Float64Array, Size

LARGEST_STRETCH = 0.02
"""Share by which the sides of an image may be resized differently and still count as one shape:
whole pixels seldom allow for exactly the same."""


def resizing(size: Size, new_size: Size) -> Float64Array:
    """The map of pixels when an image of one size is resized to another.

    Args:
        size: Width and height in pixels.
        new_size: Width and height in pixels.

    Returns:
        ``(3, 3) float64``. Pixel centers are integers, so the corner of an image is at -0.5.
    """
    sx, sy = new_size[0] / size[0], new_size[1] / size[1]
    return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])


def same_shape(size: Size, new_size: Size) -> bool:
    """Whether images of two sizes have the same ratio of width to height, but for rounding."""
    ratio = (new_size[0] / size[0]) / (new_size[1] / size[1])
    return abs(ratio - 1) <= LARGEST_STRETCH
