"""Registration from ordinary pairs: no board, no starting guess."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.calibration import search
from lut_fuse_core.calibration.from_pairs import PairsCalibration, calibrate_from_pairs
from lut_fuse_core.calibration.search import corners, map_points
from lut_fuse_core.cli import main
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.image_files import read_infrared, read_visible
from lut_fuse_core.registration.file import load_registration
from lut_fuse_core.synthetic.scene import SceneConfig, StreetScene

TRUE = np.array([[1.62, 0.05, -30], [-0.04, 1.6, -17.5], [4e-5, -6e-5, 1]])
"""Infrared (200x160) to visible (320x240) pixels of the synthetic rig."""


def corner_error(result: PairsCalibration, true: np.ndarray, shape: tuple[int, ...]) -> float:
    found = np.asarray(result.homography.matrix)
    difference = map_points(found, corners(shape)) - map_points(true, corners(shape))
    return float(np.linalg.norm(difference, axis=1).mean())


def street(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A day street as two cameras of different resolution and direction see it."""
    frame = StreetScene(SceneConfig(width=320, height=240, day=True, seed=seed)).frame(0)
    gray = InfraredNormalizer()(frame.infrared)
    infrared = cv2.warpPerspective(
        gray, np.linalg.inv(TRUE), (200, 160), borderMode=cv2.BORDER_REFLECT
    )
    return frame.visible, infrared.astype(np.uint8)


@pytest.fixture(scope="module")
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    return [street(seed) for seed in (1, 2)]


def test_pairs_of_a_rig_are_registered_together_without_a_starting_guess(
    pairs: list[tuple[np.ndarray, np.ndarray]], tmp_path: Path
) -> None:
    for name in ("visible", "infrared"):
        (tmp_path / name).mkdir()
    for number, (visible, infrared) in enumerate(pairs):
        cv2.imwrite(str(tmp_path / "visible" / f"{number}.png"), visible[..., ::-1])
        cv2.imwrite(str(tmp_path / "infrared" / f"{number}.png"), infrared)
    folders = [str(tmp_path / "visible"), str(tmp_path / "infrared")]
    output = tmp_path / "rig.json"
    picture = tmp_path / "fit.png"
    command = ["calibrate", "pairs", *folders, "-o", str(output), "--picture", str(picture)]
    assert main(command) == 0
    found = np.asarray(load_registration(output).matrix)  # type: ignore[union-attr]
    error = map_points(found, corners((160, 200))) - map_points(TRUE, corners((160, 200)))
    assert np.linalg.norm(error, axis=1).mean() < 1.25
    assert read_visible(picture).shape == (480, 320, 3)
    facts = json.loads(output.read_text())
    assert facts["accepted"] is True
    assert facts["pairs"] == 2


@pytest.fixture
def coarse_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search in steps that are too large to find a place, where there is none to be found."""
    monkeypatch.setattr(search, "FIELD_STEP", 1.25)


@pytest.mark.usefixtures("coarse_search")
def test_images_that_do_not_belong_together_are_refused(
    pairs: list[tuple[np.ndarray, np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    stranger = cv2.resize(noise, (200, 160), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "v.png"), pairs[0][0][..., ::-1])
    cv2.imwrite(str(tmp_path / "i.png"), stranger)
    output = tmp_path / "rig.json"
    files = [str(tmp_path / "v.png"), str(tmp_path / "i.png")]
    assert main(["calibrate", "pairs", *files, "-o", str(output)]) == 1
    assert "cannot be trusted" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.usefixtures("coarse_search")
def test_an_image_without_structure_is_refused() -> None:
    flat = np.full((80, 100), 90, np.uint8)
    assert not calibrate_from_pairs([(np.full((96, 128, 3), 120, np.uint8), flat)]).accepted


def test_pairs_of_different_sizes_are_no_rig(pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    other = (pairs[0][0][:-20], pairs[0][1])
    with pytest.raises(InputError, match="not of one rig"):
        calibrate_from_pairs([pairs[0], other])


def unaligned(shared: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A pair of real cameras at half its resolution, which saves time."""
    folder = shared / "data" / "roadscene" / "unaligned"
    infrared = read_infrared(folder / "infrared" / f"{name}.png").astype(np.uint8)
    visible = read_visible(folder / "visible" / f"{name}.jpg")
    visible, infrared = (
        cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
        for image in (visible, infrared)
    )
    return visible, infrared


def test_a_real_unaligned_pair_is_registered(shared: Path) -> None:
    name = "FLIR_06430"
    known = (shared / "data" / "roadscene" / "unaligned" / "homographies.json").read_text()
    half = np.diag([0.5, 0.5, 1])
    true = half @ np.array(json.loads(known)[name]) @ np.linalg.inv(half)
    visible, infrared = unaligned(shared, name)
    result = calibrate_from_pairs([(visible, infrared)])
    assert result.accepted, result.reason
    assert corner_error(result, true, infrared.shape) < 7.5


def test_a_real_pair_on_which_both_measures_disagree_is_refused(shared: Path) -> None:
    result = calibrate_from_pairs([unaligned(shared, "FLIR_07206")])
    # Edges agree well and in both halves of the image: by themselves they would be believed.
    assert result.quality.agreement > 0.2
    assert result.quality.halves < 4 < result.quality.measures
    assert not result.accepted


@pytest.mark.parametrize("tolerance", [float("nan"), 0.0, -1.0, float("inf")])
def test_a_tolerance_that_refuses_nothing_is_refused(tolerance: float) -> None:
    pair = (np.zeros((96, 128, 3), np.uint8), np.zeros((96, 128), np.uint8))
    with pytest.raises(InputError, match="tolerance"):
        calibrate_from_pairs([pair], tolerance=tolerance)
