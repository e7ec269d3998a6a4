"""Where two cameras are to each other, and their focal lengths, from points at many depths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array, Size
from lut_fuse_core.calibration.correspondences import Correspondences
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel, as_rows
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig, Pose

LEAST_PAIRS = 20
LEAST_POINTS = 200

USUAL_FOCAL = 0.87
"""Focal length in image widths that is tried first: 60 degrees across."""

PRIOR = np.array([0.35, 0.1, 3.0, 3.0, 3.0, 1.0, 0.3])
"""Standard deviations before anything is seen: logarithm of the visible focal length and of the
ratio of both; degrees by which the infrared camera is rotated beyond what the homography says; and
the direction of the baseline."""

FOCAL_KNOWN = 0.1
"""Relative standard deviation up to which a focal length counts as observed."""

LEAST_SPREAD = 2.0
"""Infrared pixels that the parallax of near and far points must differ by, ..."""

LEAST_RATIO = 1.5
"""... and this many times what they differ by across it, which is noise."""

SOFT = 1.5
"""Infrared pixels from which on a point counts less and less."""

RESAMPLED = 24
"""Times that the fit is repeated on pairs drawn at random, with repeats."""


@dataclass(frozen=True)
class RelativePose:
    """Relative pose and focal lengths, each with a standard deviation.

    Attributes:
        visible_focal: Pixels.
        infrared_focal: Pixels.
        focal_errors: Standard deviations of both, pixels.
        focal_known: Whether the visible focal length was given or could be observed. Cameras that
            look in parallel, as most do, show the ratio of both, not their size.
        rotation: ``(3, 3)``, from the visible camera's frame to the infrared camera's.
        rotation_errors: Standard deviations about x, y and z, degrees.
        direction: ``(3,)`` of length 1: of `Pose.translation`.
        direction_error: Standard deviation, degrees.
        parallax: Infrared pixels between the parallax of the nearest and the farthest points.
        points: That were compared.
        pairs: They are from.
    """

    visible_focal: float
    infrared_focal: float
    focal_errors: tuple[float, float]
    focal_known: bool
    rotation: Float64Array
    rotation_errors: tuple[float, float, float]
    direction: Float64Array
    direction_error: float
    parallax: float
    points: int
    pairs: int

    def rig(self, baseline: float, visible_size: Size, infrared_size: Size) -> CameraRig:
        """The rig for a known distance between the lenses, meters; without lens distortion."""
        visible, infrared = (
            CameraModel(*size, as_rows(_matrix(focal, size)), (), "none")
            for focal, size in (
                (self.visible_focal, visible_size), (self.infrared_focal, infrared_size)
            )
        )  # fmt: skip
        x, y, z = (float(baseline * each) for each in self.direction)
        return CameraRig(visible, infrared, Pose(as_rows(self.rotation), (x, y, z)))

    def __str__(self) -> str:
        angles = np.degrees(np.ravel(cv2.Rodrigues(self.rotation)[0]))
        rotation = ", ".join(
            f"{name} {angle:.2f} ± {error:.2f}"
            for name, angle, error in zip("xyz", angles, self.rotation_errors, strict=True)
        )
        x, y, z = self.direction
        focal = "" if self.focal_known else " (not observed: cameras in parallel, give --focal)"
        return (
            f"relative pose from {self.points} points of {self.pairs} pairs: infrared is rotated "
            f"by {rotation} degrees, its baseline points along ({x:.2f}, {y:.2f}, {z:.2f}) ± "
            f"{self.direction_error:.1f} degrees; focal lengths: visible {self.visible_focal:.0f} "
            f"± {self.focal_errors[0]:.0f} pixels{focal}, infrared {self.infrared_focal:.0f} ± "
            f"{self.focal_errors[1]:.0f}"
        )

    def facts(self) -> dict[str, Any]:
        """JSON-serializable summary."""
        angles = np.degrees(np.ravel(cv2.Rodrigues(self.rotation)[0]))
        return {
            "visible_focal_px": round(self.visible_focal, 1),
            "infrared_focal_px": round(self.infrared_focal, 1),
            "focal_std_px": [round(each, 1) for each in self.focal_errors],
            "focal_known": self.focal_known,
            "rotation_deg": [round(float(each), 3) for each in angles],
            "rotation_std_deg": [round(each, 3) for each in self.rotation_errors],
            "baseline_direction": [round(float(each), 4) for each in self.direction],
            "baseline_direction_std_deg": round(self.direction_error, 2),
            "parallax_px": round(self.parallax, 1),
            "points": self.points,
            "pairs": self.pairs,
        }


def relative_pose(
    points: Correspondences, homography: Homography, focal: float | None = None
) -> RelativePose:
    """Relative pose and focal lengths of a rig whose scenes have depth.

    The fundamental matrix that fits the points best, with square pixels, centered optical axes and
    no lens distortion. It leaves open how far the cameras are apart, and along the baseline it
    shows rotation and parallax as one: the farthest points are taken to be far away, and points
    low in the image to be nearer than those high in it.

    Args:
        points: From at least `LEAST_PAIRS` pairs.
        homography: Of the rig, with the sizes of its images.
        focal: Of the visible camera in pixels, if it is known.

    Raises:
        InputError: For too few pairs or points, or if depth does not vary enough.
    """
    count = len(np.unique(points.pairs))
    if count < LEAST_PAIRS or len(points.pairs) < LEAST_POINTS:
        raise InputError(
            f"the pose between the cameras needs {LEAST_PAIRS} pairs with {LEAST_POINTS} clear "
            f"points; there are {count} with {len(points.pairs)}"
        )
    problem = _Problem(homography, focal)
    solved = problem.solve(points, problem.start(points))
    spread, stray = problem.spread(points, solved)
    if spread < max(LEAST_SPREAD, LEAST_RATIO * stray):
        raise InputError(
            "depth does not vary enough for the pose between the cameras: the parallax of near and "
            f"far points differs by {spread:.1f} infrared pixels, and by {stray:.1f} across that; "
            "take scenes with things both near and far"
        )
    rng = np.random.default_rng(0)
    numbers = np.unique(points.pairs)
    members = {number: np.flatnonzero(points.pairs == number) for number in numbers}
    repeats = []
    for _ in range(RESAMPLED):
        drawn = np.concatenate([members[n] for n in rng.choice(numbers, len(numbers))])
        repeats.append(problem.described(points, problem.solve(points.part(drawn), solved)))
    return problem.result(points, solved, repeats, spread)


@dataclass(frozen=True)
class _Described:
    focals: Float64Array
    rotation: Float64Array
    direction: Float64Array


class _Problem:
    """The fit for one rig. Parameters: see `PRIOR`."""

    def __init__(self, homography: Homography, focal: float | None) -> None:
        assert homography.infrared_size is not None
        assert homography.visible_size is not None
        self.sizes = homography.visible_size, homography.infrared_size
        self.given = focal
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
        visible, infrared = self._matrices(np.zeros(7))
        core = np.linalg.inv(infrared) @ to_infrared @ visible
        u, _, v = np.linalg.svd(core / np.cbrt(np.linalg.det(core)))
        return np.asarray(u @ v, np.float64)

    def start(self, points: Correspondences) -> Float64Array:
        """Parameters to begin with: a baseline along which the points stray most."""
        parameters = np.zeros(7)
        beside = points.infrared - self._far(points, parameters)
        beside = beside - np.median(beside, axis=0)
        near = np.linalg.norm(beside, axis=1) < np.quantile(np.linalg.norm(beside, axis=1), 0.95)
        _, vectors = np.linalg.eigh(np.cov(beside[near].T))
        self.axis = np.array([*vectors[:, 1], 0.0])
        return parameters

    def solve(self, points: Correspondences, start: Float64Array) -> Float64Array:
        """The parameters at which points lie on their epipolar lines, after Levenberg-Marquardt."""
        parameters, damping = start.copy(), 1e-3
        distances = self._distances(points, parameters)
        for _ in range(25):
            scale = max(1.4826 * float(np.median(np.abs(distances))), 0.1)
            weights = 1 / (1 + np.square(distances / SOFT))
            jacobian = np.stack(
                [
                    (self._distances(points, parameters + 1e-5 * unit) - distances) / 1e-5
                    for unit in np.eye(7)
                ],
                axis=1,
            )
            normal = (jacobian.T * weights) @ jacobian + np.diag((scale / PRIOR) ** 2)
            slope = jacobian.T @ (weights * distances) + (scale / PRIOR) ** 2 * parameters
            free = slice(1, None) if self.given else slice(None)
            step = np.zeros(7)
            damped = normal[free, free] + damping * np.diag(np.diag(normal[free, free]))
            step[free] = -np.linalg.solve(damped, slope[free])
            moved = self._distances(points, parameters + step)
            if _cost(moved) <= _cost(distances):
                parameters, distances, damping = parameters + step, moved, damping / 4
                if np.abs(step).max() < 1e-5:
                    break
            else:
                damping *= 8
        return parameters

    def spread(self, points: Correspondences, parameters: Float64Array) -> tuple[float, float]:
        """Infrared pixels between near and far points, and the same across, which is noise."""
        along = self._parallax(points, parameters)
        lines, error = self._lines(points, parameters)[:2]
        across = error / np.linalg.norm(lines[:, :2], axis=1)
        spreads = (float(np.ptp(np.quantile(each, (0.07, 0.93)))) for each in (along, across))
        return next(spreads), next(spreads)

    def described(self, points: Correspondences, parameters: Float64Array) -> _Described:
        """Focal lengths, rotation and direction, with the farthest points infinitely far."""
        along = self._parallax(points, parameters)
        sign = _nearer_side(along, points.visible[:, 1])
        far = float(np.quantile(sign * along, 0.05)) * sign
        visible, infrared = self._matrices(parameters)
        direction = sign * self._direction(parameters)
        # The rotation that moves the image along the baseline by as much as the farthest points.
        across = np.cross([0.0, 0.0, 1.0], self._direction(parameters))
        turn, _ = cv2.Rodrigues(across / np.linalg.norm(across) * far / infrared[0, 0])
        rotation = np.asarray(turn) @ self._rotation(parameters)
        return _Described(np.array([visible[0, 0], infrared[0, 0]]), rotation, direction)

    def result(
        self,
        points: Correspondences,
        parameters: Float64Array,
        repeats: list[_Described],
        spread: float,
    ) -> RelativePose:
        """The result, with deviations over the repeats."""
        best = self.described(points, parameters)
        focals = np.std([each.focals for each in repeats], axis=0)
        turns = [
            np.degrees(np.ravel(cv2.Rodrigues(each.rotation @ best.rotation.T)[0]))
            for each in repeats
        ]
        x, y, z = np.sqrt(np.mean(np.square(turns), axis=0) + self._far_error(points, parameters))
        cosines = [abs(float(each.direction @ best.direction)) for each in repeats]
        angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
        # What the fit hardly changes from what was assumed was not observed.
        observed = self._focal_errors(points, parameters)
        focals = np.maximum(focals, observed * best.focals)
        if self.given:
            focals[0] = 0.0
        return RelativePose(
            float(best.focals[0]),
            float(best.focals[1]),
            (float(focals[0]), float(focals[1])),
            self.given is not None or float(focals[0]) < FOCAL_KNOWN * float(best.focals[0]),
            best.rotation,
            (float(x), float(y), float(z)),
            best.direction,
            float(np.sqrt(np.mean(np.square(angles)))),
            spread,
            len(points.pairs),
            len(np.unique(points.pairs)),
        )

    def _far_error(self, points: Correspondences, parameters: Float64Array) -> Float64Array:
        """Squared degrees about x, y and z by which the farthest points may not be far enough."""
        along = self._parallax(points, parameters)
        along = _nearer_side(along, points.visible[:, 1]) * along
        low, high = np.quantile(along, (0.02, 0.1))
        _, infrared = self._matrices(parameters)
        across = np.cross([0.0, 0.0, 1.0], self._direction(parameters))
        angle = np.degrees((high - low) / 2 / infrared[0, 0])
        return np.asarray(np.square(angle * across / np.linalg.norm(across)), np.float64)

    def _focal_errors(self, points: Correspondences, parameters: Float64Array) -> Float64Array:
        """Relative standard deviations of both focal lengths, from the Jacobian and `PRIOR`."""
        distances = self._distances(points, parameters)
        jacobian = np.stack(
            [
                (self._distances(points, parameters + 1e-5 * unit) - distances) / 1e-5
                for unit in np.eye(7)
            ],
            axis=1,
        )
        scale = max(1.4826 * float(np.median(np.abs(distances))), 0.1)
        weights = 1 / (1 + np.square(distances / SOFT))
        # Blocks overlap by half, so a quarter of the points is independent.
        normal = 0.25 * (jacobian.T * weights) @ jacobian / scale**2 + np.diag(PRIOR**-2.0)
        if self.given:
            normal[0, 0] += 1e12
        covariance = np.linalg.inv(normal)
        both = covariance[0, 0] + covariance[1, 1] + 2 * covariance[0, 1]
        return np.asarray(np.sqrt(np.maximum([covariance[0, 0], both], 0)), np.float64)

    def _matrices(self, parameters: Float64Array) -> tuple[Float64Array, Float64Array]:
        focal = self.focal * np.exp(parameters[0])
        other = focal * self.ratio * np.exp(parameters[1])
        return _matrix(focal, self.sizes[0]), _matrix(other, self.sizes[1])

    def _rotation(self, parameters: Float64Array) -> Float64Array:
        turn, _ = cv2.Rodrigues(np.radians(parameters[2:5]))
        return np.asarray(turn, np.float64) @ self.start_rotation

    def _direction(self, parameters: Float64Array) -> Float64Array:
        """Unit vector near ``axis``, which lies in the image plane."""
        side = np.cross([0.0, 0.0, 1.0], self.axis)
        direction = self.axis + parameters[5] * side + parameters[6] * np.array([0, 0, 1.0])
        return np.asarray(direction / np.linalg.norm(direction), np.float64)

    def _far(self, points: Correspondences, parameters: Float64Array) -> Float64Array:
        """Infrared pixels where the points would be if they were infinitely far."""
        visible, infrared = self._matrices(parameters)
        matrix = infrared @ self._rotation(parameters) @ np.linalg.inv(visible)
        mapped = _homogeneous(points.visible) @ matrix.T
        return mapped[:, :2] / mapped[:, 2:]

    def _parallax(self, points: Correspondences, parameters: Float64Array) -> Float64Array:
        """Infrared pixels along the baseline's direction beyond where far points are."""
        _, infrared = self._matrices(parameters)
        direction = self._direction(parameters)
        beside = points.infrared - self._far(points, parameters)
        along = infrared[0, 0] * direction[:2] - direction[2] * (
            self._far(points, parameters) - infrared[:2, 2]
        )
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        return np.einsum("ni,ni->n", beside, along)

    def _distances(self, points: Correspondences, parameters: Float64Array) -> Float64Array:
        """Sampson's distance of each pair of points from its epipolar lines, infrared pixels."""
        lines, error, back = self._lines(points, parameters)
        # Visible pixels are as uncertain as infrared ones are, in the scale of these.
        finer = self.ratio**2
        size = np.square(lines[:, :2]).sum(axis=1) + np.square(back[:, :2]).sum(axis=1) / finer
        return np.asarray(error / np.sqrt(np.maximum(size, 1e-18)), np.float64)

    def _lines(
        self, points: Correspondences, parameters: Float64Array
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Epipolar lines in infrared, what points miss them by, and lines in visible."""
        visible, infrared = self._matrices(parameters)
        x, y, z = self._direction(parameters)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        essential = cross @ self._rotation(parameters)
        matrix = np.linalg.inv(infrared).T @ essential @ np.linalg.inv(visible)
        here, there = _homogeneous(points.visible), _homogeneous(points.infrared)
        lines, back = here @ matrix.T, there @ matrix
        error = np.einsum("ni,ni->n", there, lines)
        return lines, np.asarray(error, np.float64), back


def _nearer_side(along: Float64Array, rows: Float64Array) -> float:
    """1 or -1: on which side of the parallax near points are, since they are low in the image."""
    middle = np.median(along)
    inner = np.clip(along, *np.quantile(along, (0.02, 0.98)))
    trend = float(np.corrcoef(inner, rows)[0, 1])
    if abs(trend) < 0.05:
        trend = float(np.mean((inner - middle) ** 3))
    return 1.0 if trend >= 0 else -1.0


def _matrix(focal: float, size: Size) -> Float64Array:
    width, height = size
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def _homogeneous(points: Float64Array) -> Float64Array:
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def _cost(distances: Float64Array) -> float:
    return float(np.log1p(np.square(distances / SOFT)).sum())
