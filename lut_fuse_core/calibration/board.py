"""Calibration boards: which there are, and where their points lie on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.calibration.markers import marker_dictionary
from lut_fuse_core.errors import InputError

BOARD_KINDS = ("chessboard", "circles", "asymmetric_circles", "aprilgrid", "charuco")
MARKED = ("aprilgrid", "charuco")
"""Boards with coded markers: each point is known by itself, so that a part of them will do."""

DICTIONARIES = {"aprilgrid": "DICT_APRILTAG_36h11", "charuco": "DICT_4X4_50"}
"""The usual markers of a board, by OpenCV's name."""


@dataclass(frozen=True)
class Board:
    """A flat board with known points.

    Attributes:
        kind: One of `BOARD_KINDS`.
        columns: Inner corners of a chessboard, circles of a grid, tags of an AprilGrid, squares of
            a charuco board, from left to right.
        rows: The same from top to bottom.
        spacing: Meters from one point to the next; of an asymmetric grid from one column to the
            next, of an AprilGrid from one tag's edge to the same edge of the next.
        marker: Side of the markers or tags, meters; 0 where there are none.
        dictionary: OpenCV name of the markers; empty for the usual ones.

    Raises:
        InputError: For a board that cannot be.
    """

    kind: str
    columns: int
    rows: int
    spacing: float
    marker: float = 0.0
    dictionary: str = ""

    def __post_init__(self) -> None:
        if self.kind not in BOARD_KINDS:
            raise InputError(f"board '{self.kind}' is not one of {', '.join(BOARD_KINDS)}")
        least = 2 if self.kind == "aprilgrid" else 3
        if min(self.columns, self.rows) < least:
            raise InputError(
                f"a board of {self.columns}x{self.rows} is too small; {least}x{least} is the least"
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
        if self.kind in MARKED and not 0 < self.marker < self.spacing:
            raise InputError(
                f"the markers of a board of kind {self.kind} are {self.marker} m wide; give their "
                f"side in meters, below the spacing of {self.spacing} m"
            )

    @cached_property
    def points(self) -> Float64Array:
        """All points of the board in its own plane, ``(N, 3)`` meters, in detection order.

        Of an AprilGrid the four corners of tag 0, then of tag 1, and so on.
        """
        columns, rows = self.grid
        x, y = np.meshgrid(np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64))
        if self.kind == "asymmetric_circles":
            x = 2 * x + y % 2
        if self.kind == "charuco":
            x, y = x + 1, y + 1
        flat = np.stack([x, y], axis=-1).reshape(-1, 2) * self.spacing
        if self.kind == "aprilgrid":
            corner = self.marker * np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
            flat = (flat[:, None] + corner).reshape(-1, 2)
        return np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of points; of tags in an AprilGrid."""
        less = 1 if self.kind == "charuco" else 0
        return self.columns - less, self.rows - less

    @cached_property
    def markers(self) -> Any:
        """OpenCV's dictionary of the markers.

        Raises:
            InputError: If it has none.
        """
        return marker_dictionary(self.dictionary or DICTIONARIES[self.kind])

    @cached_property
    def charuco(self) -> Any:
        """The OpenCV object of a charuco board.

        Raises:
            InputError: If this OpenCV has none.
        """
        dictionary = self.markers
        if not hasattr(cv2.aruco, "CharucoDetector"):
            raise InputError(
                f"charuco boards need OpenCV 4.7 or newer, this is {cv2.__version__}; use another "
                "board, or calibrate with another computer: the file serves everywhere"
            )
        return cv2.aruco.CharucoBoard(
            (self.columns, self.rows), self.spacing, self.marker, dictionary
        )
