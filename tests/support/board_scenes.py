"""Calibration boards as two cameras with distorting lenses see them; the thermal one in counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from lut_fuse_core.calibration.board import Board
from lut_fuse_core.calibration.timed_pair import TimedPair
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.rig import CameraRig, Pose

VISIBLE = CameraModel(
    640, 480, ((560.0, 0, 330.0), (0, 555.0, 236.0), (0, 0, 1)), (-0.22, 0.06, 0.001, -0.0005, 0.0)
)
INFRARED = CameraModel(
    320, 256, ((300.0, 0, 163.0), (0, 302.0, 125.0), (0, 0, 1)), (-0.3, 0.1, 0.0, 0.0008, 0.0)
)
RIG = CameraRig(VISIBLE, INFRARED, Pose.from_quaternion([0.01, -0.02, 0.015, 1], [0.08, 0.01, 0.0]))
PIXELS_PER_METER = 2000


@dataclass(frozen=True)
class Thermal:
    """What a board looks like in infrared.

    Attributes:
        negative: Whether its dark parts are the warm ones.
        conduction: Pixels of the board's drawing over which heat spreads.
        slope: How much warmer it is on the right than on the left, in units of its contrast.
        counts: Raw counts between its coldest and its warmest parts.
        glints: Share of the dark parts (foil) that reflect something warm.
    """

    negative: bool = True
    conduction: float = 0.0
    slope: float = 0.0
    counts: float = 400.0
    glints: float = 0.0


def texture(board: Board) -> tuple[np.ndarray, np.ndarray]:
    """A picture of the board and where its origin lies in it, pixels."""
    step = int(board.spacing * PIXELS_PER_METER)
    margin = 2 * step
    if board.kind == "charuco":
        size = (board.columns * step, board.rows * step)
        image = board.charuco.generateImage(size, None, 0, 1)
        return np.pad(image, margin, constant_values=255), np.array([margin, margin])
    last = board.points[:, :2].max(axis=0) / board.spacing
    image = np.full(
        (int(last[1] * step) + 2 * margin, int(last[0] * step) + 2 * margin), 255, np.uint8
    )
    if board.kind == "chessboard":
        for row in range(-1, board.rows):
            for column in range(-1, board.columns):
                if (row + column) % 2 == 0:
                    x, y = margin + column * step, margin + row * step
                    image[y : y + step, x : x + step] = 0
    elif board.kind == "aprilgrid":
        return _aprilgrid(board, image, step, margin)
    else:
        for x, y in board.points[:, :2] / board.spacing * step + margin:
            cv2.circle(image, (round(x), round(y)), int(0.3 * step), 0, -1, cv2.LINE_AA)
    return image, np.array([margin, margin])


def _aprilgrid(
    board: Board, image: np.ndarray, step: int, margin: int
) -> tuple[np.ndarray, np.ndarray]:
    """As Kalibr prints it: rows counted from below, borders of two bits, corners joined."""
    side = round(board.marker * PIXELS_PER_METER)
    gap = step - side
    for row in range(board.rows + 1):
        for column in range(board.columns + 1):
            x, y = margin + column * step - gap, margin + row * step - gap
            image[y : y + gap, x : x + gap] = 0
            if row < board.rows and column < board.columns:
                number = (board.rows - 1 - row) * board.columns + column
                tag = cv2.aruco.generateImageMarker(board.markers, number, side, None, 2)
                image[y + gap : y + step, x + gap : x + step] = tag
    return image, np.array([margin, margin])


@cache
def rays_of(camera: CameraModel) -> np.ndarray:
    """Where each pixel of a camera looks, ``(H W, 3)``, with depth 1."""
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = camera.rays(np.stack([x.ravel(), y.ravel()], 1).astype(np.float64))
    return np.concatenate([rays, np.ones((len(rays), 1))], axis=1)


class Renderer:
    """Draws a board as a camera with a distorting lens sees it."""

    def __init__(self, board: Board, camera: CameraModel, thermal: Thermal | None = None) -> None:
        image, self.origin = texture(board)
        self.thermal = thermal
        self.image = image.astype(np.float32)
        if thermal is not None:
            self.image = _warmth(self.image / 255, thermal)
        self.image = cv2.GaussianBlur(self.image, (0, 0), 1.5)
        self.rays = rays_of(camera)
        self.shape = (camera.height, camera.width)
        self.rng = np.random.default_rng(0)

    def __call__(self, rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """The image for a pose of the board: ``uint8``, or raw counts ``uint16`` of thermal ones.

        Board coordinates that go down (`texture`) are those of `Board.points`.
        """
        on_board = self.rays @ rotation  # the same directions in the board's own axes
        place = shift @ rotation
        plane = on_board[:, :2] * (place[2] / on_board[:, 2:]) - place[:2]
        maps = (plane * PIXELS_PER_METER + self.origin - 0.5).reshape(*self.shape, 2)
        maps = maps.astype(np.float32)
        around = 128.0 if self.thermal is None else -0.3
        drawn = cv2.remap(
            self.image, maps, None, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=around,
        )  # fmt: skip
        drawn = cv2.GaussianBlur(drawn, (0, 0), 0.7)
        if self.thermal is None:
            return np.clip(drawn + self.rng.normal(0, 2, self.shape), 0, 255).astype(np.uint8)
        counts = 7200 + self.thermal.counts * drawn + self.rng.normal(0, 5, self.shape)
        return np.clip(np.rint(counts), 0, 16383).astype(np.uint16)


def _warmth(drawing: np.ndarray, thermal: Thermal) -> np.ndarray:
    """A drawing, 0 to 1, as temperatures in units of its contrast."""
    dark = drawing < 0.5
    warm = 1 - drawing if thermal.negative else drawing.copy()
    if thermal.glints:
        noise = np.random.default_rng(5).normal(size=(12, 12)).astype(np.float32)
        spots = cv2.resize(noise, drawing.shape[::-1], interpolation=cv2.INTER_CUBIC)
        hot = dark & (spots > np.quantile(spots, 1 - thermal.glints))
        warm = warm + 0.35 * hot
    if thermal.conduction:
        warm = cv2.GaussianBlur(warm, (0, 0), thermal.conduction)
    return (warm + thermal.slope * np.linspace(0, 1, drawing.shape[1])).astype(np.float32)


def poses(board: Board, count: int, seed: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rotation and translation of the board before the visible camera, in many ways."""
    rng = np.random.default_rng(seed)
    middle = (board.points.min(axis=0) + board.points.max(axis=0)) / 2
    found = []
    for _ in range(count):
        rotation, _ = cv2.Rodrigues(rng.uniform([-0.5, -0.5, -0.2], [0.5, 0.5, 0.2]))
        place = np.array(
            [rng.uniform(-0.07, 0.05), rng.uniform(-0.06, 0.06), rng.uniform(0.6, 0.85)]
        )
        found.append((rotation, place - rotation @ middle))
    return found


def raw_views(
    board: Board, places: list[tuple[np.ndarray, np.ndarray]], thermal: Thermal
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Visible ``(H, W, 3)`` and raw thermal ``(h, w) uint16`` images of a board at some poses."""
    renderers = Renderer(board, VISIBLE), Renderer(board, INFRARED, thermal)
    turn = np.asarray(RIG.infrared_from_visible.rotation)
    offset = np.asarray(RIG.infrared_from_visible.translation)
    pairs = []
    for rotation, shift in places:
        visible = renderers[0](rotation, shift)
        infrared = renderers[1](turn @ rotation, turn @ shift + offset)
        pairs.append((np.repeat(visible[..., None], 3, axis=2), infrared))
    return pairs


def views(board: Board, count: int, thermal: Thermal | None = None) -> list[TimedPair]:
    """Pictures of a board at different places and tilts."""
    return [
        TimedPair(visible, infrared)
        for visible, infrared in raw_views(board, poses(board, count), thermal or Thermal())
    ]
