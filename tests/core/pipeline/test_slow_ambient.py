"""A stream's ambient level is followed slowly: what passes moves it little, what stays in full."""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pytest

from lut_fuse_core import Fuser
from lut_fuse_core.cli.pipeline_options import add_pipeline_arguments, pipeline_config
from lut_fuse_core.errors import InputError
from lut_fuse_core.model.features import ambient
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.pipeline.slow_ambient import SlowAmbient

RATE = 30
LEVELS = (20.0, 200.0)


def gray(level: int) -> np.ndarray:
    return np.full((48, 64, 3), level, np.uint8)


def settled(level: int, seconds: float = 2.0) -> SlowAmbient:
    """What has followed a scene of one level for ten seconds, until time 0."""
    slow = SlowAmbient(LEVELS, seconds)
    for time in np.arange(-10 * RATE, 1) / RATE:
        slow.follow(gray(level), time)
    return slow


def test_a_stream_begins_with_its_first_frames_level() -> None:
    slow = SlowAmbient(LEVELS, 2.0)
    assert slow.follow(gray(80), 5.0) == pytest.approx(ambient(gray(80)))


@pytest.mark.parametrize("rate", [5, 30])
def test_a_lasting_change_is_followed_by_the_clock_whatever_the_rate(rate: int) -> None:
    slow = settled(100)
    levels = [slow.follow(gray(50), (i + 1) / rate) for i in range(10 * rate)]
    before, after = ambient(gray(100)), ambient(gray(50))
    expected = after + (before - after) * np.exp(-1)
    assert levels[2 * rate - 1] == pytest.approx(expected, rel=1e-6)
    assert levels[-1] == pytest.approx(after, abs=0.5)
    assert np.all(np.diff(levels) <= 0)


def test_light_that_makes_no_difference_to_the_model_is_not_followed() -> None:
    slow = settled(255)
    assert slow.follow(gray(100), 1 / RATE) < 200
    assert settled(0).follow(gray(100), 1 / RATE) > 20


@pytest.mark.parametrize("first", [0, 255])
def test_a_first_frame_unlike_the_others_does_not_count(first: int) -> None:
    slow = SlowAmbient(LEVELS, 2.0)
    slow.follow(gray(first), 0.0)
    for frame in range(1, 5):
        assert slow.follow(gray(80), frame / RATE) == pytest.approx(ambient(gray(80)))


def test_after_a_pause_a_stream_begins_again() -> None:
    slow = settled(100)
    assert slow.follow(gray(50), 2.1) == pytest.approx(ambient(gray(50)))
    assert slow.follow(gray(70), 2.2) == pytest.approx(ambient(gray(70)))


def test_frames_out_of_order_do_no_harm() -> None:
    slow, straight = settled(100), settled(100)
    level = slow.follow(gray(50), 0.2)
    assert slow.follow(gray(0), 0.1) == level
    straight.follow(gray(50), 0.2)
    assert slow.follow(gray(50), 0.3) == straight.follow(gray(50), 0.3)


def test_after_a_reset_the_next_frame_counts_alone() -> None:
    slow = settled(100)
    slow.reset()
    assert slow.follow(gray(50), 0.1) == pytest.approx(ambient(gray(50)))


def test_without_times_or_seconds_every_frame_has_its_own_level() -> None:
    assert settled(100).follow(gray(80), None) is None
    assert SlowAmbient(LEVELS, 0.0).follow(gray(80), 0.0) is None


@pytest.fixture(scope="module")
def evening() -> np.ndarray:
    """Dusk, where the default model passes from one lattice to the next."""
    rng = np.random.default_rng(0)
    return rng.integers(60, 110, (96, 128, 1), np.uint8).repeat(3, 2)


@pytest.fixture(scope="module")
def infrared() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (96, 128), np.uint8)


def drive_past(visible: np.ndarray) -> np.ndarray:
    """A dark vehicle over a quarter of the picture."""
    entered = visible.copy()
    entered[:48, :64] = 20
    return entered


def away(image: np.ndarray) -> np.ndarray:
    return image[72:, 88:].astype(int)


def pipeline(seconds: float, backend: str = "native") -> FusionPipeline:
    return FusionPipeline(PipelineConfig(backend=backend, ambient_seconds=seconds))


def process(
    rig: FusionPipeline, visible: np.ndarray, infrared: np.ndarray, time: float
) -> np.ndarray:
    return rig.process(visible, infrared, visible_time=time, infrared_time=time)


def alone(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    return Fuser("default", "native").fuse(visible, infrared)


@pytest.mark.parametrize("backend", ["reference", "native", "cpu"])
def test_a_vehicle_that_drives_past_leaves_the_rest_of_the_picture(
    evening: np.ndarray, infrared: np.ndarray, backend: str
) -> None:
    changes = {}
    for seconds in (0.0, 2.0):
        rig = pipeline(seconds, backend)
        for time in (0.0, 1.0, 2.0):
            before = process(rig, evening, infrared, time)
        after = process(rig, drive_past(evening), infrared, 2.0 + 1 / RATE)
        changes[seconds] = np.abs(away(after) - away(before)).mean()
    assert changes[0.0] > 0.5
    assert changes[2.0] < 0.2 * changes[0.0]


def test_what_stays_is_fused_as_it_is_alone(evening: np.ndarray, infrared: np.ndarray) -> None:
    rig, entered = pipeline(2.0), drive_past(evening)
    for frame in range(300):
        fused = process(rig, entered if frame else evening, infrared, frame / 10)
    assert np.abs(fused.astype(int) - alone(entered, infrared)).max() <= 1


def test_a_jump_back_in_time_begins_again(evening: np.ndarray, infrared: np.ndarray) -> None:
    rig = pipeline(1000.0)
    process(rig, evening // 4, infrared, 100.0)
    fused = process(rig, evening, infrared, 3.0)
    assert np.abs(fused.astype(int) - alone(evening, infrared)).max() <= 1


def test_the_time_may_change_while_a_stream_runs(evening: np.ndarray, infrared: np.ndarray) -> None:
    rig = pipeline(1000.0)
    for time in (0.0, 1.0, 2.0):
        process(rig, evening // 4, infrared, time)
    assert (
        np.abs(process(rig, evening, infrared, 2.1).astype(int) - alone(evening, infrared)).max()
        > 2
    )
    rig.reconfigure(replace(rig.config, ambient_seconds=0.0))
    np.testing.assert_array_equal(process(rig, evening, infrared, 2.2), alone(evening, infrared))


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_time_that_makes_no_sense_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="ambient seconds"):
        PipelineConfig(ambient_seconds=seconds)


def test_the_command_line_says_how_slowly() -> None:
    parser = argparse.ArgumentParser()
    add_pipeline_arguments(parser)
    for arguments, seconds in (([], 2.0), (["--ambient-seconds", "0.5"], 0.5)):
        config = pipeline_config(parser.parse_args(arguments), resize=True)
        assert config.ambient_seconds == seconds


def test_an_image_that_was_expected_counts_as_any_other() -> None:
    expected, plain = (SlowAmbient(LEVELS, 2.0) for _ in range(2))
    for number, level in enumerate((40, 90, 200)):
        visible = gray(level)
        expected.expect(visible)
        assert expected.follow(visible, number / 30) == plain.follow(visible, number / 30)


def test_what_was_found_of_an_expected_image_serves_that_one_alone_and_once() -> None:
    follower, plain = (SlowAmbient(LEVELS, 2.0) for _ in range(2))
    shared = gray(40)
    follower.expect(shared)
    other = gray(90)
    assert follower.follow(other, 0.0) == plain.follow(other, 0.0)
    follower.expect(shared)
    assert follower.follow(shared, 1.0) == plain.follow(shared, 1.0)
    shared[:] = 200  # the next image, in the memory of the one before
    assert follower.follow(shared, 2.0) == plain.follow(shared, 2.0)
