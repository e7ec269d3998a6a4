"""Which pairs of a recording serve a calibration: the board still, sharp, and somewhere new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from lut_fuse_core.arrays import AnyInfrared, Float64Array, Size, UInt8Array
from lut_fuse_core.calibration.board import Board
from lut_fuse_core.calibration.board_detection import (
    Detection,
    detect,
    same_way_round,
    worth_a_look,
)

MOST_VIEWS = 40
"""Views that are used; more of them add time, not certainty."""

LOOK_EVERY = 0.3
"""Seconds of a recording between two frames in which the board is looked for."""

STILL = 0.003
"""Share of the visible width by which the board may move in a thirtieth of a second."""

SHARP = 0.5
"""Share of the typical sharpness below which a view is blurred."""

SAME_PLACE = 0.06
"""Distance of two views' placements below which the second shows nothing new, ..."""

ENOUGH = 15
"""... once there are so many."""

LEAST_SHARED = 4
"""Points of the board that both cameras must see in a pair."""

TILTED = 15.0
"""Degrees from which on a board counts as tilted."""

RANGE = 1.4
"""Ratio of the largest to the smallest distance of the board that a calibration needs."""

_FOCAL = 0.9
"""Focal length in image widths that tilts are judged by before the real one is known."""

_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "center", "right")


@dataclass(frozen=True)
class View:
    """One pair in which both cameras see the board.

    Attributes:
        index: Of the pair among those that were passed in.
        visible: Points in the visible image.
        infrared: Points in the infrared image.
        moved: Share of the visible width by which the board moved in a thirtieth of a second,
            by the frame that followed; 0 in pictures.
        sharpness: Steepest slope on the board, in its contrast per pixel, the lower of both images.
        placement: ``(5,) float64``: center of the board in the visible image, 0 to 1; tilt to the
            right and downward, in units of 45 degrees; logarithm to base 2 of the distance.
        jpeg: The visible image, compressed, to be shown.
    """

    index: int
    visible: Detection
    infrared: Detection
    moved: float
    sharpness: float
    placement: Float64Array
    jpeg: bytes = field(repr=False)


def picture_of(view: View) -> UInt8Array:
    """The visible image of a view, ``(H, W, 3) uint8`` RGB."""
    decoded = cv2.imdecode(np.frombuffer(view.jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(np.asarray(decoded)[..., ::-1], np.uint8)


class BoardViews:
    """Takes pairs one by one and keeps those in which both cameras see the board.

    Args:
        board: What to look for.

    Attributes:
        views: Found so far, in order.
        looked: Pairs in which the board was looked for.
        only_visible: Those of them in which the visible camera alone saw it.
        apart: Those of them in which the cameras saw different parts of it.
    """

    def __init__(self, board: Board) -> None:
        self.views: list[View] = []
        self.looked = self.only_visible = self.apart = 0
        self._board = board
        self._due: float | None = None
        self._waiting: tuple[View, UInt8Array, float] | None = None

    def wants(self, time: float | None) -> bool:
        """Whether the pair of a time (seconds; None for a picture) would be looked at."""
        return time is None or self._waiting is not None or self._due is None or time >= self._due

    def add(
        self, index: int, visible: UInt8Array, infrared: AnyInfrared, time: float | None = None
    ) -> None:
        """Look at the next pair.

        Args:
            index: Of the pair.
            visible: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.
            infrared: ``(h, w)``, raw counts or temperatures.
            time: Seconds since the start of the recording; None for a picture, which is looked at
                in any case and taken to show the board still.
        """
        gray = cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY) if visible.ndim == 3 else visible
        gray = np.asarray(gray, np.uint8)
        if self._waiting is not None and time is not None:
            view, before, then = self._waiting
            moved = _moved(before, gray, view.visible) / max(time - then, 1e-3) / 30
            self._keep(view, moved)
            self._waiting = None
        if time is not None:
            if self._due is not None and time < self._due:
                return
            self._due = time + LOOK_EVERY
        self.looked += 1
        if time is not None and not worth_a_look(self._board, gray):
            return
        found = self._look(index, visible, gray, infrared)
        if found is None:
            return
        if time is None:
            self._keep(found, 0.0)
        else:
            self._waiting = found, gray, time

    def _look(
        self, index: int, visible: UInt8Array, gray: UInt8Array, infrared: AnyInfrared
    ) -> View | None:
        here = detect(self._board, visible)
        if here is None:
            return None
        there = detect(self._board, infrared)
        if there is None:
            self.only_visible += 1
            return None
        there = same_way_round(self._board, here, there)
        if len(np.intersect1d(here.ids, there.ids)) < LEAST_SHARED:
            self.apart += 1
            return None
        size = (visible.shape[1], visible.shape[0])
        sharpness = min(_sharpness(gray, here), _sharpness(infrared, there))
        where = placement(self._board.points[here.ids], here, size)
        _, jpeg = cv2.imencode(".jpg", visible[..., ::-1] if visible.ndim == 3 else visible)
        return View(index, here, there, 0.0, sharpness, where, jpeg.tobytes())

    def _keep(self, view: View, moved: float) -> None:
        self.views.append(replace(view, moved=moved))

    def chosen(self, most: int = MOST_VIEWS) -> list[View]:
        """The views to calibrate from: still, sharp, and as different from each other as can be.

        Args:
            most: How many at most.

        Returns:
            The views, in their order.
        """
        usable = self.still
        if usable:
            floor = SHARP * float(np.median([view.sharpness for view in usable]))
            usable = [view for view in usable if view.sharpness >= floor]
        return sorted(_diverse(usable, most), key=lambda view: view.index)

    @property
    def still(self) -> list[View]:
        """Views in which the board hardly moved."""
        return [view for view in self.views if view.moved <= STILL]

    @property
    def restless(self) -> int:
        """Views that were left out since the board moved."""
        return sum(view.moved > STILL for view in self.views)


def placement(points: Float64Array, found: Detection, size: Size) -> Float64Array:
    """Where the board is and how it is held; see `View`.

    The focal length is not known yet, so tilt and distance are rough.

    Args:
        points: ``(N, 3)`` meters, on the board.
        found: Where they are in the image.
        size: Width and height of the image, pixels.

    Returns:
        ``(5,) float64``.
    """
    width, height = size
    matrix = np.array(
        [[_FOCAL * width, 0, (width - 1) / 2], [0, _FOCAL * width, (height - 1) / 2], [0, 0, 1]]
    )
    _, turn, shift = cv2.solvePnP(points, found.pixels, matrix, np.zeros(4))
    rotation, _ = cv2.Rodrigues(turn)
    normal = np.asarray(rotation, np.float64)[:, 2]
    normal = normal * np.sign(normal[2] or 1.0)
    tilts = np.degrees(np.arctan2(normal[:2], normal[2])) / 45
    center = found.pixels.mean(axis=0) / [width, height]
    distance = max(float(np.ravel(shift)[2]), 1e-3)
    return np.array([*center, *tilts, np.log2(distance)])


def missing_parts(views: Sequence[View], visible_size: Size, infrared_size: Size) -> list[str]:
    """What a calibration from these views lacks, as advice for whoever holds the board.

    Args:
        views: In use.
        visible_size: Width and height in pixels.
        infrared_size: The same.

    Returns:
        Parts of a sentence, the most important first; empty if nothing is missing.
    """
    if not views:
        return ["the board anywhere in view of both cameras"]
    found = []
    infrared = np.concatenate([view.infrared.pixels for view in views])
    visible = np.concatenate([view.visible.pixels for view in views])
    reached = _reached(views, infrared_size, visible_size)
    for name, pixels, size, possible in (
        ("infrared", infrared, infrared_size, np.ones((3, 3), bool)),
        ("visible", visible, visible_size, reached),
    ):
        empty = possible & (cells(pixels, size) == 0)
        places = [_cell_name(row, column) for row, column in np.argwhere(empty)]
        if places:
            found.append(f"the board in the {' and '.join(places)} of the {name} image")
    placements = np.array([view.placement for view in views])
    # A board whose normal, away from the camera, leans to the right has its right edge nearer.
    for axis, low, high in ((2, "left", "right"), (3, "upper", "lower")):
        degrees = 45 * placements[:, axis]
        if degrees.max() < TILTED:
            found.append(f"the board with its {high} edge tilted toward the cameras")
        if degrees.min() > -TILTED:
            found.append(f"the board with its {low} edge tilted toward the cameras")
    if np.ptp(placements[:, 4]) < np.log2(RANGE):
        found.append(f"the board nearer or farther (its distances differ by less than {RANGE}x)")
    return found


def cells(pixels: Float64Array, size: Size) -> Float64Array:
    """How many points, ``(N, 2)``, lie in each ninth of an image: ``(3, 3)``, rows from the top."""
    width, height = size
    counts, _, _ = np.histogram2d(
        pixels[:, 1], pixels[:, 0], bins=3, range=((-0.5, height - 0.5), (-0.5, width - 0.5))
    )
    return counts


def _reached(views: Sequence[View], infrared_size: Size, visible_size: Size) -> Any:
    """Which ninths of the visible image infrared sees most of, ``(3, 3) bool``."""
    here, there = [], []
    for view in views:
        _, a, b = np.intersect1d(view.visible.ids, view.infrared.ids, return_indices=True)
        here.append(view.visible.pixels[a])
        there.append(view.infrared.pixels[b])
    matrix, _ = cv2.findHomography(np.concatenate(there), np.concatenate(here))
    if matrix is None:
        return np.zeros((3, 3), bool)
    x, y = np.meshgrid(
        np.linspace(0, infrared_size[0] - 1, 30), np.linspace(0, infrared_size[1] - 1, 30)
    )
    grid = np.stack([x.ravel(), y.ravel()], axis=1).reshape(-1, 1, 2)
    seen = cv2.perspectiveTransform(grid, matrix).reshape(-1, 2)
    cell = visible_size[0] * visible_size[1] / 9
    spacing = abs(np.linalg.det(matrix[:2, :2])) * infrared_size[0] * infrared_size[1] / 900
    return cells(np.asarray(seen, np.float64), visible_size) * spacing > 0.6 * cell


def _cell_name(row: int, column: int) -> str:
    if (row, column) == (1, 1):
        return "center"
    return " ".join(
        name for name in (_ROWS[row], _COLUMNS[column]) if name not in ("middle", "center")
    )


def _diverse(views: Sequence[View], most: int) -> list[View]:
    """The sharpest view, then always the one that is least like those chosen so far."""
    if not views:
        return []
    places = np.array([view.placement for view in views])
    chosen = [int(np.argmax([view.sharpness for view in views]))]
    distances = np.linalg.norm(places - places[chosen[0]], axis=1)
    while len(chosen) < min(most, len(views)):
        following = int(np.argmax(distances))
        if len(chosen) >= ENOUGH and distances[following] < SAME_PLACE:
            break
        chosen.append(following)
        distances = np.minimum(distances, np.linalg.norm(places - places[following], axis=1))
    return [views[index] for index in chosen]


def _moved(before: UInt8Array, after: UInt8Array, found: Detection) -> float:
    """Share of the image width by which the board's points moved; infinite if they were lost."""
    start = found.pixels.astype(np.float32).reshape(-1, 1, 2)
    if before.shape != after.shape:
        return float("inf")
    moved, status, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None)  # type: ignore[call-overload]
    tracked = np.ravel(status) > 0
    if np.count_nonzero(tracked) < 0.5 * len(start):
        return float("inf")
    steps = np.linalg.norm((moved - start).reshape(-1, 2)[tracked], axis=1)
    return float(np.median(steps)) / before.shape[1]


def _sharpness(gray: AnyInfrared, found: Detection) -> float:
    """Steepest slope on the board as a share of its contrast per pixel: 1 over an edge's width."""
    x, y, width, height = cv2.boundingRect(found.pixels.astype(np.float32))
    rows, columns = slice(max(y, 0), y + height), slice(max(x, 0), x + width)
    image = cv2.GaussianBlur(gray[rows, columns].astype(np.float32), (0, 0), 0.7)
    slope = np.hypot(cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)) / 8
    low, high = np.percentile(image, (5, 95))
    return float(np.percentile(slope, 98) / max(float(high - low), 1e-6))
