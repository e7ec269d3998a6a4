"""Two cameras in the synthetic street: the same scene, displaced by what its depth says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lut_fuse_core.registration import infrared_positions
from lut_fuse_core.synthetic.rig import StreetRig
from lut_fuse_core.synthetic.scene import SceneConfig, StreetScene

CONFIG = SceneConfig(320, 240, seed=5, day=True, noisy=False)


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """Infrared of one camera."""
    return StreetScene(CONFIG).frame(0).infrared.astype(np.float32)


@pytest.mark.parametrize("baseline", [(0.2, 0.0), (0.0, 0.1)])
def test_infrared_shows_at_the_displaced_place_what_one_camera_would_show(
    baseline, expected
) -> None:
    rig = StreetRig(CONFIG, baseline)
    frame = rig.frame(0)
    y, x = np.indices(frame.depth.shape, dtype=np.float32)
    moved = rig.displacement(frame.depth, np.inf)
    found = cv2.remap(
        frame.infrared.astype(np.float32), x + moved[..., 0], y + moved[..., 1], cv2.INTER_LINEAR
    )
    difference = np.abs(found - expected)[frame.both]
    unmoved = np.abs(frame.infrared - expected)[frame.both]
    assert difference.mean() < 0.4 * unmoved.mean()


def test_the_rig_that_is_told_agrees_with_the_displacement() -> None:
    rig = StreetRig(SceneConfig(80, 60, day=True), (0.1, 0.05))
    point = np.array([[25.0, 45.0]])
    at = infrared_positions(rig.cameras, 1 / 5.0, (80, 60), (80, 60), point)
    depth = np.full((60, 80), 5.0, np.float32)
    np.testing.assert_allclose(at - point, [rig.displacement(depth, np.inf)[45, 25]], atol=1e-4)


def test_people_stand_where_the_depth_says() -> None:
    frame = StreetRig(CONFIG, (0.1, 0.0)).frame(0)
    people = frame.depth[frame.labels == 2]
    assert people.size
    assert (people > 1).all()
    assert (people < 75).all()


def test_dusk_is_a_dark_day_without_lamps() -> None:
    day, dusk = (
        StreetScene(SceneConfig(160, 120, day=True, dusk=dusk)).frame(0).visible.mean()
        for dusk in (False, True)
    )
    assert 10 < dusk < 0.5 * day
