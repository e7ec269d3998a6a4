"""Calibration of both cameras and of the pose between them from views of a board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array, Size
from lut_fuse_core.calibration.board import Board
from lut_fuse_core.calibration.board_detection import LEAST_POINTS, Detection
from lut_fuse_core.calibration.board_views import BoardViews, View, missing_parts
from lut_fuse_core.calibration.timed_pair import Pairs
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel, as_rows
from lut_fuse_core.registration.rig import CameraRig, Pose

LEAST_VIEWS = 5

MOST_TRANSFER_ERROR = 0.02
"""Share of the visible width above which a calibration explains nothing."""

OUTLIER = 3.0
"""A view whose error is this many times the median one is left out, once."""

STRAY = 4.0
"""The same of single points, when a camera is fitted."""


@dataclass(frozen=True)
class BoardCalibration:
    """A calibrated rig and its errors.

    Attributes:
        rig: Both cameras and the pose between them.
        visible_error: Root mean square distance in pixels between board points as detected and as
            the camera model says.
        infrared_error: The same, of the infrared camera, in its pixels.
        transfer_error: Visible pixels between points as detected in the visible image and as
            predicted from the infrared image through the rig; this is what registration will feel
            at the board.
        focal_errors: Standard deviation of the focal length of the visible and the infrared
            camera, pixels.
        views: That were used.
        pairs: In which the board was looked for.
        found: In which both cameras saw it.
        missing: Where else the board should be shown; see `missing_parts`.
    """

    rig: CameraRig
    visible_error: float
    infrared_error: float
    transfer_error: float
    focal_errors: tuple[float, float]
    views: tuple[View, ...]
    pairs: int
    found: int
    missing: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """JSON-serializable summary."""
        return {
            "visible_error_px": round(self.visible_error, 3),
            "infrared_error_px": round(self.infrared_error, 3),
            "transfer_error_px": round(self.transfer_error, 3),
            "focal_length_std_px": [round(each, 2) for each in self.focal_errors],
            "views_used": [view.index for view in self.views],
            "views_found": self.found,
            "pairs": self.pairs,
            "missing": list(self.missing),
        }


@dataclass(frozen=True)
class Guidance:
    """What is missing so far, for whoever holds the board.

    Attributes:
        time: Seconds since the start of the recording.
        views: In which both cameras see the board, still.
        missing: Parts of a sentence, the most important first; empty if nothing is.
    """

    time: float
    views: int
    missing: tuple[str, ...]

    def __str__(self) -> str:
        lacks = "; ".join(self.missing[:2]) or "nothing, every part of both images was seen"
        views = "1 view" if self.views == 1 else f"{self.views} views"
        return f"after {self.time:.0f} s and {views}, still to be shown: {lacks}"


def calibrate_from_board(
    board: Board,
    pairs: Pairs,
    progress: Callable[[int], None] | None = None,
    guide: Callable[[Guidance], None] | None = None,
) -> BoardCalibration:
    """Intrinsics of both cameras and the pose between them.

    Args:
        board: That was shown.
        pairs: That show the board at different places, distances and tilts. Of recordings the
            frames are chosen in which it is still and sharp, and somewhere new.
        progress: Called with the number of pairs looked at.
        guide: Called while a recording is read, whenever something else is missing than before.

    Returns:
        The rig, its errors and the views that were used.

    Raises:
        InputError: If too few pairs show the board to both cameras, images of a camera differ in
            size, or the result does not explain what was seen.
    """
    collected, sizes = _collect(board, pairs, progress, guide)
    views = collected.chosen()
    _check_count(collected, views, sizes)
    result = _solve(board, views, sizes, collected)
    errors = [transfer_error(board, result.rig, view) for view in result.views]
    kept = [
        view
        for view, error in zip(views, errors, strict=True)
        if error <= OUTLIER * max(float(np.median(errors)), 0.1)
    ]
    if LEAST_VIEWS <= len(kept) < len(views):
        result = _solve(board, kept, sizes, collected)
    typical = float(np.median([transfer_error(board, result.rig, v) for v in result.views]))
    if not typical <= MOST_TRANSFER_ERROR * result.rig.visible.width:
        raise InputError(
            f"infrared lands {typical:.1f} pixels beside where the visible camera sees the board; "
            "look whether all pairs are of one moment and of the same two cameras"
        )
    return result


def _collect(
    board: Board,
    pairs: Pairs,
    progress: Callable[[int], None] | None,
    guide: Callable[[Guidance], None] | None,
) -> tuple[BoardViews, tuple[Size, Size]]:
    """What both cameras see of the board, and the sizes of their images."""
    collected = BoardViews(board)
    sizes: tuple[Size, Size] | None = None
    said: tuple[str, ...] | None = None
    for index, pair in enumerate(pairs(collected.wants)):
        if pair is not None:
            here, there = ((i.shape[1], i.shape[0]) for i in (pair.visible, pair.infrared))
            sizes = sizes or (here, there)
            for camera, first, other in zip(
                ("visible", "infrared"), sizes, (here, there), strict=True
            ):
                if first != other:
                    named = ", ".join(f"{w}x{h}" for w, h in sorted({first, other}, reverse=True))
                    raise InputError(f"the {camera} images have several sizes: {named}")
            before = len(collected.views)
            collected.add(index, pair.visible, pair.infrared, pair.time)
            if guide is not None and pair.time is not None and len(collected.views) > before:
                still = collected.still
                missing = tuple(missing_parts(still, *sizes))
                if missing != said:
                    guide(Guidance(pair.time, len(still), missing))
                    said = missing
        if progress is not None:
            progress(index + 1)
    if sizes is None:
        raise InputError("calibration needs pairs of images that show the board")
    return collected, sizes


def transferred(board: Board, rig: CameraRig, view: View) -> tuple[Detection, Float64Array]:
    """Infrared detections carried into the visible image, by the board's pose they imply.

    Args:
        board: That was shown.
        rig: The calibrated cameras.
        view: With the detections.

    Returns:
        The infrared detection, and ``(N, 2) float64`` visible pixels; NaN beyond the visible view.
    """
    seen = view.infrared
    points = board.points[seen.ids]
    pose = _board_pose(points, seen.pixels, rig.infrared)
    in_infrared = points @ pose[0].T + pose[1]
    rotation = np.asarray(rig.infrared_from_visible.rotation)
    in_visible = (in_infrared - np.asarray(rig.infrared_from_visible.translation)) @ rotation
    return seen, rig.visible.project(in_visible)


def transfer_error(board: Board, rig: CameraRig, view: View) -> float:
    """Root mean square distance in visible pixels for one view; see `BoardCalibration`.

    NaN if both cameras have no point of the board in common.
    """
    seen, predicted = transferred(board, rig, view)
    _, here, there = np.intersect1d(view.visible.ids, seen.ids, return_indices=True)
    difference = view.visible.pixels[here] - predicted[there]
    return float(np.sqrt(np.nanmean(np.square(difference).sum(axis=1))))


def _check_count(collected: BoardViews, views: Sequence[View], sizes: tuple[Size, Size]) -> None:
    if len(views) >= LEAST_VIEWS:
        return
    said = f"both cameras see the board in {len(collected.views)} of {collected.looked} pairs"
    if collected.restless:
        said += f" and it moves in {collected.restless} of these, hold it still for a second"
    if collected.only_visible:
        said += f"; infrared misses it in {collected.only_visible} where the visible camera sees it"
    if collected.apart:
        said += f"; in {collected.apart} the two cameras see different parts of it"
    if len(collected.views) >= LEAST_VIEWS:
        raise InputError(f"{said}; {len(views)} views are of use and {LEAST_VIEWS} needed")
    missing = missing_parts(views, *sizes)[:2] if views else []
    raise InputError(
        f"{said}; {LEAST_VIEWS} are needed: check its size (inner corners, not squares, for a "
        "chessboard), and heat it or hold it against a cold sky so that infrared sees the pattern"
        + (f"; still to be shown: {'; '.join(missing)}" if missing else "")
    )


def _solve(
    board: Board, views: Sequence[View], sizes: tuple[Size, Size], collected: BoardViews
) -> BoardCalibration:
    visible, visible_error, visible_focal = _intrinsics(board, [v.visible for v in views], sizes[0])
    infrared, infrared_error, focal = _intrinsics(board, [v.infrared for v in views], sizes[1])
    rig = CameraRig(visible, infrared, _pose_between(board, views, visible, infrared))
    transfer = [transfer_error(board, rig, view) for view in views]
    return BoardCalibration(
        rig,
        visible_error,
        infrared_error,
        float(np.sqrt(np.mean(np.square(transfer)))),
        (visible_focal, focal),
        tuple(views),
        collected.looked,
        len(collected.views),
        tuple(missing_parts(views, *sizes)),
    )


def _intrinsics(
    board: Board, detections: Sequence[Detection], size: Size
) -> tuple[CameraModel, float, float]:
    """A camera, its root mean square error and the standard deviation of its focal length.

    Points that something warm on the board displaces (foil reflects) are left out, once.
    """
    camera, error, focal_error = _fitted(board, detections, size)
    offsets = [np.linalg.norm(residuals(board, camera, d)[1], axis=1) for d in detections]
    limit = STRAY * max(float(np.median(np.concatenate(offsets))), 0.05)
    kept = [
        Detection(d.ids[near], d.pixels[near])
        for d, near in zip(detections, (each <= limit for each in offsets), strict=True)
        if np.count_nonzero(near) >= LEAST_POINTS
    ]
    if len(kept) < LEAST_VIEWS or sum(len(d.ids) for d in kept) == sum(map(len, offsets)):
        return camera, error, focal_error
    return _fitted(board, kept, size)


def _fitted(
    board: Board, detections: Sequence[Detection], size: Size
) -> tuple[CameraModel, float, float]:
    points = [board.points[d.ids].astype(np.float32).reshape(-1, 1, 3) for d in detections]
    pixels = [d.pixels.astype(np.float32).reshape(-1, 1, 2) for d in detections]
    error, matrix, distortion, _, _, deviations, *_ = cv2.calibrateCameraExtended(  # type: ignore[call-overload]
        points, pixels, size, None, None
    )
    coefficients = tuple(float(value) for value in np.asarray(distortion).ravel()[:5])
    camera = CameraModel(*size, as_rows(np.asarray(matrix)), coefficients, "plumb_bob")
    return camera, float(error), float(np.ravel(deviations)[:2].max())


def _pose_between(
    board: Board, views: Sequence[View], visible: CameraModel, infrared: CameraModel
) -> Pose:
    points, here, there = [], [], []
    for view in views:
        ids, a, b = np.intersect1d(view.visible.ids, view.infrared.ids, return_indices=True)
        points.append(board.points[ids].astype(np.float32))
        here.append(view.visible.pixels[a].astype(np.float32))
        there.append(view.infrared.pixels[b].astype(np.float32))
    result: Any = cv2.stereoCalibrate(
        points,
        here,
        there,
        visible.intrinsics,
        visible.coefficients,
        infrared.intrinsics,
        infrared.coefficients,
        (visible.width, visible.height),
        flags=cv2.CALIB_FIX_INTRINSIC,
    )
    rotation, translation = np.asarray(result[5]), np.asarray(result[6]).ravel()
    x, y, z = (float(value) for value in translation)
    return Pose(as_rows(rotation), (x, y, z))


def residuals(
    board: Board, camera: CameraModel, found: Detection
) -> tuple[Float64Array, Float64Array]:
    """Where a camera model puts the points of a detection.

    Returns:
        The points as found and what is added to them by the model, ``(N, 2)`` pixels each.
    """
    points = board.points[found.ids]
    rotation, shift = _board_pose(points, found.pixels, camera)
    return found.pixels, camera.project(points @ rotation.T + shift) - found.pixels


def _board_pose(
    points: Float64Array, pixels: Float64Array, camera: CameraModel
) -> tuple[Float64Array, Float64Array]:
    rays = camera.rays(pixels)
    _, turn, shift = cv2.solvePnP(points, rays, np.eye(3), np.zeros(4))
    rotation, _ = cv2.Rodrigues(turn)
    return np.asarray(rotation, np.float64), np.asarray(shift, np.float64).ravel()
