"""Registration: where infrared lands, for every source, size and distance."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.cli.pipeline_options import add_pipeline_arguments, pipeline_config
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.file import (
    load_camera_info,
    load_registration,
    load_rig,
    save_camera_info,
    save_registration,
)
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import Registration, RegistrationConfig
from lut_fuse_core.registration.rig import CameraRig, Pose
from lut_fuse_core.registration.warp import Warp

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

VISIBLE = CameraModel(
    400, 300, ((330.0, 0, 205.0), (0, 332.0, 148.0), (0, 0, 1)), (-0.28, 0.09, 0.001, 0.0, 0.0)
)
INFRARED = CameraModel(
    320, 256, ((350.0, 0, 158.0), (0, 350.0, 130.0), (0, 0, 1)), (-0.35, 0.12, 0.0, 0.001, 0.0)
)
FISHEYE = CameraModel(
    320,
    256,
    ((200.0, 0, 160.0), (0, 200.0, 128.0), (0, 0, 1)),
    (0.02, -0.01, 0.0, 0.0),
    "equidistant",
)
POSE = Pose.from_quaternion([0.004, -0.01, 0.02, 1], [0.09, 0.02, -0.01])


def positions(warp: Warp) -> np.ndarray:
    """``(H, W, 2)`` infrared position of every visible pixel, from the fixed-point maps."""
    assert warp.remap is not None
    fraction = np.stack([warp.remap.fractions & 31, warp.remap.fractions >> 5], axis=-1) / 32
    return warp.remap.offsets + fraction


def seen_by(rig: CameraRig, pixels: np.ndarray, distance: float) -> np.ndarray:
    """Infrared pixels of points at that depth behind visible pixels, one by one."""
    rays = np.concatenate([rig.visible.rays(pixels), np.ones((len(pixels), 1))], axis=1)
    return rig.infrared.project(rig.infrared_from_visible.apply(rays * distance))


@pytest.mark.parametrize("infrared", [INFRARED, FISHEYE], ids=["pinhole", "fisheye"])
@pytest.mark.parametrize("distance", [1.5, 30.0])
def test_two_calibrated_cameras_meet_at_the_assumed_distance(
    infrared: CameraModel, distance: float
) -> None:
    rig = CameraRig(VISIBLE, infrared, POSE)
    warp = Registration(RegistrationConfig(rig, distance)).warp((320, 256), (400, 300))
    pixels = np.random.default_rng(0).integers((0, 0), (400, 300), (300, 2)).astype(float)
    expected = seen_by(rig, pixels, distance)
    found = positions(warp)[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
    inside = ((expected > 1) & (expected < (318, 254))).all(axis=1)
    assert inside.sum() > 100
    assert np.abs(found - expected)[inside].max() < 0.06


def test_the_distance_moves_the_image_by_the_parallax() -> None:
    rig = CameraRig(VISIBLE, INFRARED, POSE)
    registration = Registration(RegistrationConfig(rig, 2.0))
    near = positions(registration.warp((320, 256), (400, 300)))[150, 200]
    registration.config = RegistrationConfig(rig, float("inf"))
    far = positions(registration.warp((320, 256), (400, 300)))[150, 200]
    assert near[0] - far[0] == pytest.approx(350 * 0.09 / 2.0, abs=1.0)
    assert registration.recomputed == 2


def test_a_part_of_the_sensor_sees_what_it_saw_as_a_part() -> None:
    part = VISIBLE.cropped_to(100, 40, 200, 160)
    pixels = np.array([[0.0, 0.0], [55.0, 70.0]])
    np.testing.assert_allclose(
        part.rays(pixels), VISIBLE.rays(pixels + np.array([100, 40])), atol=1e-9
    )
    with pytest.raises(InputError, match=r"not within the camera's 400x300"):
        VISIBLE.cropped_to(300, 0, 101, 300)


def test_rays_far_outside_the_lens_are_not_folded_into_the_image() -> None:
    wide = CameraModel(400, 300, ((120.0, 0, 200.0), (0, 120.0, 150.0), (0, 0, 1)))
    warp = Registration(RegistrationConfig(CameraRig(wide, INFRARED))).warp((320, 256), (400, 300))
    assert warp.mask is not None
    # The plain polynomial would bend the outermost rays back inside; the view is one rectangle.
    rows = np.flatnonzero(warp.mask.any(axis=1))
    columns = np.flatnonzero(warp.mask.any(axis=0))
    assert rows.min() > 70
    assert rows.max() < 230
    assert columns.min() > 110
    assert columns.max() < 290


def test_a_homography_puts_infrared_where_it_says() -> None:
    matrix = np.array([[1.2, 0.05, 10], [-0.04, 1.1, 7], [1e-4, -5e-5, 1]])
    warp = Registration(RegistrationConfig(Homography.from_array(matrix))).warp(
        (320, 256), (400, 300)
    )
    infrared = np.zeros((256, 320), np.uint8)
    cv2.circle(infrared, (150, 100), 4, 255, -1)
    there = np.argwhere(warp(infrared) > 128).mean(axis=0)[::-1]
    expected = matrix @ [150, 100, 1]
    assert there == pytest.approx(expected[:2] / expected[2], abs=0.3)


@pytest.mark.parametrize("yaw", [-40, 40])
def test_a_camera_that_looks_aside_of_a_wide_one_is_seen(yaw: float) -> None:
    """Rotated right, the first visible pixel lies behind infrared's image plane."""
    size = 320, 240

    def intrinsics(field_of_view: float) -> np.ndarray:
        focal = size[0] / 2 / np.tan(np.radians(field_of_view) / 2)
        return np.array([[focal, 0, 159.5], [0, focal, 119.5], [0, 0, 1]])

    turn = cv2.Rodrigues(np.array([0, np.radians(yaw), 0]))[0]
    matrix = intrinsics(110) @ turn @ np.linalg.inv(intrinsics(40))
    warp = Registration(RegistrationConfig(Homography.from_array(matrix))).warp(size, size)
    seen = warp.mask > 0
    center = matrix @ [159.5, 119.5, 1]
    x, y = np.rint(center[:2] / center[2]).astype(int)
    assert seen[y, x]
    assert 0.1 < seen.mean() < 0.6


def test_sizes_without_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="0x0 pixels"):
        Homography(((1, 0, 0), (0, 1, 0), (0, 0, 1)), infrared_size=(0, 0))


def test_a_registration_follows_images_of_another_size() -> None:
    matrix = Homography(((2.0, 0, 5), (0, 2.0, 9), (0, 0, 1)), (320, 256), (640, 512))
    halved = matrix.between((160, 128), (320, 256))
    corner = halved @ [0, 0, 1]
    # The center of the first pixel of the small image is at (0.5, 0.5) in the large one.
    assert corner[:2] == pytest.approx([(2 * 0.5 + 5) / 2 - 0.25, (2 * 0.5 + 9) / 2 - 0.25])
    with pytest.raises(InputError, match="another shape"):
        matrix.between((320, 200), (640, 512))


def test_what_infrared_does_not_see_fades_out_within_the_feather() -> None:
    shifted = Homography(((1, 0, 100), (0, 1, 0), (0, 0, 1)))
    warp = Registration(RegistrationConfig(shifted, feather=20)).warp((400, 300), (400, 300))
    assert warp.mask is not None
    row = warp.mask[150].astype(int)
    assert row[:99].max() == 0
    assert row[125:].min() == 255
    assert 0 < row[110] < 255
    assert (np.diff(row[:130]) >= 0).all()
    assert np.diff(row).max() < 30


def test_a_full_view_needs_no_mask() -> None:
    larger = Homography(((2, 0, -50), (0, 2, -50), (0, 0, 1)))
    assert Registration(RegistrationConfig(larger)).warp((400, 300), (400, 300)).mask is None


def test_without_registration_infrared_is_resized() -> None:
    infrared = np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.uint8)
    warped = Registration().warp((80, 60), (160, 120))(infrared)
    assert np.array_equal(warped, cv2.resize(infrared, (160, 120)))


def test_files_come_back_as_they_were_saved(tmp_path: Path) -> None:
    homography = Homography(((2.0, 0, 5), (1e-5, 2.0, 9), (1e-6, 0, 1)), (320, 256), (640, 512))
    rig = CameraRig(VISIBLE, FISHEYE, POSE)
    for suffix in ("json", "yaml"):
        for transform in (homography, rig):
            save_registration(tmp_path / f"r.{suffix}", transform, {"quality": 0.5})
            assert load_registration(tmp_path / f"r.{suffix}") == transform


def test_a_bare_matrix_is_a_homography(tmp_path: Path) -> None:
    matrix = np.array([[2.0, 0, 5], [0, 2, 9], [0, 0, 1]])
    np.savetxt(tmp_path / "h.txt", matrix)
    np.save(tmp_path / "h.npy", matrix)
    (tmp_path / "h.json").write_text(str(matrix.tolist()))
    for name in ("h.txt", "h.npy", "h.json"):
        assert load_registration(tmp_path / name) == Homography.from_array(matrix)


def test_camera_info_files_and_an_extrinsic_make_a_rig(tmp_path: Path) -> None:
    save_camera_info(tmp_path / "v.yaml", VISIBLE, "visible")
    save_camera_info(tmp_path / "i.yaml", FISHEYE, "infrared")
    assert load_camera_info(tmp_path / "i.yaml") == FISHEYE
    (tmp_path / "e.yaml").write_text("translation: [0.1, 0, 0]\nquaternion: [0, 0, 0, 1]\n")
    rig = load_rig(tmp_path / "v.yaml", tmp_path / "i.yaml", tmp_path / "e.yaml")
    assert rig == CameraRig(VISIBLE, FISHEYE, Pose(translation=(0.1, 0.0, 0.0)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{broken", "neither JSON nor YAML"),
        ('{"a": 1}', "neither a 'homography' nor a camera rig"),
        ('{"homography": [[1, 2], [3, 4]]}', "3x3"),
        ('{"homography": [[0, 0, 0], [0, 0, 0], [0, 0, 0]]}', "singular"),
        ('{"infrared_from_visible": {}}', "visible"),
        ('{"homography": [[1,0,0],[0,1,0],[0,0,1]], "visible_size": [0, 0]}', "no pixels"),
        ('{"homography": [[1,0,0],[0,1,0],[0,0,1]], "visible_size": {"w": 1}}', "image size"),
        ('{"homography": [[1,0,0],[0,1,0],[0,0,1]], "visible_size": [Infinity, 5]}', "infinity"),
        (
            '{"homography": [[1,0,0],[0,1,0],[0,0,1]], "homography": 1}',
            "'homography' is there twice",
        ),
        ("[" * 100_000, "neither JSON nor YAML"),
        (f'{{"homography": {"9" * 5000}}}', "neither JSON nor YAML"),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError, match=message):
        load_registration(tmp_path / "r.json")


def test_a_rig_whose_image_has_no_finite_width_is_refused(tmp_path: Path) -> None:
    rig = CameraRig(VISIBLE, INFRARED).to_dict()
    rig["visible"]["image_width"] = float("inf")
    (tmp_path / "r.json").write_text(json.dumps(rig))
    with pytest.raises(InputError, match="cannot convert float infinity"):
        load_registration(tmp_path / "r.json")


def test_a_camera_that_was_never_calibrated_is_refused() -> None:
    with pytest.raises(InputError, match="not calibrated"):
        CameraModel.from_camera_info(640, 480, [0.0] * 9, [], "plumb_bob")


@pytest.mark.parametrize("distance", [0.0, -1.0, float("nan")])
def test_a_distance_that_makes_no_sense_is_refused(distance: float) -> None:
    with pytest.raises(InputError, match="distance"):
        RegistrationConfig(distance=distance)


def registration_of(arguments: list[str]) -> RegistrationConfig:
    """What the options of the fusing subcommands make of these arguments."""
    parser = argparse.ArgumentParser()
    add_pipeline_arguments(parser)
    return pipeline_config(parser.parse_args(arguments), resize=True).registration


def test_the_command_line_takes_a_registration_or_two_cameras(tmp_path: Path) -> None:
    rig = CameraRig(VISIBLE, INFRARED)
    save_registration(tmp_path / "rig.json", rig)
    save_camera_info(tmp_path / "v.yaml", VISIBLE, "visible")
    save_camera_info(tmp_path / "i.yaml", INFRARED, "infrared")
    cameras = ["--camera-info", str(tmp_path / "v.yaml"), str(tmp_path / "i.yaml")]
    expected = RegistrationConfig(rig, 5.0, 10.0)
    more = ["--distance", "5", "--feather", "10"]
    assert registration_of(["--registration", str(tmp_path / "rig.json"), *more]) == expected
    assert registration_of([*cameras, *more]) == expected
    assert registration_of([]).transform is None
    with pytest.raises(InputError, match="not both"):
        registration_of([*cameras, "--registration", str(tmp_path / "rig.json")])
    with pytest.raises(InputError, match="needs --camera-info"):
        registration_of(["--extrinsics", str(tmp_path / "rig.json")])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"PK\x05\x06"])
def test_an_array_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"3x3|cannot read"):
        load_registration(tmp_path / "r.npy")


def test_a_camera_info_with_words_for_numbers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "image_width: wide\nimage_height: 480\ncamera_matrix: {data: [1,0,0,0,1,0,0,0,1]}\n"
    )
    with pytest.raises(InputError, match="camera_info"):
        load_camera_info(tmp_path / "c.yaml")


def test_the_same_view_at_another_resolution_is_covered_to_its_edges() -> None:
    same = Homography(IDENTITY, (640, 480), (640, 480))
    for size in ((320, 240), (640, 480), (1280, 960)):
        warp = Registration(RegistrationConfig(same)).warp(size, (640, 480))
        assert warp.mask is None, size


def test_a_registration_that_shows_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    aside = Homography(((1.0, 0.0, 5000.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    Registration(RegistrationConfig(aside)).warp((64, 48), (64, 48))
    assert "sees no pixel" in caplog.text


def test_how_much_of_the_visible_image_infrared_sees_is_known() -> None:
    registration = Registration(
        RegistrationConfig(Homography(((0.5, 0, 0), (0, 0.5, 0), (0, 0, 1))))
    )
    registration.warp((80, 64), (80, 64))
    assert registration.covered == pytest.approx(0.25, abs=0.01)
    registration.config = RegistrationConfig()
    registration.warp((80, 64), (80, 64))
    assert registration.covered == 1


@pytest.mark.parametrize("name", ["rig.npy", "rig.txt", "rig", "nowhere/rig.json"])
def test_a_file_that_could_not_be_read_back_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"must end in|no folder"):
        save_registration(tmp_path / name, Homography(IDENTITY))
    assert not list(tmp_path.iterdir())


def test_images_too_large_for_a_map_are_refused() -> None:
    with pytest.raises(InputError, match="32767"):
        Registration(RegistrationConfig(Homography(IDENTITY))).warp((40000, 20), (64, 48))
