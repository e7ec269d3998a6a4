"""The displacement field of single pairs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lut_fuse_core.io.image_files import read_infrared, read_visible
from lut_fuse_core.registration import CameraModel, CameraRig, Pose, RegistrationConfig
from lut_fuse_core.registration.field.displacement import DisplacementField
from lut_fuse_core.registration.field.estimator import FieldEstimator
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.synthetic.scene import SceneConfig, StreetScene

SIZE = (320, 240)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    frame = StreetScene(SceneConfig(*SIZE, seed=3, day=True)).frame(0)
    return frame.visible, frame.infrared


def estimate(visible: np.ndarray, infrared: np.ndarray) -> DisplacementField:
    size, infrared_size = visible.shape[1::-1], infrared.shape[::-1]
    geometry = FieldGeometry(RegistrationConfig(), infrared_size, size)
    return FieldEstimator(geometry).estimate(visible, infrared)


def moved(infrared: np.ndarray, across: int, down: int) -> np.ndarray:
    shift = np.array([[1, 0, across], [0, 1, down]], np.float64)
    return cv2.warpAffine(infrared, shift, SIZE, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("shift", [(7, 0), (-9, 0), (0, 6)])
def test_a_shifted_image_is_found(pair, shift) -> None:
    field = estimate(pair[0], moved(pair[1], *shift)).everywhere()
    middle = field[60:180, 80:240]
    assert np.linalg.norm(middle - np.array(shift), axis=-1).mean() < 0.6


def test_a_registered_pair_stays_as_it_is(pair) -> None:
    field = estimate(*pair)
    assert np.linalg.norm(field.displacement, axis=-1).mean() < 0.3


@pytest.mark.parametrize("name", ["FLIR_04412", "FLIR_05027", "FLIR_05252"])
def test_a_registered_pair_of_real_cameras_moves_less_than_half_a_pixel(shared, name) -> None:
    folder = shared / "data" / "roadscene" / "train"
    visible = read_visible(folder / "visible" / f"{name}.jpg")
    field = estimate(visible, read_infrared(folder / "infrared" / f"{name}.jpg"))
    assert np.linalg.norm(field.everywhere(), axis=-1).mean() < 0.5


def test_a_direction_between_those_that_are_tried_first_is_found(pair) -> None:
    slanted = moved(pair[1], 10, 3)
    field = estimate(pair[0], slanted).everywhere()[60:180, 80:240]
    assert np.linalg.norm(field - np.array([10, 3]), axis=-1).mean() < 0.8


@pytest.mark.parametrize("black", ["visible", "infrared"])
def test_a_black_image_moves_nothing_and_gives_no_confidence(pair, black) -> None:
    visible, infrared = pair
    if black == "visible":
        visible = np.zeros_like(visible)
    else:
        infrared = np.zeros_like(infrared)
    field = estimate(visible, infrared)
    assert not field.displacement.any()
    assert field.confidence.max() < 0.01


def test_inverted_infrared_gives_the_same_field(pair) -> None:
    visible, infrared = pair
    one = estimate(visible, moved(infrared, 7, 0))
    other = estimate(visible, moved(16383 - infrared, 7, 0))
    np.testing.assert_allclose(one.displacement, other.displacement, atol=0.05)


def test_calibrated_cameras_are_searched_along_their_epipolar_lines() -> None:
    camera = CameraModel(640, 480, ((560, 0, 320), (0, 560, 240), (0, 0, 1)))
    # Infrared 10 cm to the right: what it shows lies to the left of the visible image's.
    rig = CameraRig(camera, camera, Pose(translation=(-0.1, 0.0, 0.0)))
    found = FieldGeometry(RegistrationConfig(rig, distance=20.0), (640, 480), (640, 480))
    lines, backwards = found.choices
    assert (backwards.first, backwards.last) == (-lines.last, -lines.first)
    assert not lines.vertical
    np.testing.assert_allclose(lines.slopes, 0, atol=1e-3)
    # At 1.5 m 37.3 pixels, at 20 m 2.8, at infinity none: in steps of 2 pixels, and 2 to spare.
    assert lines.first == -20
    assert lines.last == 4


def test_what_lies_beyond_the_view_of_infrared_goes_on_as_what_is_beside_it() -> None:
    camera = CameraModel(640, 480, ((560, 0, 320), (0, 560, 240), (0, 0, 1)))
    rig = CameraRig(camera, camera, Pose(translation=(-0.1, 0.0, 0.0)))
    noise = np.random.default_rng(0).uniform(0, 255, (480, 760)).astype(np.float32)
    wall = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    # A wall at 2 m, 28 pixels aside; at 20 m, where the rig is set, 2.8.
    visible = np.repeat(wall[:, 60:700, None], 3, axis=2).astype(np.uint8)
    infrared = (255 - wall[:, 88:728]).astype(np.uint8)
    geometry = FieldGeometry(RegistrationConfig(rig, distance=20.0), (640, 480), (640, 480))
    lines = geometry.choices[0]
    unseen = geometry.unseen(lines)
    assert unseen[:, 0, : -lines.first - 8].all()  # a whole cell and more to the left
    assert not unseen[..., -lines.first].any()  # the set distance
    field = FieldEstimator(geometry).estimate(visible, infrared).displacement[..., 0]
    # By chance something within the view fits the outermost cells, 2 pixels off in the mean.
    assert np.abs(field[:, 0] + 25.2).mean() < 0.6


def test_a_field_is_interpolated_between_cells_and_continued_beyond_them() -> None:
    displacement = np.zeros((2, 2, 2), np.float32)
    displacement[:, 1, 0] = 8
    field = DisplacementField(displacement, np.ones((2, 2), np.float32), (16, 16), np.ones(2))
    across = field.everywhere()[5, :, 0]
    np.testing.assert_allclose(across[[0, 3, 7, 8, 12, 15]], [0, 0, 3.5, 4.5, 8, 8], atol=0.3)
