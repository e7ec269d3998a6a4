"""Board calibration on rendered boards: cameras, lenses and poses that are known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from board_scenes import INFRARED, RIG, VISIBLE, Renderer, Thermal, poses, raw_views, views

from lut_fuse_core.arrays import AnyInfrared
from lut_fuse_core.calibration import board_views
from lut_fuse_core.calibration.board import Board
from lut_fuse_core.calibration.board_detection import Detection, detect
from lut_fuse_core.calibration.board_page import parallax, render_board_page
from lut_fuse_core.calibration.from_board import (
    LEAST_VIEWS,
    BoardCalibration,
    Guidance,
    calibrate_from_board,
)
from lut_fuse_core.calibration.overlays import board_picture
from lut_fuse_core.calibration.timed_pair import TimedPair
from lut_fuse_core.cli import main
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.file import (
    load_camera_info,
    load_registration,
    save_camera_info,
    save_registration,
)
from lut_fuse_core.registration.rig import CameraRig

CHESSBOARD = Board("chessboard", 7, 5, 0.05)
APRILGRID = Board("aprilgrid", 4, 3, 0.13, 0.1)
WARM_TAGS = Thermal(negative=True, conduction=2.0, slope=0.4)


@pytest.fixture(scope="module", autouse=True)
def each_image_is_searched_once() -> Iterator[None]:
    """Many tests show the same pictures of the board, and to find it there takes longest."""
    known: dict[tuple[object, ...], Detection | None] = {}

    def remembered(board: Board, image: AnyInfrared) -> Detection | None:
        key = board, image.shape, image.dtype.str, image.tobytes()
        if key not in known:
            known[key] = detect(board, image)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board_views, "detect", remembered)
        yield


def calibrated(board: Board, pairs: list[TimedPair]) -> BoardCalibration:
    return calibrate_from_board(board, lambda due: pairs)


@pytest.fixture(scope="module")
def pairs() -> list[TimedPair]:
    return views(CHESSBOARD, 9)


@pytest.fixture(scope="module")
def calibration(pairs: list[TimedPair]) -> BoardCalibration:
    return calibrated(CHESSBOARD, pairs)


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


markers = pytest.mark.skipif(not hasattr(cv2, "aruco"), reason="OpenCV without its module aruco")
charuco = pytest.mark.skipif(
    not hasattr(getattr(cv2, "aruco", None), "CharucoDetector"), reason="OpenCV before 4.7"
)


@pytest.mark.parametrize(
    "board",
    [
        pytest.param(Board("charuco", 7, 5, 0.05, 0.037), marks=charuco),
        Board("circles", 6, 5, 0.05),
        Board("asymmetric_circles", 4, 7, 0.035),
    ],
    ids=["charuco", "circles", "asymmetric circles"],
)
def test_every_kind_of_board_is_found_to_a_fraction_of_a_pixel(board: Board) -> None:
    rotation = np.eye(3)
    shift = np.array([0, 0, 0.7]) - board.points.mean(axis=0)
    found = detect(board, Renderer(board, VISIBLE)(rotation, shift))
    assert found is not None
    expected = VISIBLE.project(board.points[found.ids] + shift)
    assert np.abs(found.pixels - expected).max() < 0.6


@pytest.mark.parametrize(
    ("board", "thermal"),
    [
        (CHESSBOARD, Thermal(negative=True, conduction=6.0, slope=0.6)),
        (CHESSBOARD, Thermal(negative=True, slope=0.3, counts=300.0, glints=0.3)),
        (Board("circles", 6, 5, 0.05), Thermal(negative=False, conduction=3.0, slope=0.5)),
        (Board("asymmetric_circles", 4, 9, 0.04), Thermal(negative=True, slope=0.5)),
        pytest.param(APRILGRID, WARM_TAGS, marks=markers),
    ],
    ids=["heated chessboard", "foil on cardboard", "holes", "asymmetric holes", "aprilgrid"],
)
def test_boards_as_people_make_them_give_the_thermal_camera_back(
    board: Board, thermal: Thermal
) -> None:
    result = calibrated(board, views(board, 6, thermal))
    found = result.rig.infrared.intrinsics
    assert found[0, 0] == pytest.approx(INFRARED.intrinsics[0, 0], rel=0.02)
    assert abs(found[0, 0] - INFRARED.intrinsics[0, 0]) < 4 * result.focal_errors[1] + 0.5
    offset = np.subtract(
        result.rig.infrared_from_visible.translation, RIG.infrared_from_visible.translation
    )
    assert np.abs(offset).max() < 0.006
    assert result.transfer_error < 0.8


@markers
def test_an_aprilgrid_is_found_where_some_of_its_tags_cannot_be_read() -> None:
    board = Board("aprilgrid", 6, 4, 0.065, 0.05)
    (pair,) = views(board, 1, Thermal(conduction=2.0))
    assert len(detect(board, pair.visible).ids) == 4 * 24  # type: ignore[union-attr]
    lost = pair.visible.copy()
    lost[:, : lost.shape[1] // 3] = 128
    found = detect(board, lost)
    assert found is not None
    assert 4 * 8 < len(found.ids) < 4 * 24


@markers
def test_a_pair_in_which_the_cameras_see_different_tags_is_left_out() -> None:
    board = APRILGRID
    shown = views(board, LEAST_VIEWS + 1, WARM_TAGS)
    torn = shown[0]
    for image, side in ((torn.visible, slice(0, 2)), (torn.infrared, slice(2, 4))):
        pixels = detect(board, image).pixels  # type: ignore[union-attr]
        columns = pixels.reshape(3, 4, 4, 2)[:, side, :, 0]
        image[:, int(columns.min()) - 8 : int(columns.max()) + 9] = image[0, 0]
    result = calibrated(board, shown)
    assert [view.index for view in result.views] == [1, 2, 3, 4, 5]
    assert result.transfer_error < 0.8
    with pytest.raises(InputError, match="in 1 the two cameras see different parts of it"):
        calibrated(board, shown[:3])


def moving(board: Board) -> list[TimedPair]:
    """A recording at 5 Hz: still for most of a second at each place, blurred on the way."""
    shots: list[TimedPair] = []
    for index, (visible, infrared) in enumerate(raw_views(board, poses(board, 6), Thermal())):
        for frame in range(6):
            time = (6 * index + frame) / 5
            way = frame >= 4
            shift = np.float32([[1, 0, 40 * (frame - 3) * way], [0, 1, 0]])
            seen = cv2.warpAffine(visible, shift, visible.shape[1::-1])
            seen = cv2.blur(seen, (25, 1)) if way else seen
            shots.append(TimedPair(seen, infrared, time))
    return shots


def test_of_a_recording_the_frames_are_taken_in_which_the_board_is_still(tmp_path: Path) -> None:
    shots = moving(CHESSBOARD)
    looked: list[float] = []

    def recorded(due):  # type: ignore[no-untyped-def]
        for shot in shots:
            if due(shot.time):
                looked.append(shot.time)
                yield shot
            else:
                yield None

    said: list[Guidance] = []
    result = calibrate_from_board(CHESSBOARD, recorded, guide=said.append)
    assert len(looked) < len(shots), "every frame is decoded"
    assert len(said) >= 2, "what is missing is said while the recording is read"
    assert len({each.missing for each in said}) == len(said)
    assert said[0].time < said[-1].time <= shots[-1].time
    assert "still to be shown: the board" in str(said[0])
    assert {view.index % 6 < 4 for view in result.views} == {True}
    assert len({view.index // 6 for view in result.views}) >= 5
    assert result.transfer_error < 0.6


def test_what_was_not_shown_is_said(calibration: BoardCalibration) -> None:
    board = CHESSBOARD
    rng = np.random.default_rng(1)
    places = []
    for _ in range(6):  # all to the right, all upright, all at one distance
        rotation, _ = cv2.Rodrigues(rng.uniform(-0.05, 0.05, 3))
        shift = np.array([rng.uniform(0.05, 0.07), rng.uniform(-0.03, 0.03), 0.7])
        places.append((rotation, shift - rotation @ board.points.mean(axis=0)))
    shown = [TimedPair(v, i) for v, i in raw_views(board, places, Thermal())]
    missing = calibrated(board, shown).missing
    said = "; ".join(missing)
    assert "left" in missing[0]
    assert "right of" not in missing[0]
    assert "with its left edge tilted toward the cameras" in said
    assert "with its lower edge tilted" in said
    assert "nearer or farther" in said
    assert "tilted" not in "; ".join(calibration.missing), "it was shown everywhere"


def test_the_page_shows_residuals_and_parallax(calibration: BoardCalibration) -> None:
    page = render_board_page(CHESSBOARD, calibration, "1.0")
    assert len(re.findall("<svg", page)) == 3 + 3
    assert page.count("data:image/jpeg;base64,") == 1
    assert "http" not in page, "the page is not complete in itself"
    focal, baseline = calibration.rig.visible.intrinsics[0, 0], 0.0806
    for distance in (2.0, 5.0, 20.0):
        _, shifts = parallax(calibration, distance)
        expected = focal * baseline / distance
        assert np.median(np.linalg.norm(shifts, axis=1)) == pytest.approx(expected, rel=0.15)


def test_the_result_serves_as_registration_and_as_camera_info(
    calibration: BoardCalibration, tmp_path: Path
) -> None:
    save_registration(tmp_path / "rig.json", calibration.rig, calibration.facts())
    save_camera_info(tmp_path / "visible.yaml", calibration.rig.visible, "visible")
    assert load_registration(tmp_path / "rig.json") == calibration.rig
    assert load_camera_info(tmp_path / "visible.yaml") == calibration.rig.visible


def test_the_picture_marks_found_and_predicted_points(
    calibration: BoardCalibration,
) -> None:
    picture = board_picture(CHESSBOARD, calibration)
    x, y = calibration.views[0].visible.pixels[10].round().astype(int)
    patch = picture[y - 6 : y + 7, x - 6 : x + 7].astype(int)
    assert (patch[..., 0] - patch[..., 1]).max() > 80, "a red cross"
    assert (patch[..., 1] - patch[..., 0]).max() > 40, "a green circle"


def test_too_few_views_are_refused_with_advice(
    pairs: list[TimedPair],
) -> None:
    with pytest.raises(InputError, match="5 are needed"):
        calibrated(CHESSBOARD, pairs[:2])


def test_a_view_without_board_is_skipped(
    pairs: list[TimedPair], calibration: BoardCalibration
) -> None:
    empty = TimedPair(np.full_like(pairs[0].visible, 90), np.full_like(pairs[0].infrared, 90))
    result = calibrated(CHESSBOARD, [empty, *pairs[:5]])
    assert 0 not in [view.index for view in result.views]


def test_the_command_writes_rig_camera_info_and_picture(
    pairs: list[TimedPair],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("visible", "infrared"):
        (tmp_path / name).mkdir()
    for index, pair in enumerate(pairs[:5]):
        cv2.imwrite(str(tmp_path / "visible" / f"{index}.png"), pair.visible)
        cv2.imwrite(str(tmp_path / "infrared" / f"{index}.png"), pair.infrared)
    folders = [str(tmp_path / "visible"), str(tmp_path / "infrared")]
    board = ["--kind", "chessboard", "--size", "7x5", "--spacing", "0.05"]
    outputs = ["-o", str(tmp_path / "rig.yaml"), "--picture", str(tmp_path / "fit.png")]
    info = ["--camera-info", str(tmp_path), "--json", "--html", str(tmp_path / "check.html")]
    assert main(["calibrate", "board", *folders, *board, *outputs, *info]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["views_used"] == [0, 1, 2, 3, 4]
    rig = load_registration(tmp_path / "rig.yaml")
    assert isinstance(rig, CameraRig)
    assert load_camera_info(tmp_path / "infrared.yaml") == rig.infrared
    assert (tmp_path / "fit.png").is_file()
    assert "Parallax" in (tmp_path / "check.html").read_text()


def test_images_of_several_sizes_are_refused() -> None:
    small, large = np.zeros((48, 64, 3), np.uint8), np.zeros((96, 128, 3), np.uint8)
    infrared = np.zeros((48, 64), np.uint8)
    with pytest.raises(InputError, match="visible images have several sizes: 128x96, 64x48"):
        calibrated(CHESSBOARD, [TimedPair(small, infrared), TimedPair(large, infrared)])


@charuco
def test_a_dictionary_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no marker dictionary"):
        _ = Board("charuco", 7, 5, 0.04, 0.03, "Dictionary").charuco


def test_pairs_that_do_not_belong_together_are_refused(
    pairs: list[TimedPair],
) -> None:
    some = pairs[:6]
    mixed = [
        TimedPair(pair.visible, other.infrared)
        for pair, other in zip(some, reversed(some), strict=True)
    ]
    with pytest.raises(InputError, match="beside where the visible camera sees the board"):
        calibrated(CHESSBOARD, mixed)


@pytest.mark.parametrize("board", [("chessboard", 6, 6), ("asymmetric_circles", 4, 10)])
def test_boards_that_look_the_same_from_several_sides_are_refused(board: tuple) -> None:
    with pytest.raises(InputError, match="looks the same"):
        Board(*board, 0.03)


CIRCLES = Board("circles", 6, 5, 0.05)
CIRCLES_OPTIONS = ["--kind", "circles", "--size", "6x5", "--spacing", "0.05"]


@pytest.fixture(scope="module")
def shots() -> list[tuple[np.ndarray, np.ndarray]]:
    """Two frames at each of six places; circles are found fast."""
    places = poses(CIRCLES, 6)
    return [pair for pair in raw_views(CIRCLES, places, Thermal(slope=0.3)) for _ in range(2)]


def test_a_bag_is_calibrated_from(
    shots: list[tuple[np.ndarray, np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bags = pytest.importorskip("bags")
    entries = []
    for index, (visible, infrared) in enumerate(shots):
        stamp = bags.START + index * 300 * bags.MILLI
        entries.append(bags.image("/rgb/image_raw", visible, "rgb8", stamp))
        entries.append(bags.image("/thermal/image_raw", infrared, "mono16", stamp))
    bag = bags.write(tmp_path / "board", entries)
    output = tmp_path / "rig.json"
    assert main(["calibrate", "board", str(bag), "-o", str(output), *CIRCLES_OPTIONS]) == 0
    said = capsys.readouterr()
    assert "of 12 pairs; errors in pixels" in said.out
    assert "still to be shown: " in said.err
    rig = load_registration(output)
    assert isinstance(rig, CameraRig)
    assert rig.infrared.intrinsics[0, 0] == pytest.approx(300, rel=0.02)


def test_videos_are_calibrated_from(
    shots: list[tuple[np.ndarray, np.ndarray]], tmp_path: Path
) -> None:
    videos = pytest.importorskip("videos")
    gray = [np.clip((i.astype(int) - 7000) // 4, 0, 255).astype(np.uint8) for _, i in shots]
    here = videos.save_video(tmp_path / "visible.avi", [v for v, _ in shots], 3.0)
    there = videos.save_video(tmp_path / "infrared.avi", gray, 3.0)
    output = tmp_path / "rig.json"
    files = [str(here), str(there)]
    assert main(["calibrate", "board", *files, "-o", str(output), *CIRCLES_OPTIONS]) == 0
    rig = load_registration(output)
    assert isinstance(rig, CameraRig)
    assert rig.visible.intrinsics[0, 0] == pytest.approx(560, rel=0.02)


def test_one_file_that_is_no_bag_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "one.png"
    cv2.imwrite(str(picture), np.zeros((48, 64), np.uint8))
    arguments = ["calibrate", "board", str(picture), "-o", str(tmp_path / "rig.json")]
    assert main([*arguments, *CIRCLES_OPTIONS]) == 2
    assert "alone is no bag" in capsys.readouterr().err


def test_markers_without_opencv_s_module_are_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(cv2, "aruco", raising=False)
    with pytest.raises(InputError, match="opencv-contrib-python"):
        _ = Board("aprilgrid", 6, 6, 0.07, 0.05).markers
