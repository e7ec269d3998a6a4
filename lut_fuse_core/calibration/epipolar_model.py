"""Two cameras of one rig as seven numbers, fitted to points that both see at many depths."""

from __future__ import annotations

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array, Size
from lut_fuse_core.calibration.correspondences import Correspondences
from lut_fuse_core.registration.homography import Homography

USUAL_FOCAL = 0.87
"""Focal length in image widths that is tried first: 60 degrees across."""

PRIOR = np.array([0.35, 0.1, 3.0, 3.0, 3.0, 1.0, 0.3])
"""Standard deviations of the parameters before anything is seen: logarithm of the visible focal
length and of the ratio of both; degrees by which the infrared camera is rotated beyond what the
homography says; and the direction of the baseline."""

SOFT = 1.5
"""Infrared pixels from which on a point counts less and less."""

_STEP = 1e-5
"""Of the parameters, for derivatives."""


class EpipolarModel:
    """Square pixels, centered optical axes, no lens distortion. Parameters: see `PRIOR`.

    Args:
        homography: Of the rig, with the sizes of its images.
        focal: Of the visible camera in pixels, if it is known.

    Attributes:
        sizes: Of the visible and the infrared image, width and height in pixels.
        focal_given: Whether the visible focal length is known, so that it is not fitted.
        focal: Of the visible camera where the parameters are 0, in pixels.
        ratio: Of the infrared focal length to the visible one there.
        start_rotation: From the visible camera's frame to the infrared camera's there, ``(3, 3)
            float64``.
        axis: Unit vector in the image plane near which the baseline is; `start` sets it.
    """

    def __init__(self, homography: Homography, focal: float | None) -> None:
        assert homography.infrared_size is not None
        assert homography.visible_size is not None
        self.sizes = homography.visible_size, homography.infrared_size
        self.focal_given = focal is not None
        matrix = np.asarray(homography.matrix, np.float64)
        width, height = homography.infrared_size
        center = np.array([(width - 1) / 2, (height - 1) / 2, 1.0])
        denominator = float(matrix[2] @ center)
        growth = np.sqrt(abs(np.linalg.det(matrix[:2, :2]))) / denominator
        self.focal = focal or USUAL_FOCAL * self.sizes[0][0]
        self.ratio = 1 / float(growth)
        self.start_rotation = self._nearest_rotation(np.asarray(np.linalg.inv(matrix), np.float64))
        self.axis = np.array([1.0, 0.0, 0.0])

    def _nearest_rotation(self, to_infrared: Float64Array) -> Float64Array:
        visible, infrared = self.matrices(np.zeros(7))
        core = np.linalg.inv(infrared) @ to_infrared @ visible
        u, _, v = np.linalg.svd(core / np.cbrt(np.linalg.det(core)))
        return np.asarray(u @ v, np.float64)

    def start(self, points: Correspondences) -> Float64Array:
        """Where to begin: `axis` becomes the direction in which the points stray most.

        Args:
            points: That both cameras see.

        Returns:
            ``(7,) float64``, all 0.
        """
        parameters = np.zeros(7)
        beside = points.infrared - self._far(points, parameters)
        beside = beside - np.median(beside, axis=0)
        near = np.linalg.norm(beside, axis=1) < np.quantile(np.linalg.norm(beside, axis=1), 0.95)
        _, vectors = np.linalg.eigh(np.cov(beside[near].T))
        self.axis = np.array([*vectors[:, 1], 0.0])
        return parameters

    def solve(self, points: Correspondences, start: Float64Array) -> Float64Array:
        """The parameters at which points lie nearest to their epipolar lines.

        They are found by up to 25 steps after Levenberg and Marquardt.

        Args:
            points: That both cameras see.
            start: ``(7,)``, where to begin.

        Returns:
            ``(7,) float64``.
        """
        parameters, damping = start.copy(), 1e-3
        distances = self.distances(points, parameters)
        for _ in range(25):
            scale, weights = noise(distances), soft_weights(distances)
            jacobian = self.jacobian(points, parameters, distances)
            normal = (jacobian.T * weights) @ jacobian + np.diag((scale / PRIOR) ** 2)
            slope = jacobian.T @ (weights * distances) + (scale / PRIOR) ** 2 * parameters
            free = slice(1, None) if self.focal_given else slice(None)
            step = np.zeros(7)
            damped = normal[free, free] + damping * np.diag(np.diag(normal[free, free]))
            step[free] = -np.linalg.solve(damped, slope[free])
            moved = self.distances(points, parameters + step)
            if _cost(moved) <= _cost(distances):
                parameters, distances, damping = parameters + step, moved, damping / 4
                if np.abs(step).max() < 1e-5:
                    break
            else:
                damping *= 8
        return parameters

    def jacobian(
        self, points: Correspondences, parameters: Float64Array, distances: Float64Array
    ) -> Float64Array:
        """How the distances ``(N,)`` at the parameters change with each of these: ``(N, 7)``."""
        moved = [self.distances(points, parameters + _STEP * unit) for unit in np.eye(7)]
        return np.stack([(each - distances) / _STEP for each in moved], axis=1)

    def matrices(self, parameters: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Camera matrices ``(3, 3)`` of the visible and the infrared camera."""
        focal = self.focal * np.exp(parameters[0])
        other = focal * self.ratio * np.exp(parameters[1])
        return camera_matrix(focal, self.sizes[0]), camera_matrix(other, self.sizes[1])

    def rotation(self, parameters: Float64Array) -> Float64Array:
        """From the visible camera's frame to the infrared camera's, ``(3, 3)``."""
        turn, _ = cv2.Rodrigues(np.radians(parameters[2:5]))
        return np.asarray(turn, np.float64) @ self.start_rotation

    def direction(self, parameters: Float64Array) -> Float64Array:
        """Unit vector near ``axis``, which lies in the image plane."""
        x, y, _ = self.axis
        side = np.array([-y, x, 0.0])  # the optical axis times this one
        direction = self.axis + parameters[5] * side + parameters[6] * np.array([0, 0, 1.0])
        return np.asarray(direction / np.linalg.norm(direction), np.float64)

    def _far(self, points: Correspondences, parameters: Float64Array) -> Float64Array:
        """Infrared pixels where the points would be if they were infinitely far."""
        visible, infrared = self.matrices(parameters)
        matrix = infrared @ self.rotation(parameters) @ np.linalg.inv(visible)
        mapped = _homogeneous(points.visible) @ matrix.T
        return mapped[:, :2] / mapped[:, 2:]

    def parallax(self, points: Correspondences, parameters: Float64Array) -> Float64Array:
        """Infrared pixels along the baseline's direction beyond where far points are, ``(N,)``."""
        _, infrared = self.matrices(parameters)
        direction = self.direction(parameters)
        beside = points.infrared - self._far(points, parameters)
        along = infrared[0, 0] * direction[:2] - direction[2] * (
            self._far(points, parameters) - infrared[:2, 2]
        )
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        return np.einsum("ni,ni->n", beside, along)

    def distances(self, points: Correspondences, parameters: Float64Array) -> Float64Array:
        """Sampson's distance of each pair of points from its epipolar lines.

        Returns:
            ``(N,) float64``, infrared pixels, with a sign.
        """
        lines, error, back = self.lines(points, parameters)
        # Visible pixels are as uncertain as infrared ones are, in the scale of these.
        finer = self.ratio**2
        size = _squared(lines) + _squared(back) / finer
        return np.asarray(error / np.sqrt(np.maximum(size, 1e-18)), np.float64)

    def lines(
        self, points: Correspondences, parameters: Float64Array
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Epipolar lines in the infrared image, how points miss them, and lines in the visible one.

        Returns:
            Lines a x + b y + c = 0 as ``(N, 3)``; the left side of that at each infrared point,
            ``(N,)``; and the lines of these points in the visible image, ``(N, 3)``.
        """
        visible, infrared = self.matrices(parameters)
        x, y, z = self.direction(parameters)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        essential = cross @ self.rotation(parameters)
        matrix = np.linalg.inv(infrared).T @ essential @ np.linalg.inv(visible)
        here, there = _homogeneous(points.visible), _homogeneous(points.infrared)
        lines, back = here @ matrix.T, there @ matrix
        error = np.einsum("ni,ni->n", there, lines)
        return lines, np.asarray(error, np.float64), back


def camera_matrix(focal: float, size: Size) -> Float64Array:
    """``(3, 3)`` of a camera with square pixels and a centered optical axis."""
    width, height = size
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def noise(distances: Float64Array) -> float:
    """Standard deviation of distances in pixels, whatever a few of them are."""
    return max(1.4826 * float(np.median(np.abs(distances))), 0.1)


def soft_weights(distances: Float64Array) -> Float64Array:
    """How much each point counts: the less, the farther it strays."""
    return np.asarray(1 / (1 + np.square(distances / SOFT)), np.float64)


def _homogeneous(points: Float64Array) -> Float64Array:
    extended = np.ones((len(points), 3))
    extended[:, :2] = points
    return extended


def _squared(lines: Float64Array) -> Float64Array:
    """Squared lengths of the lines' normals."""
    return np.asarray(lines[:, 0] ** 2 + lines[:, 1] ** 2, np.float64)


def _cost(distances: Float64Array) -> float:
    return float(np.log1p(np.square(distances / SOFT)).sum())
