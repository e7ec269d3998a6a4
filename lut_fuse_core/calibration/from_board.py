"""Calibration of both cameras and of the pose between them from views of a board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array, Size, UInt8Array
from lut_fuse_core.calibration.board import Board, Detection, detect, same_way_round
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel, as_rows
from lut_fuse_core.registration.rig import CameraRig, Pose

LEAST_VIEWS = 5

MOST_TRANSFER_ERROR = 0.02
"""Share of the visible width above which a calibration explains nothing."""

OUTLIER = 3.0
"""A view whose error is this many times the median one is left out, once."""


@dataclass(frozen=True)
class View:
    """One pair in which both cameras see the board.

    Attributes:
        index: Of the pair that was passed in.
        visible: Points in the visible image.
        infrared: Points in the infrared image.
    """

    index: int
    visible: Detection
    infrared: Detection


@dataclass(frozen=True)
class BoardCalibration:
    """A calibrated rig and its errors.

    Attributes:
        rig: Both cameras and the pose between them.
        visible_error, infrared_error: Root mean square distance in pixels between board points as
            detected and as the camera model says.
        transfer_error: Visible pixels between points as detected in the visible image and as
            predicted from the infrared image through the rig; this is what registration will feel
            at the board.
        views: That it was found from.
        pairs: How many were passed in.
    """

    rig: CameraRig
    visible_error: float
    infrared_error: float
    transfer_error: float
    views: tuple[View, ...]
    pairs: int

    def facts(self) -> dict[str, Any]:
        """JSON-serialisable summary."""
        return {
            "visible_error_px": round(self.visible_error, 3),
            "infrared_error_px": round(self.infrared_error, 3),
            "transfer_error_px": round(self.transfer_error, 3),
            "views_used": [view.index for view in self.views],
            "pairs": self.pairs,
        }


def calibrate_from_board(
    board: Board,
    pairs: Sequence[tuple[UInt8Array, UInt8Array]],
    progress: Callable[[float], None] | None = None,
) -> BoardCalibration:
    """Intrinsics of both cameras and the pose between them.

    Args:
        board: What the pairs show.
        pairs: Visible ``(H, W, 3) uint8`` RGB and infrared ``(h, w) uint8`` showing the board at
            different places, distances and tilts; pairs without it are skipped.
        progress: Finished share.

    Raises:
        InputError: If too few pairs show the board to both cameras, images of a camera differ in
            size, or the result does not explain what was seen.
    """
    if not pairs:
        raise InputError("calibration needs pairs of images that show the board")
    for camera, images in (("visible", [p[0] for p in pairs]), ("infrared", [p[1] for p in pairs])):
        sizes = sorted({f"{image.shape[1]}x{image.shape[0]}" for image in images})
        if len(sizes) > 1:
            raise InputError(f"the {camera} images have several sizes: {', '.join(sizes)}")
    views = []
    for index, (visible, infrared) in enumerate(pairs):
        view = _view(board, index, visible, infrared)
        if view is not None:
            views.append(view)
        if progress is not None:
            progress((index + 1) / len(pairs))
    _check_count(views, len(pairs))
    visible_size = (pairs[0][0].shape[1], pairs[0][0].shape[0])
    infrared_size = (pairs[0][1].shape[1], pairs[0][1].shape[0])
    result = _solve(board, views, visible_size, infrared_size, len(pairs))
    errors = [transfer_error(board, result.rig, view) for view in result.views]
    kept = [
        view
        for view, error in zip(views, errors, strict=True)
        if error <= OUTLIER * max(float(np.median(errors)), 0.1)
    ]
    if LEAST_VIEWS <= len(kept) < len(views):
        result = _solve(board, kept, visible_size, infrared_size, len(pairs))
    typical = float(np.median([transfer_error(board, result.rig, v) for v in result.views]))
    if not typical <= MOST_TRANSFER_ERROR * visible_size[0]:
        raise InputError(
            f"infrared lands {typical:.1f} pixels beside where the visible camera sees the board; "
            "look whether all pairs are of one moment and of the same two cameras"
        )
    return result


def transferred(board: Board, rig: CameraRig, view: View) -> tuple[Detection, Float64Array]:
    """Infrared detections carried into the visible image, by the board's pose they imply.

    Returns:
        The infrared detection and ``(N, 2)`` visible pixels.
    """
    seen = view.infrared
    points = board.points[seen.ids]
    pose = _board_pose(points, seen.pixels, rig.infrared)
    in_infrared = points @ pose[0].T + pose[1]
    rotation = np.asarray(rig.infrared_from_visible.rotation)
    in_visible = (in_infrared - np.asarray(rig.infrared_from_visible.translation)) @ rotation
    return seen, rig.visible.project(in_visible)


def transfer_error(board: Board, rig: CameraRig, view: View) -> float:
    """Root mean square distance in visible pixels for one view; see `BoardCalibration`."""
    seen, predicted = transferred(board, rig, view)
    _, here, there = np.intersect1d(view.visible.ids, seen.ids, return_indices=True)
    difference = view.visible.pixels[here] - predicted[there]
    return float(np.sqrt(np.nanmean(np.square(difference).sum(axis=1))))


def _view(board: Board, index: int, visible: UInt8Array, infrared: UInt8Array) -> View | None:
    here = detect(board, visible)
    there = detect(board, infrared) if here is not None else None
    if here is None or there is None:
        return None
    return View(index, here, same_way_round(board, here, there))


def _check_count(views: Sequence[View], pairs: int) -> None:
    if len(views) < LEAST_VIEWS:
        raise InputError(
            f"both cameras see the board in {len(views)} of {pairs} pairs, {LEAST_VIEWS} are "
            "needed; check its size (inner corners, not squares, for a chessboard), and heat it "
            "or hold it against a cold sky so that infrared sees the pattern"
        )


def _solve(
    board: Board, views: Sequence[View], visible_size: Size, infrared_size: Size, pairs: int
) -> BoardCalibration:
    visible, visible_error = _intrinsics(board, [view.visible for view in views], visible_size)
    infrared, infrared_error = _intrinsics(board, [view.infrared for view in views], infrared_size)
    rig = CameraRig(visible, infrared, _pose_between(board, views, visible, infrared))
    errors = [transfer_error(board, rig, view) for view in views]
    return BoardCalibration(
        rig,
        visible_error,
        infrared_error,
        float(np.sqrt(np.mean(np.square(errors)))),
        tuple(views),
        pairs,
    )


def _intrinsics(
    board: Board, detections: Sequence[Detection], size: Size
) -> tuple[CameraModel, float]:
    points = [board.points[d.ids].astype(np.float32).reshape(-1, 1, 3) for d in detections]
    pixels = [d.pixels.astype(np.float32).reshape(-1, 1, 2) for d in detections]
    error, matrix, distortion, _, _ = cv2.calibrateCamera(points, pixels, size, None, None)  # type: ignore[call-overload]
    coefficients = tuple(float(value) for value in np.asarray(distortion).ravel()[:5])
    camera = CameraModel(*size, as_rows(np.asarray(matrix)), coefficients, "plumb_bob")
    return camera, float(error)


def _pose_between(
    board: Board, views: Sequence[View], visible: CameraModel, infrared: CameraModel
) -> Pose:
    points, here, there = [], [], []
    for view in views:
        ids, a, b = np.intersect1d(view.visible.ids, view.infrared.ids, return_indices=True)
        if len(ids) < 4:
            continue
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


def _board_pose(
    points: Float64Array, pixels: Float64Array, camera: CameraModel
) -> tuple[Float64Array, Float64Array]:
    rays = camera.rays(pixels)
    _, turn, shift = cv2.solvePnP(points, rays, np.eye(3), np.zeros(4))
    rotation, _ = cv2.Rodrigues(turn)
    return np.asarray(rotation, np.float64), np.asarray(shift, np.float64).ravel()
