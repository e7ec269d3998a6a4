"""Camera models: intrinsics with lens distortion, and the pose of one camera in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.registration import lens
from lut_fuse_core.registration.resizing import resizing, same_shape

FISHEYE_MODELS = ("equidistant", "fisheye")
DISTORTION_MODELS = ("plumb_bob", "rational_polynomial", *FISHEYE_MODELS, "none")
"""ROS names: `plumb_bob` has 5 coefficients, `rational_polynomial` 8, `equidistant` 4."""

FIELD_MARGIN = 1.1
"""How far beyond the image border a ray may lie and still be projected (see `project`)."""


@dataclass(frozen=True)
class CameraModel:
    """A pinhole or fisheye camera, as `sensor_msgs/CameraInfo` describes it.

    Attributes:
        width: Of its images, in pixels.
        height: Of its images, in pixels.
        matrix: 3x3 intrinsic matrix, pixel centers at integers.
        distortion: Coefficients of `distortion_model`, one of `DISTORTION_MODELS`; empty for none.
        distortion_model: ``plumb_bob``, ``rational_polynomial``, ``equidistant`` (or ``fisheye``,
            another name for it) or ``none``.

    Raises:
        InputError: For a size, a matrix or coefficients that describe no camera.
    """

    width: int
    height: int
    matrix: tuple[tuple[float, ...], ...]
    distortion: tuple[float, ...] = ()
    distortion_model: str = "plumb_bob"

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise InputError(f"a camera image of {self.width}x{self.height} has no pixels")
        matrix = np.asarray(self.matrix, np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise InputError("the camera matrix must be 3x3 finite numbers")
        if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise InputError(
                "the camera matrix has no focal length (all zero means: camera not calibrated); "
                "calibrate it with 'lut-fuse calibrate board' or ROS camera_calibration"
            )
        if self.distortion_model not in DISTORTION_MODELS:
            raise InputError(
                f"distortion model '{self.distortion_model}' is not one of "
                f"{', '.join(DISTORTION_MODELS)}"
            )
        if not np.isfinite(self.distortion).all():
            raise InputError("the distortion coefficients must be finite numbers")
        count = len(self.distortion)
        allowed = (0, 4) if self.fisheye else (0, 4, 5, 8, 12, 14)
        if count not in allowed:
            raise InputError(
                f"{count} coefficients do not fit distortion model '{self.distortion_model}'"
            )

    @property
    def fisheye(self) -> bool:
        """Whether the lens follows the equidistant model rather than the pinhole one."""
        return self.distortion_model in FISHEYE_MODELS

    @cached_property
    def intrinsics(self) -> Float64Array:
        """The intrinsic matrix, ``(3, 3) float64``."""
        return np.asarray(self.matrix, np.float64)

    @cached_property
    def coefficients(self) -> Float64Array:
        """The distortion coefficients, ``(n,) float64``; four zeros where there are none."""
        return np.asarray(self.distortion or (0.0,) * 4, np.float64)

    @cached_property
    def field_radius(self) -> float:
        """Largest distance from the optical axis, at unit depth, that the image border sees."""
        x = np.linspace(-0.5, self.width - 0.5, 33)
        y = np.linspace(-0.5, self.height - 0.5, 33)
        border = np.concatenate(
            [
                np.stack([x, np.full_like(x, y[0])], 1),
                np.stack([x, np.full_like(x, y[-1])], 1),
                np.stack([np.full_like(y, x[0]), y], 1),
                np.stack([np.full_like(y, x[-1]), y], 1),
            ]
        )
        return float(np.linalg.norm(self.rays(border), axis=1).max())

    def rays(self, pixels: Float64Array) -> Float64Array:
        """Directions that pixels see: ``(N, 2)`` pixels to ``(N, 2)`` x/z, y/z, undistorted."""
        points = np.asarray(pixels, np.float64).reshape(-1, 2)
        if self._tilted:
            rays = _undistort(points[:, None], self.intrinsics, self.coefficients)
            return np.asarray(rays, np.float64).reshape(-1, 2)
        places = (points - self._center) / self._focal_lengths
        undistort = lens.fisheye_undistorted if self.fisheye else lens.undistorted
        return undistort(places, self.coefficients)

    def project(self, points: Float64Array) -> Float64Array:
        """Pixels where points appear: ``(N, 3)`` meters in this camera's frame to ``(N, 2)``.

        Points behind the camera, or so far outside its field of view that the lens polynomial
        would fold them back into the image, become NaN.
        """
        depth = points[:, 2]
        front = depth > 1e-9
        plane = points[:, :2] / np.where(front, depth, 1.0)[:, None]
        front &= np.linalg.norm(plane, axis=1) <= FIELD_MARGIN * self.field_radius
        pixels = np.full((len(points), 2), np.nan)
        if front.any():
            pixels[front] = self._seen(plane[front])
        return pixels

    def _seen(self, rays: Float64Array) -> Float64Array:
        """``(N, 2)`` x/z, y/z to ``(N, 2)`` pixels."""
        if self._tilted:
            points, zero = np.concatenate([rays, np.ones((len(rays), 1))], axis=1), np.zeros(3)
            seen, _ = cv2.projectPoints(points, zero, zero, self.intrinsics, self.coefficients)
            return np.asarray(seen, np.float64).reshape(-1, 2)
        distort = lens.fisheye_distorted if self.fisheye else lens.distorted
        return distort(rays, self.coefficients) * self._focal_lengths + self._center

    @property
    def _tilted(self) -> bool:
        """Whether the sensor stands askew behind the lens, which is left to OpenCV."""
        return bool(self.coefficients[12:].any())

    @property
    def _focal_lengths(self) -> Float64Array:
        return self.intrinsics[[0, 1], [0, 1]]

    @property
    def _center(self) -> Float64Array:
        return self.intrinsics[:2, 2]

    def scaled_to(self, width: int, height: int) -> CameraModel:
        """This camera with its image resized (a driver that bins or scales its frames).

        Raises:
            InputError: For a size of another shape.
        """
        if (width, height) == (self.width, self.height):
            return self
        size = (self.width, self.height)
        if not same_shape(size, (width, height)):
            raise InputError(
                f"the camera was calibrated at {self.width}x{self.height}, but its images are "
                f"{width}x{height}, another shape; calibrate again at this size"
            )
        matrix = as_rows(resizing(size, (width, height)) @ self.intrinsics)
        return CameraModel(width, height, matrix, self.distortion, self.distortion_model)

    def cropped_to(self, x: int, y: int, width: int, height: int) -> CameraModel:
        """This camera reading out only a part of its sensor, whose first pixel is (x, y).

        Raises:
            InputError: For a part that is not on the sensor.
        """
        if not (0 <= x < x + width <= self.width and 0 <= y < y + height <= self.height):
            raise InputError(
                f"the region of interest {width}x{height} at ({x}, {y}) is not within the camera's "
                f"{self.width}x{self.height} pixels"
            )
        shift = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
        matrix = as_rows(shift @ self.intrinsics)
        return CameraModel(width, height, matrix, self.distortion, self.distortion_model)

    @classmethod
    def from_camera_info(
        cls,
        width: int,
        height: int,
        k: Sequence[float],
        d: Sequence[float],
        distortion_model: str,
        rectified_projection: Sequence[float] | None = None,
    ) -> CameraModel:
        """From the fields of `sensor_msgs/CameraInfo`.

        Args:
            width: Of the image, in pixels.
            height: Of the image, in pixels.
            k: 9 numbers.
            d: Coefficients.
            distortion_model: Which one the coefficients are of.
            rectified_projection: The 12 numbers of ``p`` if the images are rectified already
                (`image_rect` topics); k and d are then not used.

        Raises:
            InputError: For numbers that describe no camera.
        """
        if rectified_projection is not None:
            p = np.asarray(rectified_projection, np.float64).reshape(3, 4)
            return cls(int(width), int(height), as_rows(p[:, :3]), (), "none")
        if len(k) != 9:
            raise InputError(f"a camera matrix needs 9 numbers, not {len(k)}")
        matrix = np.asarray(k, np.float64).reshape(3, 3)
        return cls(
            int(width),
            int(height),
            as_rows(matrix),
            tuple(float(value) for value in d),
            distortion_model or "plumb_bob",
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CameraModel:
        """From the layout of ROS `camera_calibration` files (`camera_matrix: {data: ...}`).

        Raises:
            InputError: If it is another layout, or describes no camera.
        """
        try:
            return cls.from_camera_info(
                int(data["image_width"]),
                int(data["image_height"]),
                [float(value) for value in data["camera_matrix"]["data"]],
                [float(v) for v in data.get("distortion_coefficients", {}).get("data", ())],
                str(data.get("distortion_model", "plumb_bob")),
            )
        except InputError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise InputError(
                f"this is not a camera_info description ({what_is_wrong(error)}); expected the "
                "layout that ROS camera_calibration writes"
            ) from None

    def to_dict(self, name: str = "camera") -> dict[str, Any]:
        """The layout of ROS `camera_calibration` files; `from_dict` reads it back."""
        k = self.intrinsics
        projection = np.concatenate([k, np.zeros((3, 1))], axis=1)
        return {
            "image_width": self.width,
            "image_height": self.height,
            "camera_name": name,
            "camera_matrix": _matrix_entry(k),
            "distortion_model": self.distortion_model,
            "distortion_coefficients": _matrix_entry(np.asarray(self.distortion)[None]),
            "rectification_matrix": _matrix_entry(np.eye(3)),
            "projection_matrix": _matrix_entry(projection),
        }


def what_is_wrong(error: Exception) -> str:
    """What an error in reading a description says, which of a missing entry is only its name."""
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def as_rows(matrix: Float64Array) -> tuple[tuple[float, ...], ...]:
    """A matrix as nested tuples, the form frozen data classes hold."""
    return tuple(tuple(float(value) for value in row) for row in matrix)


def _undistort(points: Float64Array, matrix: Float64Array, distortion: Float64Array) -> Any:
    criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 40, 1e-9)
    # OpenCV 4 iterates five times unless asked through this second name; OpenCV 5 has only one.
    iterate = getattr(cv2, "undistortPointsIter", None)
    if iterate is not None:
        return iterate(points, matrix, distortion, None, None, criteria)
    return cv2.undistortPoints(points, matrix, distortion, criteria=criteria)


def _matrix_entry(matrix: Float64Array) -> dict[str, Any]:
    rows, columns = matrix.shape
    return {"rows": rows, "cols": columns, "data": [float(value) for value in matrix.ravel()]}
