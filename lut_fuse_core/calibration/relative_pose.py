"""Where two cameras are to each other, and their focal lengths, from points at many depths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, Size
from lut_fuse_core.calibration.correspondences import Correspondences
from lut_fuse_core.calibration.epipolar_model import (
    PRIOR,
    EpipolarModel,
    camera_matrix,
    noise,
    soft_weights,
)
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel, as_rows
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig, Pose

LEAST_PAIRS = 20
LEAST_POINTS = 200

FOCAL_KNOWN = 0.1
"""Relative standard deviation up to which a focal length counts as observed."""

LEAST_SPREAD = 2.0
"""Infrared pixels that the parallax of near and far points must differ by, ..."""

LEAST_RATIO = 1.5
"""... and this many times what they differ by across it, which is noise."""

RESAMPLED = 24
"""Times that the fit is repeated on pairs and parts of the image drawn at random, with repeats."""

PARTS = (4, 3)
"""Parts of the visible image, across and down. What is wrong at the same place in every pair, such
as a lens that bends, shows when parts are left out, not when pairs are."""


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
        parallax: Infrared pixels between the parallax of near and of far points: those that 7 % of
            the points exceed, and that 7 % do not reach.
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
            CameraModel(*size, as_rows(camera_matrix(focal, size)), (), "none")
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
    model = EpipolarModel(homography, focal)
    solved = model.solve(points, model.start(points))
    spread, stray = _spread(model, points, solved)
    if spread < max(LEAST_SPREAD, LEAST_RATIO * stray):
        raise InputError(
            "depth does not vary enough for the pose between the cameras: the parallax of near and "
            f"far points differs by {spread:.1f} infrared pixels, and by {stray:.1f} across that; "
            "take scenes with things both near and far"
        )
    repeats = [
        _described(model, points, model.solve(points.part(drawn), solved))
        for drawn in _resampled(points, homography)
    ]
    return _result(model, points, solved, repeats, spread)


def _resampled(points: Correspondences, homography: Homography) -> Iterator[npt.NDArray[np.int64]]:
    """Points of pairs and of parts of the image drawn at random, with repeats: indices."""
    rng = np.random.default_rng(0)
    _, pair = np.unique(points.pairs, return_inverse=True)
    assert homography.visible_size is not None
    share = np.clip(points.visible / homography.visible_size, 0, 1 - 1e-9)
    columns, rows = (share * PARTS).astype(np.int64).T
    _, part = np.unique(rows * PARTS[0] + columns, return_inverse=True)
    for _ in range(RESAMPLED):
        times = np.ones(len(points.pairs), np.int64)
        for member in (np.ravel(pair), np.ravel(part)):
            count = int(member.max()) + 1
            times *= np.bincount(rng.integers(count, size=count), minlength=count)[member]
        if np.count_nonzero(times) >= LEAST_POINTS // 4:
            yield np.repeat(np.arange(len(times)), times)


@dataclass(frozen=True)
class _Described:
    focals: Float64Array
    rotation: Float64Array
    direction: Float64Array


def _spread(
    model: EpipolarModel, points: Correspondences, parameters: Float64Array
) -> tuple[float, float]:
    """Infrared pixels between near and far points, and the same across, which is noise."""
    along = model.parallax(points, parameters)
    lines, error = model.lines(points, parameters)[:2]
    across = error / np.linalg.norm(lines[:, :2], axis=1)
    spreads = (float(np.ptp(np.quantile(each, (0.07, 0.93)))) for each in (along, across))
    return next(spreads), next(spreads)


def _described(
    model: EpipolarModel, points: Correspondences, parameters: Float64Array
) -> _Described:
    """Focal lengths, rotation and direction, with the farthest points infinitely far."""
    along = model.parallax(points, parameters)
    sign = _nearer_side(along, points.visible[:, 1])
    far = float(np.quantile(sign * along, 0.05)) * sign
    visible, infrared = model.matrices(parameters)
    direction = sign * model.direction(parameters)
    # The rotation that moves the image along the baseline by as much as the farthest points.
    across = np.cross([0.0, 0.0, 1.0], model.direction(parameters))
    turn, _ = cv2.Rodrigues(across / np.linalg.norm(across) * far / infrared[0, 0])
    rotation = np.asarray(turn) @ model.rotation(parameters)
    return _Described(np.array([visible[0, 0], infrared[0, 0]]), rotation, direction)


def _result(
    model: EpipolarModel,
    points: Correspondences,
    parameters: Float64Array,
    repeats: list[_Described],
    spread: float,
) -> RelativePose:
    """The result, with deviations over the repeats."""
    best = _described(model, points, parameters)
    focals = np.std([each.focals for each in repeats], axis=0)
    turns = [
        np.degrees(np.ravel(cv2.Rodrigues(each.rotation @ best.rotation.T)[0])) for each in repeats
    ]
    x, y, z = np.sqrt(np.mean(np.square(turns), axis=0) + _far_error(model, points, parameters))
    cosines = [abs(float(each.direction @ best.direction)) for each in repeats]
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    # What the fit hardly changes from what was assumed was not observed.
    observed = _focal_errors(model, points, parameters)
    focals = np.maximum(focals, observed * best.focals)
    if model.focal_given:
        focals[0] = 0.0
    return RelativePose(
        float(best.focals[0]),
        float(best.focals[1]),
        (float(focals[0]), float(focals[1])),
        model.focal_given or float(focals[0]) < FOCAL_KNOWN * float(best.focals[0]),
        best.rotation,
        (float(x), float(y), float(z)),
        best.direction,
        float(np.sqrt(np.mean(np.square(angles)))),
        spread,
        len(points.pairs),
        len(np.unique(points.pairs)),
    )


def _far_error(
    model: EpipolarModel, points: Correspondences, parameters: Float64Array
) -> Float64Array:
    """Squared degrees about x, y and z by which the farthest points may not be far enough."""
    along = model.parallax(points, parameters)
    along = _nearer_side(along, points.visible[:, 1]) * along
    low, high = np.quantile(along, (0.02, 0.1))
    _, infrared = model.matrices(parameters)
    across = np.cross([0.0, 0.0, 1.0], model.direction(parameters))
    angle = np.degrees((high - low) / 2 / infrared[0, 0])
    return np.asarray(np.square(angle * across / np.linalg.norm(across)), np.float64)


def _focal_errors(
    model: EpipolarModel, points: Correspondences, parameters: Float64Array
) -> Float64Array:
    """Relative standard deviations of both focal lengths, from the Jacobian and `PRIOR`."""
    distances = model.distances(points, parameters)
    jacobian = model.jacobian(points, parameters, distances)
    scale, weights = noise(distances), soft_weights(distances)
    # Blocks overlap by half, so a quarter of the points is independent.
    normal = 0.25 * (jacobian.T * weights) @ jacobian / scale**2 + np.diag(PRIOR**-2.0)
    if model.focal_given:
        normal[0, 0] += 1e12
    covariance = np.linalg.inv(normal)
    both = covariance[0, 0] + covariance[1, 1] + 2 * covariance[0, 1]
    return np.asarray(np.sqrt(np.maximum([covariance[0, 0], both], 0)), np.float64)


def _nearer_side(along: Float64Array, rows: Float64Array) -> float:
    """1 or -1: on which side of the parallax near points are, since they are low in the image."""
    middle = np.median(along)
    inner = np.clip(along, *np.quantile(along, (0.02, 0.98)))
    trend = float(np.corrcoef(inner, rows)[0, 1])
    if abs(trend) < 0.05:
        trend = float(np.mean((inner - middle) ** 3))
    return 1.0 if trend >= 0 else -1.0
