"""Where a calibration board's points are in a visible or a thermal image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import AnyInfrared, Float64Array, FloatArray, UInt8Array
from lut_fuse_core.calibration.board import MARKED, Board
from lut_fuse_core.calibration.markers import find_markers

LEAST_POINTS = 8

SMALL = 400
"""Images whose longer side is below this are doubled: OpenCV's finders need squares of some pixels
a side, and many thermal cameras have 160x120."""

TAILS = (1.0, 99.0)
"""Percentiles that become black and white, so that a lamp beside the board costs no contrast."""

UNEVEN = 0.08
"""Of the image width: over this distance gray levels are evened out on boards that are heated on
one side, or whose foil reflects something warm."""

LEAST_TAGS = 4
"""Tags of an AprilGrid that must be readable; the corners of the others are then found too."""

MOST_BLOBS = 3
"""Blobs in an image for each circle of the board, beyond which it is not looked for."""

_CRITERIA = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-3)


@dataclass(frozen=True)
class Detection:
    """Points of a board in one image.

    Attributes:
        ids: ``(N,)``, which; indices into `Board.points`.
        pixels: ``(N, 2) float64``, where.
    """

    ids: npt.NDArray[np.int64]
    pixels: Float64Array


def detect(board: Board, image: AnyInfrared) -> Detection | None:
    """Find the board in an image.

    In infrared a board may look like its negative (printed squares that were heated, holes in
    front of something warm, foil that reflects a cold sky), and be unevenly warm; so both
    polarities are tried, as the image is and with its contrast evened out.

    Args:
        board: What to look for.
        image: ``(H, W, 3) uint8`` RGB, or ``(H, W)``: gray levels, raw infrared counts or
            temperatures. A thermal image that was made to be looked at may have lost the pattern
            of a board that is warmer than all else.

    Returns:
        Its points; None if it is not there, or too little of it.

    Raises:
        InputError: For a kind of board that this OpenCV cannot find.
    """
    finders: dict[str, tuple[Callable[[Board, UInt8Array], Detection | None], ...]] = {
        "chessboard": (_find_chessboard, _find_blurred_chessboard),
        "charuco": (_find_charuco,),
        "circles": (_find_circles,),
        "asymmetric_circles": (_find_circles,),
        "aprilgrid": (_find_aprilgrid,),
    }
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    scale = 2 if max(gray.shape) < SMALL else 1
    candidates: Iterable[UInt8Array] = _candidates(np.asarray(gray, np.float32), scale)
    for finder in finders[board.kind]:
        looked: list[UInt8Array] = []
        for candidate in candidates:
            looked.append(candidate)
            found = finder(board, candidate)
            if found is not None and len(found.ids) >= LEAST_POINTS:
                # Pixel centers are integers, so the corner of the image is at -0.5.
                return Detection(found.ids, (found.pixels + 0.5) / scale - 0.5)
        candidates = looked
    return None


def worth_a_look(board: Board, gray: UInt8Array) -> bool:
    """Whether a frame of a video may show the board clearly, judged in a few milliseconds.

    Args:
        board: What to look for.
        gray: ``(H, W) uint8``, visible.
    """
    return board.kind != "chessboard" or bool(cv2.checkChessboard(gray, board.grid))


def same_way_round(board: Board, reference: Detection, other: Detection) -> Detection:
    """``other`` numbered from the same end of the board as ``reference``.

    A chessboard or a grid of circles looks the same when rotated by 180 degrees. Two cameras on one
    bracket see it roughly the same way up, which tells both ends apart.
    """
    if board.kind in (*MARKED, "asymmetric_circles"):
        return other
    across = reference.pixels[-1] - reference.pixels[0]
    if float(across @ (other.pixels[-1] - other.pixels[0])) >= 0:
        return other
    return Detection(other.ids, other.pixels[::-1].copy())


def _candidates(gray: FloatArray, scale: int) -> Iterator[UInt8Array]:
    """Forms of an image in which a board may be found, the likeliest first."""
    seen = np.isfinite(gray)
    if not seen.any():
        return
    low, high = np.percentile(gray[seen], TAILS)
    if not high > low:
        return
    image = (np.where(seen, gray, low) - low) * np.float32(255 / (high - low))
    if scale > 1:
        size = (scale * gray.shape[1], scale * gray.shape[0])
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    image = np.clip(image, -255, 510)  # beyond white there may be the board
    plain = np.ascontiguousarray(np.clip(image, 0, 255), np.uint8)
    yield plain
    yield np.ascontiguousarray(255 - plain)
    width = UNEVEN * image.shape[1]
    difference = image - _wide_mean(image, width)
    spread = np.sqrt(_wide_mean(np.square(difference), width)) + 4
    even = np.clip(128 + 60 * difference / spread, 0, 255).astype(np.uint8)
    yield even
    yield np.ascontiguousarray(255 - even)


def _wide_mean(image: FloatArray, sigma: float) -> FloatArray:
    """Gaussian mean over many pixels, of an image that is reduced for it: thirty times as fast."""
    size = (max(1, round(6 * image.shape[1] / sigma)), max(1, round(6 * image.shape[0] / sigma)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    mean = cv2.GaussianBlur(small, (0, 0), sigma * size[0] / image.shape[1])
    return np.asarray(cv2.resize(mean, image.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def _find_chessboard(board: Board, image: UInt8Array) -> Detection | None:
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    found, corners = cv2.findChessboardCorners(image, board.grid, flags=flags)
    return _complete(_refined(image, np.asarray(corners, np.float32))) if found else None


def _find_blurred_chessboard(board: Board, image: UInt8Array) -> Detection | None:
    """Slower by far, and finds boards in the blur of an infrared lens that the other one misses."""
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
    found, corners = cv2.findChessboardCornersSB(image, board.grid, flags=flags)
    return _complete(corners) if found else None


def _refined(image: UInt8Array, corners: FloatArray, share: float = 0.3) -> FloatArray:
    """Saddle points of the gray levels near the corners, ``(N, 1, 2) float32``.

    share: how far to look, of the distance between two corners.
    """
    places = corners.reshape(-1, 2)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    spacing = float(np.min(distances + 1e9 * np.eye(len(places))))
    reach = int(np.clip(share * spacing, 2, 11))
    start = places.astype(np.float32).reshape(-1, 1, 2)
    refined = cv2.cornerSubPix(image, start, (reach, reach), (-1, -1), _CRITERIA)
    return np.asarray(refined, np.float32)


def _find_circles(board: Board, image: UInt8Array) -> Detection | None:
    layout = (
        cv2.CALIB_CB_ASYMMETRIC_GRID
        if board.kind == "asymmetric_circles"
        else cv2.CALIB_CB_SYMMETRIC_GRID
    )
    circles = board.columns * board.rows
    smooth, blobs = cv2.GaussianBlur(image, (0, 0), 1.0), _blob_detector(image)
    # OpenCV's search for the grid takes minutes where noise gives hundreds of candidates.
    if not circles <= len(blobs.detect(smooth)) <= MOST_BLOBS * circles:
        return None
    for flags in (layout, layout | cv2.CALIB_CB_CLUSTERING):
        found, centers = cv2.findCirclesGrid(smooth, board.grid, flags=flags, blobDetector=blobs)
        if found:
            return _complete(centers)
    return None


def _blob_detector(image: UInt8Array) -> Any:
    """Finds dark blobs of any size that a board's circles can have.

    OpenCV's own bounds fit one resolution.
    """
    # OpenCV 4.5 has these under the second name only.
    blobs: Any = cv2.SimpleBlobDetector
    parameters, create = (
        getattr(blobs, name, None) or getattr(cv2, f"SimpleBlobDetector_{name}")
        for name in ("Params", "create")
    )
    settings: Any = parameters()
    settings.minArea, settings.maxArea = max(12.0, 6e-5 * image.size), 0.03 * image.size
    settings.minDistBetweenBlobs = 4.0
    settings.filterByConvexity, settings.minConvexity = True, 0.85
    return create(settings)


def _find_charuco(board: Board, image: UInt8Array) -> Detection | None:
    detector = cv2.aruco.CharucoDetector(board.charuco)
    corners, ids, _, _ = detector.detectBoard(image)
    if ids is None or len(ids) < LEAST_POINTS:
        return None
    # OpenCV 4 leaves these half a pixel off. The markers' edges must stay out of the view.
    share = 0.4 * (1 - board.marker / board.spacing)
    pixels = _refined(image, np.asarray(corners, np.float32), share).reshape(-1, 2)
    return Detection(np.asarray(ids, np.int64).ravel(), pixels.astype(np.float64))


def _find_aprilgrid(board: Board, image: UInt8Array) -> Detection | None:
    """The tags' corners, in the order in which the board has them.

    Printers of such boards begin a tag's corners at different ones, and count its rows upward
    (Kalibr) or downward. Where the tags lie tells the order, whatever convention it was.
    """
    tags = board.columns * board.rows
    ids, corners = find_markers(image, board.markers, tags)
    if len(ids) < tags / 2:
        larger = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        more, places = find_markers(np.asarray(larger, np.uint8), board.markers, tags)
        if len(more) > len(ids):
            ids, corners = more, (places + 0.5) / 2 - 0.5
    if len(ids) < LEAST_TAGS:
        return None
    known = board.points.reshape(tags, 4, 3)[ids, :, :2]
    centers = known.mean(axis=1), corners.mean(axis=1)
    matrix, inside = cv2.findHomography(*centers, cv2.RANSAC, 0.3 * _tag_side(corners))
    if matrix is None or np.count_nonzero(inside) < LEAST_TAGS:
        return None
    chosen = np.asarray(inside).ravel() > 0
    ids, known, corners = ids[chosen], known[chosen], corners[chosen]
    expected = _through(matrix, known.reshape(-1, 2)).reshape(-1, 4, 1, 2)
    nearest = np.linalg.norm(expected - corners[:, None], axis=3).argmin(axis=2)
    complete = np.array([len(set(row)) == 4 for row in nearest.tolist()], bool)
    if not complete.any():
        return None
    ordered = np.take_along_axis(corners, nearest[..., None], axis=1)[complete]
    numbers = (4 * ids[complete, None] + np.arange(4)).ravel()
    return _all_corners(board, image, Detection(numbers, ordered.reshape(-1, 2)))


def _all_corners(board: Board, image: UInt8Array, found: Detection) -> Detection:
    """Also the corners of tags that could not be read: where they must be tells which they are."""
    strength = np.asarray(cv2.cornerMinEigenVal(image, 5), np.float32)
    height, width = image.shape
    for _ in range(2):  # the second time with what the first has found near the border
        matrix, _ = cv2.findHomography(board.points[found.ids, :2], found.pixels)
        expected = _through(matrix, board.points[:, :2])
        # Near read tags their own corners are better than a plane, which knows no lens.
        expected[found.ids] = found.pixels
        reach = _reach(expected[found.ids], board)
        inner = ((expected > reach + 2) & (expected < [width - reach - 3, height - reach - 3])).all(
            axis=1
        )
        numbers = np.flatnonzero(inner)
        start = expected[inner].astype(np.float32).reshape(-1, 1, 2)
        refined = cv2.cornerSubPix(image, start.copy(), (reach, reach), (-1, -1), _CRITERIA)
        moved = np.linalg.norm((refined - start).reshape(-1, 2), axis=1)
        pixels = np.asarray(refined, np.float64).reshape(-1, 2)
        x, y = np.clip(pixels.round().astype(int), 0, [width - 1, height - 1]).T
        clear = strength[y, x] > 0.1 * np.median(strength[y, x])
        kept = clear & (moved < 0.8 * reach)
        if np.count_nonzero(kept) < LEAST_POINTS:
            return found
        found = Detection(numbers[kept].astype(np.int64), pixels[kept])
    return found


def _reach(pixels: Float64Array, board: Board) -> int:
    """Half the side of the window to refine a tag's corner in: less than the gap between tags."""
    side = float(np.median(np.linalg.norm(np.diff(pixels, axis=0), axis=1)))
    return int(np.clip(0.45 * side * (board.spacing / board.marker - 1), 2, 11))


def _through(matrix: Any, points: Float64Array) -> Float64Array:
    """Points ``(N, 2)`` through a homography."""
    mapped = cv2.perspectiveTransform(np.ascontiguousarray(points).reshape(-1, 1, 2), matrix)
    return np.asarray(mapped, np.float64).reshape(-1, 2)


def _tag_side(corners: Float64Array) -> float:
    """Median side of tags, ``(N, 4, 2)``, pixels."""
    return float(np.median(np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)))


def _complete(pixels: Any) -> Detection:
    points = np.asarray(pixels, np.float64).reshape(-1, 2)
    return Detection(np.arange(len(points), dtype=np.int64), points)
