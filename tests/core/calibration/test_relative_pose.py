"""The pose between two cameras from points at many depths: right within what it says of itself."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.calibration.correspondences import Correspondences
from lut_fuse_core.calibration.from_pairs import PairsCalibration, Quality
from lut_fuse_core.calibration.relative_pose import RelativePose, relative_pose
from lut_fuse_core.cli import calibrate_pairs, main
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.file import load_registration
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig

VISIBLE_SIZE, INFRARED_SIZE = (640, 480), (384, 288)
VISIBLE_FOCAL, INFRARED_FOCAL = 560.0, 400.0
RIG = (-0.1, 0.0, 0.0), (0.5, 1.0, -0.4)
"""Translation, and degrees about x, y and z."""


def seen(
    translation: Sequence[float],
    degrees: Sequence[float],
    *,
    nearest: float = 2.5,
    farthest: float = 200.0,
    pairs: int = 20,
) -> tuple[Correspondences, Homography, np.ndarray]:
    """Points of streets as both cameras see them, noisy, one in ten wrong; and the rotation."""
    rng = np.random.default_rng(1)
    turn, _ = cv2.Rodrigues(np.radians(np.float64(degrees)))
    found: list[list[np.ndarray]] = [[], [], []]
    for pair in range(pairs):
        visible = rng.uniform((0, 0), VISIBLE_SIZE, (150, 2))
        ground = np.maximum(visible[:, 1] - 200, 0) / 280 * rng.uniform(0.1, 0.5)
        things = rng.uniform(0, 0.3, 150) * (rng.random(150) < 0.2)
        depth = 1 / np.clip(np.maximum(ground, things), 1 / farthest, 1 / nearest)
        rays = (visible - [319.5, 239.5]) / VISIBLE_FOCAL
        points = np.concatenate([rays, np.ones((150, 1))], 1) * depth[:, None]
        moved = points @ np.asarray(turn).T + translation
        infrared = moved[:, :2] / moved[:, 2:] * INFRARED_FOCAL + [191.5, 143.5]
        infrared += rng.normal(0, 0.8, infrared.shape)
        wrong = rng.random(150) < 0.1
        infrared[wrong] += rng.uniform(-14, 14, (wrong.sum(), 2))
        inside = ((infrared > 0) & (infrared < INFRARED_SIZE)).all(axis=1)
        for each, values in zip(found, (visible, infrared, np.full(150, pair)), strict=True):
            each.append(values[inside])
    points = Correspondences(*(np.concatenate(each) for each in found))  # type: ignore[arg-type]
    matrix, _ = cv2.findHomography(points.infrared, points.visible, cv2.RANSAC, 4)
    return points, Homography.from_array(matrix, INFRARED_SIZE, VISIBLE_SIZE), np.asarray(turn)


@functools.cache
def found(focal: float | None) -> RelativePose:
    """The pose of one rig, whose visible focal length is given or not."""
    points, homography, _ = seen(*RIG)
    return relative_pose(points, homography, focal)


def angles(result: RelativePose, turn: np.ndarray, translation: Sequence[float]) -> tuple:
    """Degrees by which rotation, about each axis, and direction of a result are wrong."""
    rotation = np.degrees(np.ravel(cv2.Rodrigues(result.rotation @ turn.T)[0]))
    true = np.array(translation) / np.linalg.norm(translation)
    return np.abs(rotation), np.degrees(np.arccos(np.clip(result.direction @ true, -1, 1)))


@pytest.mark.parametrize(
    ("translation", "degrees"),
    [RIG, ((0.01, 0.1, 0.01), (-1.0, 0.3, 0.5))],
    ids=["side by side", "one above the other"],
)
def test_rotation_direction_and_infrared_focal_length_come_back(
    translation: tuple[float, float, float], degrees: tuple[float, float, float]
) -> None:
    points, homography, turn = seen(translation, degrees)
    result = relative_pose(points, homography, VISIBLE_FOCAL)
    rotation, direction = angles(result, turn, translation)
    assert result.infrared_focal == pytest.approx(INFRARED_FOCAL, rel=0.01)
    assert result.focal_known
    assert (rotation < 3 * np.array(result.rotation_errors) + 0.05).all()
    assert rotation.max() < 0.3
    assert direction < 3 * result.direction_error
    assert direction < 12


def test_deviations_include_what_is_wrong_at_the_same_place_of_every_pair() -> None:
    translation = (0.01, 0.1, 0.01)
    points, homography, turn = seen(translation, (-1.0, 0.3, 0.5))
    beside = points.infrared - [191.5, 143.5]
    radius = np.linalg.norm(beside, axis=1, keepdims=True) / 200
    bent = replace(points, infrared=points.infrared - 0.03 * beside * radius**2)
    result = relative_pose(bent, homography, VISIBLE_FOCAL)
    rotation, direction = angles(result, turn, translation)
    assert direction < 1.5 * result.direction_error
    assert (rotation < 1.5 * np.array(result.rotation_errors)).all()


def test_cameras_in_parallel_do_not_show_their_focal_length_and_that_is_said() -> None:
    translation = (-0.1, 0.0, 0.0)
    points, homography, _ = seen(translation, (0.2, 0.5, -0.4))
    result = relative_pose(points, homography)
    assert not result.focal_known
    assert abs(result.visible_focal - VISIBLE_FOCAL) < 3 * result.focal_errors[0]
    ratio = result.infrared_focal / result.visible_focal
    assert ratio == pytest.approx(INFRARED_FOCAL / VISIBLE_FOCAL, rel=0.02)
    assert "give --focal" in str(result)


def test_the_rig_has_the_baseline_that_was_given() -> None:
    result = found(VISIBLE_FOCAL)
    rig = result.rig(0.1, VISIBLE_SIZE, INFRARED_SIZE)
    assert np.linalg.norm(rig.infrared_from_visible.translation) == pytest.approx(0.1)
    assert rig.infrared.intrinsics[0, 0] == pytest.approx(result.infrared_focal)
    near = np.array([[0.3, 0.2, 4.0]])
    seen_at = rig.infrared.project(rig.infrared_from_visible.apply(near))
    turn, _ = cv2.Rodrigues(np.radians(RIG[1]))
    true = near @ np.asarray(turn).T + RIG[0]
    expected = true[:, :2] / true[:, 2:] * INFRARED_FOCAL + [191.5, 143.5]
    assert np.abs(seen_at - expected).max() < 2.5


def test_scenes_without_depth_are_refused() -> None:
    points, homography, _ = seen(*RIG, nearest=40.0)
    with pytest.raises(InputError, match="depth does not vary enough"):
        relative_pose(points, homography, VISIBLE_FOCAL)


def test_fewer_than_twenty_pairs_are_refused() -> None:
    points, homography, _ = seen(*RIG, pairs=19)
    with pytest.raises(InputError, match="needs 20 pairs"):
        relative_pose(points, homography, VISIBLE_FOCAL)


@pytest.fixture
def twenty_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of the command for a rig whose registration and points are known."""
    points, homography, _ = seen(*RIG)
    accepted = PairsCalibration(homography, Quality(0.4, 3.0, 0.5, 0.5, 400, 20), "")
    monkeypatch.setattr(calibrate_pairs, "calibrate_from_pairs", lambda *a, **k: accepted)
    monkeypatch.setattr(calibrate_pairs, "gather", lambda *a: points)
    monkeypatch.setattr(
        calibrate_pairs, "relative_pose", lambda points, homography, focal: found(focal)
    )
    for name in ("visible", "infrared"):
        (tmp_path / name).mkdir()
        for index in range(20):
            image = np.full((64, 64), 9 * index, np.uint8)
            cv2.imwrite(str(tmp_path / name / f"{index}.png"), image)
    folders = [str(tmp_path / "visible"), str(tmp_path / "infrared")]
    return ["calibrate", "pairs", *folders, "-o", str(tmp_path / "rig.json")]


def test_the_command_writes_both_cameras_for_a_baseline_and_a_focal_length(
    twenty_pairs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*twenty_pairs, "--baseline", "0.1", "--focal", "560"]) == 0
    rig = load_registration(tmp_path / "rig.json")
    assert isinstance(rig, CameraRig)
    assert np.linalg.norm(rig.infrared_from_visible.translation) == pytest.approx(0.1)
    assert "relative pose from" in capsys.readouterr().out


def test_the_command_says_that_a_baseline_needs_a_focal_length(
    twenty_pairs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*twenty_pairs, "--baseline", "0.1"]) == 2
    assert "give it with --focal" in capsys.readouterr().err
    assert not (tmp_path / "rig.json").exists()
    assert main([*twenty_pairs, "--baseline", "-1"]) == 2
    assert "must be above 0" in capsys.readouterr().err


def test_the_command_writes_the_homography_and_reports_the_pose_otherwise(
    twenty_pairs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*twenty_pairs, "--json"]) == 0
    pose = json.loads(capsys.readouterr().out)["pose"]
    assert pose["focal_known"] is False
    assert len(pose["rotation_std_deg"]) == 3
    assert isinstance(load_registration(tmp_path / "rig.json"), Homography)
