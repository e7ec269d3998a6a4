"""The synthetic street."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.synthetic import SceneConfig, StreetScene

SMALL = {"width": 96, "height": 72}


@pytest.fixture(scope="module")
def night() -> StreetScene:
    return StreetScene(SceneConfig(**SMALL))


def test_a_frame_is_a_registered_pair_of_the_size_asked_for():
    frame = StreetScene(SceneConfig(width=61, height=35)).frame(3)
    assert (frame.visible.shape, frame.visible.dtype) == ((35, 61, 3), np.uint8)
    assert (frame.infrared.shape, frame.infrared.dtype) == ((35, 61), np.uint16)
    assert frame.time == pytest.approx(0.1)


def test_the_same_seed_gives_the_same_frames_in_any_order(night):
    later = night.frame(9)
    again = StreetScene(SceneConfig(**SMALL))
    again.frame(2)
    np.testing.assert_array_equal(again.frame(9).visible, later.visible)
    np.testing.assert_array_equal(again.frame(9).infrared, later.infrared)


def test_another_seed_gives_another_street(night):
    other = StreetScene(SceneConfig(**SMALL, seed=1)).frame(0).visible.astype(int)
    assert np.abs(other - night.frame(0).visible).mean() > 2


def test_people_stand_out_in_infrared_more_than_in_the_dark_visible_image():
    config = SceneConfig(width=160, height=120, cars=0, parked=0, noisy=False)
    with_people, without = (
        StreetScene(config),
        StreetScene(SceneConfig(width=160, height=120, cars=0, parked=0, noisy=False, people=0)),
    )
    pair, empty = with_people.frame(0), without.frame(0)
    body = pair.infrared.astype(int) - empty.infrared > 150
    assert 50 < body.sum() < body.size / 8
    spread = np.percentile(empty.infrared, 95) - np.percentile(empty.infrared, 5)
    warmer = pair.infrared[body].mean() - empty.infrared[body].mean()
    brighter = pair.visible[body].mean() - empty.visible[body].mean()
    assert warmer > 0.8 * spread
    assert abs(brighter) < 40


def test_things_move_unless_told_not_to():
    moving = StreetScene(SceneConfig(**SMALL, noisy=False))
    assert np.any(moving.frame(0).infrared != moving.frame(15).infrared)
    still = StreetScene(SceneConfig(**SMALL, noisy=False, moving=False))
    np.testing.assert_array_equal(still.frame(0).infrared, still.frame(15).infrared)
    np.testing.assert_array_equal(still.frame(0).visible, still.frame(15).visible)


def test_a_still_scene_differs_by_sensor_noise_alone():
    still = StreetScene(SceneConfig(**SMALL, moving=False))
    difference = still.frame(0).visible.astype(float) - still.frame(1).visible
    assert 0.3 < difference.std() < 12
    assert abs(difference.mean()) < 0.5


def test_infrared_drifts_slowly_and_uses_14_bits(night):
    counts = [night.frame(30 * second).infrared for second in range(0, 48, 6)]
    assert max(int(image.max()) for image in counts) < 1 << 14
    medians = [float(np.median(image)) for image in counts]
    assert 40 < max(medians) - min(medians) < 200


def test_day_is_brighter_than_night(night):
    day = StreetScene(SceneConfig(**SMALL, day=True)).frame(0).visible
    assert day.mean() > 2 * night.frame(0).visible.mean()


@pytest.mark.parametrize("event", ["lamp_at", "hot_object_at"])
def test_a_transient_object_touches_a_part_of_the_image_and_nothing_else(event):
    config = {**SMALL, "noisy": False, "moving": False}
    frames = [*StreetScene(SceneConfig(**config, **{event: 0.1})).frames(4)]
    before, after = frames[2], frames[3]
    assert not before.touched.any()
    assert 0.002 < after.touched.mean() < 0.5
    same = ~after.touched
    np.testing.assert_array_equal(before.visible[same], after.visible[same])
    np.testing.assert_array_equal(before.infrared[same], after.infrared[same])
    assert (before.visible != after.visible).any() or (before.infrared != after.infrared).any()


def test_the_lamp_is_bright_and_the_hot_object_hot():
    config = {**SMALL, "noisy": False, "moving": False, "cars": 0}
    lamp = [*StreetScene(SceneConfig(**config, lamp_at=0.03)).frames(2)]
    assert (lamp[1].visible.astype(int) - lamp[0].visible).max() > 120
    hot = [*StreetScene(SceneConfig(**config, hot_object_at=0.03)).frames(2)]
    assert hot[1].infrared.max() > hot[0].infrared.max() + 2000


@pytest.mark.parametrize("change", [{"width": 8}, {"height": 9000}, {"rate": 0}])
def test_an_impossible_scene_is_refused(change):
    with pytest.raises(InputError):
        SceneConfig(**change)
