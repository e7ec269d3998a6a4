"""Calibration boards: what they look like and where their points are in an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, FloatArray, UInt8Array
from lut_fuse_core.errors import InputError

BOARD_KINDS = ("chessboard", "charuco", "circles", "asymmetric_circles")

LEAST_POINTS = 8


@dataclass(frozen=True)
class Board:
    """A flat board with known points.

    Attributes:
        kind: One of `BOARD_KINDS`.
        columns, rows: Inner corners of a chessboard, circles of a grid, squares of a charuco board.
        spacing: Meters between neighboring points.
        marker: Side of the charuco markers in meters.
        dictionary: Their OpenCV name.

    Raises:
        InputError: For a board that cannot be.
    """

    kind: str
    columns: int
    rows: int
    spacing: float
    marker: float = 0.0
    dictionary: str = "DICT_4X4_50"

    def __post_init__(self) -> None:
        if self.kind not in BOARD_KINDS:
            raise InputError(f"board '{self.kind}' is not one of {', '.join(BOARD_KINDS)}")
        if min(self.columns, self.rows) < 3:
            raise InputError(
                f"a board of {self.columns}x{self.rows} is too small; 3x3 is the least"
            )
        if self.kind in ("chessboard", "circles") and self.columns == self.rows:
            raise InputError(
                "a square board looks the same when rotated by 90 degrees; take another"
            )
        if self.kind == "asymmetric_circles" and self.rows % 2 == 0:
            raise InputError(
                "an asymmetric grid of an even number of rows looks the same upside down; take an "
                "odd number, as in 4x11"
            )
        if not 0 < self.spacing < 10:
            raise InputError(
                f"the spacing is {self.spacing} m; it must be in meters, 0.03 for 3 cm"
            )
        if self.kind == "charuco" and not 0 < self.marker < self.spacing:
            raise InputError("a charuco board needs the marker side in meters, below the square's")

    @cached_property
    def points(self) -> Float64Array:
        """All points of the board in its own plane, ``(N, 3)`` meters, in detection order."""
        columns, rows = self.columns, self.rows
        if self.kind == "charuco":
            columns, rows = columns - 1, rows - 1
        x, y = np.meshgrid(np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64))
        if self.kind == "asymmetric_circles":
            x = 2 * x + y % 2
        if self.kind == "charuco":
            x, y = x + 1, y + 1
        return np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3) * self.spacing

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of points."""
        less = 1 if self.kind == "charuco" else 0
        return self.columns - less, self.rows - less

    @cached_property
    def charuco(self) -> Any:
        """The OpenCV object of a charuco board."""
        aruco = getattr(cv2, "aruco", None)
        if aruco is None or not hasattr(aruco, "CharucoDetector"):
            raise InputError(
                f"charuco boards need OpenCV 4.7 or newer, this is {cv2.__version__}; use a "
                "chessboard, or calibrate with another computer: the file serves everywhere"
            )
        name = getattr(aruco, self.dictionary, None)
        if not isinstance(name, int):
            raise InputError(f"OpenCV has no marker dictionary '{self.dictionary}'")
        size = (self.columns, self.rows)
        dictionary = aruco.getPredefinedDictionary(name)
        return aruco.CharucoBoard(size, self.spacing, self.marker, dictionary)


@dataclass(frozen=True)
class Detection:
    """Points of a board in one image.

    Attributes:
        ids: ``(N,) int64``, which points.
        pixels: ``(N, 2) float64``, where they are, x and y.
    """

    ids: npt.NDArray[np.int64]
    pixels: Float64Array


def detect(board: Board, image: UInt8Array) -> Detection | None:
    """Find the board in an image, ``(H, W) uint8`` or ``(H, W, 3) uint8`` RGB.

    In infrared a heated board may look like its negative, so that is tried too. None if it is not
    there, or too little of it.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    stretched = cv2.normalize(gray, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)  # type: ignore[call-overload]
    finders: dict[str, Callable[[Board, UInt8Array], Detection | None]] = {
        "chessboard": _find_chessboard,
        "charuco": _find_charuco,
        "circles": _find_circles,
        "asymmetric_circles": _find_circles,
    }
    for candidate in (stretched, 255 - stretched):
        found = finders[board.kind](board, np.ascontiguousarray(candidate))
        if found is not None and len(found.ids) >= LEAST_POINTS:
            return found
    return None


def same_way_round(board: Board, reference: Detection, other: Detection) -> Detection:
    """``other`` numbered from the same end of the board as ``reference``.

    A chessboard or a grid of circles looks the same when rotated by 180 degrees. Two cameras on one
    bracket see it roughly the same way up, which tells both ends apart.
    """
    if board.kind in ("charuco", "asymmetric_circles"):
        return other
    across = reference.pixels[-1] - reference.pixels[0]
    if float(across @ (other.pixels[-1] - other.pixels[0])) >= 0:
        return other
    return Detection(other.ids, other.pixels[::-1].copy())


def _find_chessboard(board: Board, image: UInt8Array) -> Detection | None:
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    found, corners = cv2.findChessboardCorners(image, board.grid, flags=flags)
    if found:
        return _complete(_refined(image, np.asarray(corners, np.float32)))
    # Slower by far, and finds boards in the blur of an infrared lens that the first one misses.
    sector_flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
    found, corners = cv2.findChessboardCornersSB(image, board.grid, flags=sector_flags)
    return _complete(corners) if found else None


def _refined(image: UInt8Array, corners: FloatArray, share: float = 0.3) -> FloatArray:
    """Saddle points of the gray levels near the corners, ``(N, 1, 2) float32``.

    Args:
        share: How far to look, of the distance between two corners.
    """
    places = corners.reshape(-1, 2)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    spacing = float(np.min(distances + 1e9 * np.eye(len(places))))
    reach = int(np.clip(share * spacing, 2, 11))
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-3)
    start = places.astype(np.float32).reshape(-1, 1, 2)
    refined = cv2.cornerSubPix(image, start, (reach, reach), (-1, -1), criteria)
    return np.asarray(refined, np.float32)


def _find_circles(board: Board, image: UInt8Array) -> Detection | None:
    layout = (
        cv2.CALIB_CB_ASYMMETRIC_GRID
        if board.kind == "asymmetric_circles"
        else cv2.CALIB_CB_SYMMETRIC_GRID
    )
    found, centers = cv2.findCirclesGrid(image, board.grid, flags=layout)
    if not found:
        found, centers = cv2.findCirclesGrid(
            image, board.grid, flags=layout | cv2.CALIB_CB_CLUSTERING
        )
    return _complete(centers) if found else None


def _find_charuco(board: Board, image: UInt8Array) -> Detection | None:
    detector = cv2.aruco.CharucoDetector(board.charuco)
    corners, ids, _, _ = detector.detectBoard(image)
    if ids is None or len(ids) < LEAST_POINTS:
        return None
    # OpenCV 4 leaves these half a pixel off. The markers' edges must stay out of the view.
    share = 0.4 * (1 - board.marker / board.spacing)
    pixels = _refined(image, np.asarray(corners, np.float32), share).reshape(-1, 2)
    return Detection(np.asarray(ids, np.int64).ravel(), pixels.astype(np.float64))


def _complete(pixels: Any) -> Detection:
    points = np.asarray(pixels, np.float64).reshape(-1, 2)
    return Detection(np.arange(len(points), dtype=np.int64), points)
