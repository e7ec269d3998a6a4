"""Names for the arrays that pass between modules, and for sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

RawInfrared = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Counts of an infrared camera in 8 or 16 bits, ``(h, w)``."""

AnyInfrared = (
    RawInfrared
    | npt.NDArray[np.int16]
    | npt.NDArray[np.int32]
    | npt.NDArray[np.uint32]
    | npt.NDArray[np.float32]
    | npt.NDArray[np.float64]
)
"""Counts or temperatures of any type, ``(h, w)``, as a file or a driver gives them."""

Size = tuple[int, int]
"""Width and height in pixels."""


def in_three_channels(image: UInt8Array) -> UInt8Array:
    """A gray or color image as color.

    Args:
        image: ``(H, W)`` or ``(H, W, 3) uint8``.

    Returns:
        ``(H, W, 3) uint8``; a color image itself.
    """
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def gray_view(plane: UInt8Array) -> UInt8Array:
    """A gray image as color, without a copy.

    Args:
        plane: ``(H, W) uint8``.

    Returns:
        ``(H, W, 3) uint8``, a read-only view of the plane.
    """
    return np.broadcast_to(plane[..., None], (*plane.shape, 3))


def is_gray_view(image: UInt8Array) -> bool:
    """Whether an image is a view of one plane, as `gray_view` makes it.

    Args:
        image: ``(H, W, 3) uint8``.
    """
    return image.strides[2] == 0
