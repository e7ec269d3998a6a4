"""Flicker: what counts as still, what the ratio says, and the region beside a transient object."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lut_fuse_core import Fuser
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.flicker import (
    FlickerMeter,
    FlickerReport,
    FusedFrame,
    TransientMeter,
)
from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.model.features import place
from lut_fuse_core.synthetic import SceneConfig, SceneFrame, StreetScene

Image = npt.NDArray[np.uint8]
SHAPE = (48, 64)


def flat(level: int) -> Image:
    return np.full(SHAPE, level, np.uint8)


def measure(frames: list[tuple[Image, Image, Image]]) -> FlickerReport:
    meter = FlickerMeter()
    for visible, infrared, fused in frames:
        meter.update(visible, infrared, fused)
    return meter.report()


def test_change_is_measured_in_gray_levels_per_step() -> None:
    report = measure([(flat(50), flat(90), flat(100)), (flat(52), flat(91), flat(106))])
    assert (report.visible, report.infrared, report.fused) == (2, 1, 6)
    assert report.ratio == 3
    assert (report.steps, report.skipped, report.still_share) == (1, 0, 1)


def test_only_pixels_where_both_inputs_stand_still_count() -> None:
    before, visible, infrared = flat(100), flat(100), flat(100)
    visible[:, :16] = 103
    infrared[:, 32:] = 97
    fused = np.maximum(visible, 200)
    fused[:, 16:32] = 101
    report = measure([(before, before, before), (visible, infrared, fused)])
    assert report.still_share == pytest.approx(0.25)
    assert report.fused == 1


def test_an_input_that_changes_by_the_limit_is_still() -> None:
    report = measure([(flat(100), flat(100), flat(0)), (flat(102), flat(98), flat(9))])
    assert report.still_share == 1
    assert report.fused == 9


def test_darkening_counts_like_brightening() -> None:
    assert measure([(flat(9), flat(9), flat(200)), (flat(8), flat(8), flat(195))]).fused == 5


def test_every_step_counts_the_same_however_much_stands_still() -> None:
    moved = flat(100)
    moved[:, 8:] = 180
    frames = [
        (flat(100), flat(100), flat(10)),
        (flat(100), flat(100), flat(12)),
        (moved, flat(100), flat(18)),
    ]
    report = measure(frames)
    assert report.steps == 2
    assert report.fused == pytest.approx((2 + 6) / 2)
    assert report.still_share == pytest.approx((1 + 8 / 64) / 2)


def test_steps_in_which_nothing_stands_still_are_left_out_and_counted() -> None:
    frames = [(flat(level), flat(100), flat(0)) for level in (50, 51, 150, 151)]
    report = measure(frames)
    assert (report.steps, report.skipped) == (2, 1)


def test_a_blend_of_noisy_inputs_is_calmer_than_they_are(rng: np.random.Generator) -> None:
    frames = []
    for _ in range(6):
        visible, infrared = rng.normal(100, 0.8, (2, *SHAPE)).round().astype(np.uint8)
        frames.append((visible, infrared, cv2.addWeighted(visible, 0.5, infrared, 0.5, 0.0)))
    assert measure(frames).ratio < 1


def test_amplified_noise_is_more_restless_than_the_inputs(rng: np.random.Generator) -> None:
    noise = rng.normal(0, 0.6, (6, *SHAPE)).round()
    frames = [((100 + n).astype(np.uint8), flat(90), (120 + 3 * n).astype(np.uint8)) for n in noise]
    assert measure(frames).ratio == pytest.approx(3)


def test_a_perfectly_still_video_has_ratio_zero_and_one_that_flickers_alone_infinity() -> None:
    assert measure([(flat(5), flat(5), flat(5))] * 3).ratio == 0
    alone = measure([(flat(5), flat(5), flat(5)), (flat(5), flat(5), flat(6))])
    assert alone.ratio == float("inf")


def test_a_change_of_size_starts_afresh() -> None:
    meter = FlickerMeter()
    for size in (48, 48, 80, 80):
        meter.update(*[np.zeros((size, size), np.uint8)] * 3)
    assert meter.report().steps == 2


def test_a_single_frame_has_no_flicker_to_report() -> None:
    with pytest.raises(InputError, match="two consecutive frames"):
        measure([(flat(1), flat(1), flat(1))])


def test_a_moving_camera_is_named_as_the_reason() -> None:
    with pytest.raises(InputError, match="fixed camera"):
        measure([(flat(level), flat(5), flat(5)) for level in (0, 100, 200)])


def test_images_of_one_frame_must_agree_in_size() -> None:
    with pytest.raises(InputError, match="64x48, 64x48, 48x64"):
        FlickerMeter().update(flat(0), flat(0), flat(0).T)


def test_the_inputs_of_a_real_night_street_are_as_restless_as_published(shared: Path) -> None:
    folder = shared / "data/llvip_sequence"
    meter = FlickerMeter()
    for number in range(10001, 10031):
        name = f"{number:06d}.jpg"
        visible = cv2.imread(str(folder / "visible" / name), cv2.IMREAD_COLOR)[..., ::-1]
        infrared = cv2.imread(str(folder / "infrared" / name), cv2.IMREAD_GRAYSCALE)
        meter.update(visible, infrared, fused=np.maximum(infrared, 128))
    report = meter.report()
    assert report.visible == pytest.approx(1.15, abs=0.05)
    assert report.infrared == pytest.approx(0.85, abs=0.05)
    assert report.steps == 29


def transient_scene() -> tuple[FusedFrame, FusedFrame]:
    """A view without and with a lamp in its left quarter."""
    visible = flat(40)
    visible[:, :16] = 250
    before = FusedFrame(flat(40), flat(80), flat(60))
    return before, FusedFrame(visible, flat(80), np.where(visible > 40, 255, 63).astype(np.uint8))


def test_a_transient_object_is_charged_only_for_the_region_it_does_not_touch() -> None:
    before, after = transient_scene()
    meter = TransientMeter()
    untouched = np.zeros((48, 64), np.bool_)
    untouched[:, 16:] = True
    meter.update(before, after, untouched)
    meter.update(before, before, untouched)
    report = meter.report()
    assert report.frames == 2
    assert report.share == pytest.approx(0.75)
    assert report.visible.worst == report.infrared.worst == 0
    assert (report.fused.mean, report.fused.worst, report.fused.shift) == (1.5, 3, 3)


def test_noise_hardly_shifts_the_brightness_of_a_region(rng: np.random.Generator) -> None:
    frames = [
        FusedFrame(*rng.normal(100, 3, (3, 200, 200)).round().astype(np.uint8)) for _ in range(2)
    ]
    meter = TransientMeter()
    meter.update(*frames, np.ones((200, 200), np.bool_))
    fused = meter.report().fused
    assert fused.mean > 3
    assert fused.shift < 0.1


def test_an_empty_region_is_refused() -> None:
    before, after = transient_scene()
    with pytest.raises(InputError, match="empty"):
        TransientMeter().update(before, after, np.zeros(SHAPE, np.bool_))


def test_a_mask_of_another_size_is_refused() -> None:
    before, after = transient_scene()
    with pytest.raises(InputError, match="differ in size"):
        TransientMeter().update(before, after, np.ones((2, 2), np.bool_))


@functools.cache
def street_with_and_without(transient: str) -> tuple[SceneFrame, SceneFrame]:
    """One moment of a synthetic street without and with a transient object, same noise."""
    size = {"width": 320, "height": 240}
    without = StreetScene(SceneConfig(**size)).frame(0)
    return without, StreetScene(SceneConfig(**size, **{transient: 0.0})).frame(0)


@pytest.mark.parametrize("light", [1, 1.2, 1.5, 2])
@pytest.mark.parametrize("transient", ["lamp_at", "hot_object_at"])
def test_a_transient_object_leaves_the_rest_of_the_default_models_picture_alone(
    transient: str, light: float
) -> None:
    fuser = Fuser("default", backend="reference")
    frames, scenes = [], street_with_and_without(transient)
    for scene in scenes:
        normalizer = InfraredNormalizer(NormalizationConfig(mode="range", low=7000, high=7600))
        infrared = normalizer(scene.infrared)
        visible = np.minimum(scene.visible * light, 255).astype(np.uint8)
        frames.append(FusedFrame.of(visible, infrared, fuser.fuse(visible, infrared)))
    meter = TransientMeter()
    meter.update(frames[0], frames[1], ~scenes[1].touched)
    assert meter.report().fused.worst < 1
    _, share = place(visible, fuser.model)
    assert (share > 0) == (light > 1)  # the test is of twilight, too


def test_scaling_each_frame_by_its_own_extremes_is_caught() -> None:
    without, entered = street_with_and_without("hot_object_at")
    frames = []
    for scene in (without, entered):
        scaled = cv2.normalize(scene.infrared, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        frames.append(FusedFrame.of(scene.visible, scaled, scaled))
    meter = TransientMeter()
    meter.update(frames[0], frames[1], ~entered.touched)
    assert meter.report().fused.shift > 10
    assert meter.report().visible.worst < 1
