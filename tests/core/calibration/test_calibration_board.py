"""Board calibration on rendered boards: cameras, lenses and poses that are known."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.calibration.board import Board, detect
from lut_fuse_core.calibration.from_board import BoardCalibration, calibrate_from_board
from lut_fuse_core.calibration.overlays import board_picture
from lut_fuse_core.cli import main
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.file import (
    load_camera_info,
    load_registration,
    save_camera_info,
    save_registration,
)
from lut_fuse_core.registration.rig import CameraRig, Pose

VISIBLE = CameraModel(
    640, 480, ((560.0, 0, 330.0), (0, 555.0, 236.0), (0, 0, 1)), (-0.22, 0.06, 0.001, -0.0005, 0.0)
)
INFRARED = CameraModel(
    320, 256, ((300.0, 0, 163.0), (0, 302.0, 125.0), (0, 0, 1)), (-0.3, 0.1, 0.0, 0.0008, 0.0)
)
RIG = CameraRig(VISIBLE, INFRARED, Pose.from_quaternion([0.01, -0.02, 0.015, 1], [0.08, 0.01, 0.0]))
PIXELS_PER_METER = 2000


def texture(board: Board) -> tuple[np.ndarray, np.ndarray]:
    """A picture of the board and where its origin lies in it, pixels."""
    step = int(board.spacing * PIXELS_PER_METER)
    margin = 2 * step
    if board.kind == "charuco":
        size = (board.columns * step, board.rows * step)
        image = board.charuco.generateImage(size, None, 0, 1)
        return np.pad(image, margin, constant_values=255), np.array([margin, margin])
    last = board.points[-1, :2] / board.spacing
    image = np.full(
        (int(last[1] * step) + 2 * margin, int(last[0] * step) + 2 * margin), 255, np.uint8
    )
    if board.kind == "chessboard":
        for row in range(-1, board.rows):
            for column in range(-1, board.columns):
                if (row + column) % 2 == 0:
                    x, y = margin + column * step, margin + row * step
                    image[y : y + step, x : x + step] = 0
    else:
        for x, y in board.points[:, :2] / board.spacing * step + margin:
            cv2.circle(image, (round(x), round(y)), int(0.3 * step), 0, -1, cv2.LINE_AA)
    return image, np.array([margin, margin])


class Renderer:
    """Draws a board as a camera with a distorting lens sees it."""

    def __init__(self, board: Board, camera: CameraModel) -> None:
        self.image, self.origin = texture(board)
        x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        rays = camera.rays(np.stack([x.ravel(), y.ravel()], 1).astype(np.float64))
        self.rays = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
        self.shape = (camera.height, camera.width)

    def __call__(self, rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
        normal = rotation[:, 2]
        points = self.rays * ((normal @ shift) / (self.rays @ normal))[:, None]
        plane = ((points - shift) @ rotation)[:, :2] * PIXELS_PER_METER + self.origin - 0.5
        maps = plane.reshape(*self.shape, 2).astype(np.float32)
        drawn = cv2.remap(
            self.image, maps, None, cv2.INTER_AREA, borderMode=cv2.BORDER_CONSTANT, borderValue=128
        )
        noise = np.random.default_rng(0).normal(0, 2, self.shape)
        return np.clip(cv2.GaussianBlur(drawn, (0, 0), 0.7) + noise, 0, 255).astype(np.uint8)


def views(board: Board, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of the board at different places and tilts; infrared sees it as its negative."""
    rng = np.random.default_rng(3)
    renderers = Renderer(board, VISIBLE), Renderer(board, INFRARED)
    turn = np.asarray(RIG.infrared_from_visible.rotation)
    offset = np.asarray(RIG.infrared_from_visible.translation)
    middle = board.points.mean(axis=0)
    pairs = []
    for _ in range(count):
        rotation, _ = cv2.Rodrigues(rng.uniform([-0.5, -0.5, -0.2], [0.5, 0.5, 0.2]))
        place = np.array(
            [rng.uniform(-0.07, 0.05), rng.uniform(-0.06, 0.06), rng.uniform(0.6, 0.85)]
        )
        shift = place - rotation @ middle
        visible = renderers[0](rotation, shift)
        infrared = 255 - renderers[1](turn @ rotation, turn @ shift + offset)
        pairs.append((np.repeat(visible[..., None], 3, axis=2), infrared // 3 + 60))
    return pairs


CHESSBOARD = Board("chessboard", 7, 5, 0.05)


@pytest.fixture(scope="module")
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    return views(CHESSBOARD, 9)


@pytest.fixture(scope="module")
def calibration(pairs: list[tuple[np.ndarray, np.ndarray]]) -> BoardCalibration:
    return calibrate_from_board(CHESSBOARD, pairs)


def test_intrinsics_come_back(calibration: BoardCalibration) -> None:
    for found, true in ((calibration.rig.visible, VISIBLE), (calibration.rig.infrared, INFRARED)):
        focal = found.intrinsics[[0, 1], [0, 1]] / true.intrinsics[[0, 1], [0, 1]]
        assert focal == pytest.approx([1, 1], abs=0.015)
        assert np.abs(found.intrinsics[:2, 2] - true.intrinsics[:2, 2]).max() < 5
        assert found.distortion[0] == pytest.approx(true.distortion[0], abs=0.06)


def test_the_pose_between_the_cameras_comes_back(calibration: BoardCalibration) -> None:
    found, true = calibration.rig.infrared_from_visible, RIG.infrared_from_visible
    assert np.abs(np.asarray(found.translation) - true.translation).max() < 0.005
    turn = np.asarray(found.rotation) @ np.asarray(true.rotation).T
    assert np.degrees(np.arccos(min(1.0, (np.trace(turn) - 1) / 2))) < 0.6


def test_errors_are_reported_in_pixels(calibration: BoardCalibration) -> None:
    assert 0 < calibration.visible_error < 0.3
    assert 0 < calibration.infrared_error < 0.3
    assert 0 < calibration.transfer_error < 0.6


@pytest.mark.parametrize(
    "board",
    [
        Board("charuco", 7, 5, 0.05, 0.037),
        Board("circles", 6, 5, 0.05),
        Board("asymmetric_circles", 4, 7, 0.035),
    ],
    ids=lambda board: board.kind,
)
def test_every_kind_of_board_is_found_to_a_fraction_of_a_pixel(board: Board) -> None:
    rotation = np.eye(3)
    shift = np.array([0, 0, 0.7]) - board.points.mean(axis=0)
    found = detect(board, Renderer(board, VISIBLE)(rotation, shift))
    assert found is not None
    expected = VISIBLE.project(board.points[found.ids] + shift)
    assert np.abs(found.pixels - expected).max() < 0.6


def test_the_result_serves_as_registration_and_as_camera_info(
    calibration: BoardCalibration, tmp_path: Path
) -> None:
    save_registration(tmp_path / "rig.json", calibration.rig, calibration.facts())
    save_camera_info(tmp_path / "visible.yaml", calibration.rig.visible, "visible")
    assert load_registration(tmp_path / "rig.json") == calibration.rig
    assert load_camera_info(tmp_path / "visible.yaml") == calibration.rig.visible


def test_the_picture_marks_found_and_predicted_points(
    calibration: BoardCalibration, pairs: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    visible = pairs[calibration.views[0].index][0]
    picture = board_picture(CHESSBOARD, calibration, visible)
    x, y = calibration.views[0].visible.pixels[10].round().astype(int)
    patch = picture[y - 6 : y + 7, x - 6 : x + 7].astype(int)
    assert (patch[..., 0] - patch[..., 1]).max() > 80, "a red cross"
    assert (patch[..., 1] - patch[..., 0]).max() > 40, "a green circle"


def test_too_few_views_are_refused_with_advice(
    pairs: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    with pytest.raises(InputError, match="5 are needed"):
        calibrate_from_board(CHESSBOARD, pairs[:2])


def test_a_view_without_board_is_skipped(
    pairs: list[tuple[np.ndarray, np.ndarray]], calibration: BoardCalibration
) -> None:
    empty = (np.full_like(pairs[0][0], 90), np.full_like(pairs[0][1], 90))
    result = calibrate_from_board(CHESSBOARD, [empty, *pairs[:5]])
    assert 0 not in [view.index for view in result.views]


def test_the_command_writes_rig_camera_info_and_picture(
    pairs: list[tuple[np.ndarray, np.ndarray]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("visible", "infrared"):
        (tmp_path / name).mkdir()
    for index, (visible, infrared) in enumerate(pairs[:5]):
        cv2.imwrite(str(tmp_path / "visible" / f"{index}.png"), visible)
        cv2.imwrite(str(tmp_path / "infrared" / f"{index}.png"), infrared)
    folders = [str(tmp_path / "visible"), str(tmp_path / "infrared")]
    board = ["--kind", "chessboard", "--size", "7x5", "--spacing", "0.05"]
    outputs = ["-o", str(tmp_path / "rig.yaml"), "--picture", str(tmp_path / "fit.png")]
    info = ["--camera-info", str(tmp_path), "--json"]
    assert main(["calibrate", "board", *folders, *board, *outputs, *info]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["views_used"] == [0, 1, 2, 3, 4]
    rig = load_registration(tmp_path / "rig.yaml")
    assert isinstance(rig, CameraRig)
    assert load_camera_info(tmp_path / "infrared.yaml") == rig.infrared
    assert (tmp_path / "fit.png").is_file()


def test_images_of_several_sizes_are_refused() -> None:
    small, large = np.zeros((48, 64, 3), np.uint8), np.zeros((96, 128, 3), np.uint8)
    infrared = np.zeros((48, 64), np.uint8)
    with pytest.raises(InputError, match="visible images have several sizes: 128x96, 64x48"):
        calibrate_from_board(CHESSBOARD, [(small, infrared), (large, infrared)])


def test_a_dictionary_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no marker dictionary"):
        _ = Board("charuco", 7, 5, 0.04, 0.03, "Dictionary").charuco


def test_pairs_that_do_not_belong_together_are_refused(
    pairs: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    mixed = [(pair[0], other[1]) for pair, other in zip(pairs, reversed(pairs), strict=True)]
    with pytest.raises(InputError, match="beside where the visible camera sees the board"):
        calibrate_from_board(CHESSBOARD, mixed)


@pytest.mark.parametrize("board", [("chessboard", 6, 6), ("asymmetric_circles", 4, 10)])
def test_boards_that_look_the_same_from_several_sides_are_refused(board: tuple) -> None:
    with pytest.raises(InputError, match="looks the same"):
        Board(*board, 0.03)
