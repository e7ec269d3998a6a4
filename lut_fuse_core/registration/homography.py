"""Homographies between the infrared and the visible image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lut_fuse_core.arrays import Float64Array, FloatArray, Size
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import as_rows
from lut_fuse_core.registration.resizing import resizing, same_shape


@dataclass(frozen=True)
class Homography:
    """A plane-to-plane map from infrared pixels to visible pixels, pixel centers at integers.

    Attributes:
        matrix: 3x3.
        infrared_size: Width and height it was made for; images of other sizes (a driver that bins
            or scales) are allowed for. None if it was made for images of any size.
        visible_size: The same of the visible image.

    Raises:
        InputError: For a matrix that maps no image onto another.
    """

    matrix: tuple[tuple[float, ...], ...]
    infrared_size: Size | None = None
    visible_size: Size | None = None

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise InputError("a homography must be 3x3 finite numbers")
        for size in (self.infrared_size, self.visible_size):
            if size is not None and not (size[0] > 0 and size[1] > 0):
                raise InputError(f"an image of {size[0]}x{size[1]} pixels has no pixels to map")
        scale = np.abs(matrix).max()
        if scale == 0 or abs(np.linalg.det(matrix / scale)) < 1e-12:
            raise InputError("the homography is singular: it maps the image onto a line or a point")

    @classmethod
    def from_array(
        cls,
        matrix: Float64Array,
        infrared_size: Size | None = None,
        visible_size: Size | None = None,
    ) -> Homography:
        """From a ``(3, 3)`` array."""
        return cls(as_rows(np.asarray(matrix, np.float64)), infrared_size, visible_size)

    def between(self, infrared_size: Size, visible_size: Size) -> Float64Array:
        """The matrix for images of these sizes.

        Args:
            infrared_size: Width and height in pixels.
            visible_size: Width and height in pixels.

        Returns:
            ``(3, 3) float64``, infrared pixels to visible pixels.

        Raises:
            InputError: If one of the sizes has another shape than that it was made for.
        """
        to_visible = _resized(self.visible_size or visible_size, visible_size)
        to_infrared = _resized(self.infrared_size or infrared_size, infrared_size)
        return to_visible @ np.asarray(self.matrix, np.float64) @ np.linalg.inv(to_infrared)

    def to_dict(self) -> dict[str, Any]:
        """The layout that `lut_fuse_core.registration.file` writes and reads."""
        return {
            "homography": [list(row) for row in self.matrix],
            "infrared_size": list(self.infrared_size) if self.infrared_size else None,
            "visible_size": list(self.visible_size) if self.visible_size else None,
        }


def inverse_map(matrix: Float64Array, infrared_size: Size) -> Float64Array:
    """The matrix that takes visible pixels to infrared pixels, with a sign for its horizon.

    Args:
        matrix: ``(3, 3)``, infrared to visible.
        infrared_size: Width and height in pixels.

    Returns:
        ``(3, 3) float64``, whose third coordinate is positive for what infrared sees.
    """
    # A matrix and its negative are the same map. What infrared sees, its center above all, lies on
    # the positive side of the horizon; visible pixel (0, 0) may not.
    center = [(infrared_size[0] - 1) / 2, (infrared_size[1] - 1) / 2, 1.0]
    return np.linalg.inv(matrix) * (matrix[2] @ center or 1.0)


def homography_map(matrix: Float64Array, infrared_size: Size, visible_size: Size) -> FloatArray:
    """Where each visible pixel lies in the infrared image.

    Args:
        matrix: ``(3, 3)``, infrared to visible.
        infrared_size: Width and height in pixels.
        visible_size: Width and height in pixels.

    Returns:
        ``(H, W, 2) float32``, x and y; NaN beyond the horizon of the map.
    """
    width, height = visible_size
    inverse = inverse_map(matrix, infrared_size)
    x = np.arange(width, dtype=np.float64)[None]
    y = np.arange(height, dtype=np.float64)[:, None]
    denominator = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
    denominator[denominator <= 1e-6] = np.nan
    positions = np.empty((height, width, 2), np.float32)
    for axis in range(2):
        positions[..., axis] = (
            inverse[axis, 0] * x + inverse[axis, 1] * y + inverse[axis, 2]
        ) / denominator
    return positions


def _resized(size: Size, new_size: Size) -> Float64Array:
    """`resizing`, of images that keep their shape."""
    if not same_shape(size, new_size):
        raise InputError(
            f"the registration was made for images of {size[0]}x{size[1]}, but these are "
            f"{new_size[0]}x{new_size[1]}, another shape; run 'lut-fuse calibrate' at this size"
        )
    return resizing(size, new_size)
