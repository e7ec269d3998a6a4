"""FusionPipeline: from a raw pair to a fused image, and what it does when infrared is missing."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from swinging import swinging_cameras

from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.model.encoder import ContextEncoder, ConvBlock
from lut_fuse_core.model.fusion_model import Axis, FusionModel, GradientSpec
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import RegistrationConfig


def maximum_model() -> FusionModel:
    """A lattice that holds max(luma, infrared), so that every expected pixel is known."""
    luma, infrared = np.linspace(0, 1, 16), np.linspace(0, 1, 16)
    plane = np.maximum(luma[:, None], infrared[None]).astype(np.float32)
    lattice = np.ascontiguousarray(np.broadcast_to(plane[..., None, None], (16, 16, 2, 2)))
    blocks = (
        ConvBlock(np.zeros((4, 2, 3, 3), np.float32), np.zeros(4, np.float32)),
        ConvBlock(np.zeros((1, 4, 3, 3), np.float32), np.zeros(1, np.float32)),
    )
    return FusionModel(
        lattice[None],
        (
            Axis("luma", 16, 0, 255),
            Axis("infrared", 16, 0, 255),
            Axis("gradient", 2, 0, 255),
            Axis("context", 2, 0, 255),
        ),
        GradientSpec(),
        ContextEncoder(blocks, skip=False),
    )


CONFIG = PipelineConfig(model=maximum_model(), backend="reference", threads=1)
VISIBLE = np.full((64, 80, 3), 50, np.uint8)
WARM = np.full((64, 80), 200, np.uint8)


def pipeline(**changes: object) -> FusionPipeline:
    return FusionPipeline(replace(CONFIG, **changes))  # type: ignore[arg-type]


def test_a_registered_pair_is_fused() -> None:
    fused = pipeline().process(VISIBLE, WARM)
    assert np.abs(fused.astype(int) - 200).max() <= 1


def test_without_infrared_the_visible_image_is_shown() -> None:
    rig = pipeline()
    assert np.array_equal(rig.process(VISIBLE, None), VISIBLE)
    assert rig.status.source == "visible"
    assert rig.status.visible_only == 1


def test_the_last_infrared_frame_serves_until_it_is_too_old() -> None:
    rig = pipeline(max_infrared_age=0.2)
    rig.process(VISIBLE, WARM, visible_time=10.0, infrared_time=10.0)
    held = rig.process(VISIBLE, None, visible_time=10.1)
    assert held.max() > 190
    assert rig.status.source == "reused"
    assert rig.status.infrared_age == pytest.approx(0.1)
    assert np.array_equal(rig.process(VISIBLE, None, visible_time=10.3), VISIBLE)


def test_a_held_frame_survives_the_caller_reusing_its_buffer() -> None:
    rig = pipeline()
    frame = WARM.copy()
    rig.process(VISIBLE, frame, visible_time=0.0, infrared_time=0.0)
    frame[:] = 0
    assert rig.process(VISIBLE, None, visible_time=0.1).min() > 190


def test_the_clock_offset_is_taken_off_the_infrared_stamps() -> None:
    late = pipeline(max_infrared_age=0.05)
    assert np.array_equal(late.process(VISIBLE, WARM, visible_time=1.0, infrared_time=1.3), VISIBLE)
    late.reconfigure(replace(late.config, clock_offset=0.3))
    assert late.process(VISIBLE, WARM, visible_time=1.0, infrared_time=1.3).min() > 190


def test_time_running_backwards_forgets_the_stream() -> None:
    rig = pipeline()
    rig.process(VISIBLE, WARM, visible_time=100.0, infrared_time=100.0)
    assert np.array_equal(rig.process(VISIBLE, None, visible_time=5.0), VISIBLE)
    assert rig.status.resets == 1


def test_time_running_backwards_is_noticed_across_images_without_a_time() -> None:
    rig = pipeline()
    rig.process(VISIBLE, WARM, visible_time=100.0, infrared_time=100.0)
    rig.process(VISIBLE, None)
    rig.process(VISIBLE, None, visible_time=5.0)
    assert rig.status.resets == 1


def test_strength_scales_the_infrared_contribution_at_run_time() -> None:
    rig = pipeline()
    levels = []
    for strength in (0.0, 0.25, 0.5, 1.0):
        rig.reconfigure(replace(rig.config, strength=strength))
        levels.append(float(rig.process(VISIBLE, WARM).mean()))
    assert levels == pytest.approx([50, 87.5, 125, 200], abs=1.5)


def test_pixels_beyond_the_infrared_view_stay_visible_with_a_feather() -> None:
    centered = Homography(((0.5, 0, 20), (0, 0.5, 16), (0, 0, 1)))
    fused = pipeline(registration=RegistrationConfig(centered, feather=8)).process(VISIBLE, WARM)
    assert (fused[:10] == 50).all()
    assert fused[32, 40, 0] >= 199
    row = fused[32, :, 0].astype(int)
    assert np.abs(np.diff(row)).max() < 40, "the edge of the infrared view must be no step"


def test_the_remap_is_computed_only_when_something_changes() -> None:
    rig = pipeline(registration=RegistrationConfig(Homography(((1, 0, 3), (0, 1, 0), (0, 0, 1)))))
    for _ in range(3):
        rig.process(VISIBLE, WARM)
    assert rig.status.remaps == 1
    rig.reconfigure(
        replace(
            rig.config,
            registration=RegistrationConfig(Homography(((1, 0, 9), (0, 1, 0), (0, 0, 1)))),
        )
    )
    rig.process(VISIBLE, WARM)
    assert rig.status.remaps == 2


def test_a_repeated_frame_moves_with_a_new_registration() -> None:
    rig = pipeline()
    half = WARM.copy()
    half[:, :40] = 0
    for _ in range(3):
        before = rig.process(VISIBLE, half)
    rig.reconfigure(
        replace(
            rig.config,
            registration=RegistrationConfig(Homography(((1, 0, -20), (0, 1, 0), (0, 0, 1)))),
        )
    )
    after = rig.process(VISIBLE, half)
    assert before[32, 50, 0] == 200
    assert after[32, 25, 0] == 200


def sensor(number: int) -> np.ndarray:
    """A 16-bit frame of a live stream."""
    noise = np.random.default_rng(number).normal(0, 4, (64, 80))
    return (7000 + 15 * np.arange(80) + noise).astype(np.uint16)


@pytest.mark.parametrize("reset", [False, True])
def test_a_pair_that_was_refused_does_not_bring_an_earlier_picture_back(reset: bool) -> None:
    rig = pipeline(resize=False, normalization=NormalizationConfig("range", low=7000, high=9000))
    rig.process(VISIBLE, sensor(0), visible_time=0.0, infrared_time=0.0)
    if reset:
        rig.reset()
    bright = sensor(1) + np.uint16(800)
    with pytest.raises(InputError, match="images of one size"):
        rig.process(np.zeros((48, 64, 3), np.uint8), bright, visible_time=0.1, infrared_time=0.1)
    repeated = rig.process(VISIBLE, bright, visible_time=0.2, infrared_time=0.2)
    assert repeated[0, 0, 0] == pytest.approx(255 * 800 / 2000, abs=2)


def test_the_closed_shutter_is_not_shown_where_the_registration_changes_meanwhile() -> None:
    rig = pipeline()
    for number in range(20):
        time = number / 30
        open_shutter = rig.process(VISIBLE, sensor(number), visible_time=time, infrared_time=time)
    blank = (9000 + np.random.default_rng(99).normal(0, 4, (64, 80))).astype(np.uint16)
    rig.process(VISIBLE, blank, visible_time=0.7, infrared_time=0.7)
    rig.reconfigure(
        replace(
            rig.config,
            registration=RegistrationConfig(Homography(((1, 0, -8), (0, 1, 0), (0, 0, 1)))),
        )
    )
    shown = rig.process(VISIBLE, blank, visible_time=0.73, infrared_time=0.73)
    assert np.abs(shown[:, :40].astype(int) - open_shutter[:, 8:48]).max() <= 1


def test_a_camera_that_repeats_one_frame_for_long_is_told_of() -> None:
    rig = pipeline()
    for number in range(90):
        rig.process(VISIBLE, sensor(min(number, 10)))
        assert rig.status.stopped == (number > 55)
    rig.process(VISIBLE, sensor(100))
    assert not rig.status.stopped


def test_one_picture_published_for_ever_is_fused_for_ever() -> None:
    rig = pipeline(max_infrared_age=0.5)
    for number in range(120):
        rig.process(VISIBLE, sensor(0), visible_time=number / 30, infrared_time=number / 30)
    assert rig.status.fused == 120
    assert not rig.status.stopped


def test_what_is_known_of_the_camera_outlives_a_change_of_the_normalization() -> None:
    rig = pipeline(normalization=NormalizationConfig(dead_pixels=True))
    for number in range(80):
        frame = sensor(number)
        frame[20, 30] = 9999
        rig.process(VISIBLE, frame)
    rig.process(VISIBLE, frame)
    known = rig.status
    assert known.dead_pixels == 1
    assert known.shutter.frozen == 1
    rig.reconfigure(
        replace(
            rig.config,
            normalization=NormalizationConfig("range", low=7000, high=9000, dead_pixels=True),
        )
    )
    rig.process(VISIBLE, frame)
    assert (rig.status.dead_pixels, rig.status.shutter) == (known.dead_pixels, known.shutter)


def test_normalization_changes_at_run_time() -> None:
    raw = np.full((64, 80), 1500, np.uint16)
    rig = pipeline(normalization=NormalizationConfig(mode="range", low=1000, high=2000))
    assert rig.process(VISIBLE, raw).mean() == pytest.approx(128, abs=2)
    rig.reconfigure(
        replace(rig.config, normalization=NormalizationConfig(mode="range", low=1000, high=1500))
    )
    assert rig.process(VISIBLE, raw).mean() == pytest.approx(255, abs=1)


def test_the_output_lands_in_the_array_that_is_given() -> None:
    out = np.empty_like(VISIBLE)
    assert pipeline().process(VISIBLE, WARM, out=out) is out
    assert pipeline().process(VISIBLE, None, out=out) is out
    assert np.array_equal(out, VISIBLE)


@pytest.mark.parametrize("infrared", [WARM, None])
@pytest.mark.parametrize(
    "out",
    [
        np.empty((5, 5, 3), np.uint8),
        np.empty((64, 80, 3)),
        np.empty((64, 160, 3), np.uint8)[:, ::2],
    ],
)
def test_an_output_array_that_does_not_fit_is_refused(infrared, out: np.ndarray) -> None:
    with pytest.raises(InputError, match="out must be"):
        pipeline().process(VISIBLE, infrared, out=out)


@pytest.mark.parametrize("clock", ["fixed", "report"])
@pytest.mark.parametrize(
    "infrared",
    [np.zeros((0, 0), np.uint16), np.zeros(5, np.uint8), np.zeros((4, 4, 4, 4), np.uint8), [[1]]],
)
def test_what_is_no_infrared_image_is_refused(clock: str, infrared) -> None:
    with pytest.raises(InputError, match="infrared must be"):
        pipeline(clock=clock).process(VISIBLE, infrared, visible_time=0.0, infrared_time=0.0)


@pytest.mark.parametrize("times", [(np.nan, 0.0), (0.0, np.inf)])
def test_times_that_are_not_finite_are_refused(times: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="finite seconds"):
        pipeline().process(VISIBLE, WARM, visible_time=times[0], infrared_time=times[1])


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_a_strength_outside_0_to_1_is_refused(strength: float) -> None:
    with pytest.raises(InputError, match="strength"):
        replace(CONFIG, strength=strength)


def textured_pair() -> tuple[np.ndarray, np.ndarray]:
    """A visible image with structure, and a warm block in columns 30 to 49."""
    texture = np.random.default_rng(0).integers(0, 120, (64, 96)).astype(np.uint8)
    texture = cv2.GaussianBlur(texture, (0, 0), 2.0)
    texture = cv2.normalize(texture, None, 0, 160, cv2.NORM_MINMAX)
    warm = np.zeros((64, 96), np.uint8)
    warm[20:44, 30:50] = 255
    return np.repeat(texture[..., None], 3, 2), warm


def block_center(fused: np.ndarray) -> float:
    return float(np.flatnonzero(fused[32, :, 0] > 230).mean())


def test_a_held_frame_can_follow_the_motion_of_the_visible_image() -> None:
    before, warm = textured_pair()

    def peak(mode: str) -> float:
        rig = pipeline(reuse_alignment=mode)
        rig.process(before, warm, visible_time=0.0, infrared_time=0.0)
        return block_center(rig.process(np.roll(before, 5, axis=1), None, visible_time=0.1))

    assert peak("hold") == pytest.approx(39.5, abs=1)
    assert peak("warp") == pytest.approx(44.5, abs=1)


def test_a_held_frame_moves_from_the_visible_image_nearest_to_it_in_time() -> None:
    """Infrared that is newer than the first image it serves belongs to the next one."""
    image, warm = textured_pair()
    rig = pipeline(reuse_alignment="warp")
    rig.process(np.roll(image, -4, axis=1), warm, visible_time=0.0, infrared_time=0.04)
    assert block_center(rig.process(image, None, visible_time=0.04)) == pytest.approx(39.5, abs=1)
    late = rig.process(np.roll(image, 4, axis=1), None, visible_time=0.08)
    assert block_center(late) == pytest.approx(43.5, abs=1)


def test_the_picture_of_a_camera_whose_shutter_is_closed_moves_along() -> None:
    image, warm = textured_pair()
    rig = pipeline(reuse_alignment="warp")
    for number in range(6):
        moved = np.roll(image, number, axis=1)
        shown = rig.process(moved, warm, visible_time=number / 30, infrared_time=number / 30)
    assert block_center(shown) == pytest.approx(39.5 + 5, abs=1)


@pytest.mark.parametrize("size", [(120, 1280), (24, 96), (17, 90), (640, 17)])
def test_held_frames_move_in_images_of_any_shape(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    rig = pipeline(reuse_alignment="warp")
    for number in range(4):
        visible = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        infrared = rng.integers(0, 256, size, dtype=np.uint8) if number % 2 == 0 else None
        rig.process(visible, infrared, visible_time=number / 30, infrared_time=number / 30)
    assert rig.status.reused == 2


def test_the_clock_offset_is_reported_and_corrected_when_told_to() -> None:
    def run(clock: str) -> FusionPipeline:
        rng = np.random.default_rng(1)
        steps = np.cumsum(rng.uniform(-6, 6, 20 * 40) * np.repeat(rng.uniform(0, 1, 80), 10))
        rig = pipeline(clock=clock, max_infrared_age=0.1)
        scene = cv2.GaussianBlur(rng.integers(0, 255, (64, 600)).astype(np.uint8), (0, 0), 3)
        for index in range(12 * 20):
            window = scene[:, 200 + int(steps[index]) :][:, :80]
            visible = np.repeat(window[..., None], 3, axis=2)
            time = index / 20
            rig.process(visible, 255 - window, visible_time=time, infrared_time=time + 0.3)
        return rig

    reported = run("report").status
    assert reported.clock_offset is not None
    assert reported.clock_offset.seconds == pytest.approx(0.3, abs=0.03)
    assert reported.source == "visible", "0.3 s is too old unless the offset is taken off"
    corrected = run("correct")
    assert corrected.status.source == "fused"
    corrected.reset()
    assert corrected.clock_offset == 0


def test_the_clock_offset_is_estimated_from_temperatures_of_which_some_are_unknown() -> None:
    rig = pipeline(clock="report")
    for index, view in enumerate(swinging_cameras(240)):
        celsius = 20.25 + (255 - view).astype(np.float32) / 10
        celsius[:2] = np.nan
        time = index / 20
        rig.clock.listen(np.repeat(view[..., None], 3, axis=2), celsius, time, time + 0.3)
    assert rig.clock.estimate is not None
    assert rig.clock.estimate.seconds == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(
    "visible", [np.zeros((0, 64, 3), np.uint8), np.zeros(64, np.uint8), [[1, 2, 3]]]
)
def test_what_is_no_image_is_refused(visible) -> None:
    with pytest.raises(InputError):
        FusionPipeline(PipelineConfig(backend="reference")).process(visible)


def test_every_jump_back_is_noticed_also_one_right_after_another() -> None:
    rig = pipeline()
    for time in (100.0, 50.0, 10.0):
        rig.process(VISIBLE, WARM, visible_time=time, infrared_time=time)
    assert rig.status.resets == 2


def test_without_hold_an_earlier_infrared_frame_does_not_serve() -> None:
    rig = pipeline()
    rig.process(VISIBLE, WARM, visible_time=0.0, infrared_time=0.0)
    assert np.array_equal(rig.process(VISIBLE, visible_time=0.1, hold=False), VISIBLE)
    assert rig.process(VISIBLE, visible_time=0.2).min() > 190


def test_what_is_fixed_when_a_pipeline_is_made_cannot_be_changed() -> None:
    rig = pipeline()
    with pytest.raises(InputError, match="backend is fixed"):
        rig.reconfigure(replace(rig.config, backend="auto"))
    assert rig.config.backend == "reference"


def test_settings_of_a_pipeline_can_change_all_at_once() -> None:
    raw = np.full((64, 80), 1500, np.uint16)
    rig = pipeline(normalization=NormalizationConfig(mode="range", low=1000, high=2000))
    rig.process(VISIBLE, raw)
    fixed = NormalizationConfig(mode="range", low=1000, high=1500)
    rig.reconfigure(replace(rig.config, strength=0.5, normalization=fixed))
    assert rig.process(VISIBLE, raw).mean() == pytest.approx((50 + 255) / 2, abs=2)
