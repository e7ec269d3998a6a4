"""The clock offset between two streams, from what moves in them."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from lut_fuse_core.cli.time_options import add_time_arguments, timed
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.sync.clock_offset import ClockOffset, ClockOffsetEstimator

LENGTH = 14.0


def place(time: float) -> float:
    """Where the scene is at a time: it swings irregularly, as a hand-held camera does."""
    return 60 + 14 * np.sin(1.7 * time) * np.sin(0.53 * time + 1) + 5 * np.sin(4.1 * time**1.05)


def frame(time: float, seed: int, infrared: bool) -> np.ndarray:
    x = np.arange(160) - place(time)
    bars = np.sin(x / 9) + (0.7 * np.sin(x / 23) if infrared else np.sin(x / 5 + 1))
    row = (3000 + 300 * bars) if infrared else (120 - 45 * bars)
    noise = np.random.default_rng(seed).normal(0, 6 if infrared else 2, (60, 160))
    image = np.clip(np.tile(row, (60, 1)) + noise, 0, None)
    return image.astype(np.uint16) if infrared else image.astype(np.uint8)


def estimate(
    offset: float,
    infrared_rate: float = 9.0,
    moving: bool = True,
    ahead_before: tuple[float, float] = (0, 0),
) -> ClockOffset | None:
    """ahead_before: until when the infrared clock is wrong by much more, and by how much."""
    estimator = ClockOffsetEstimator(interleaved=False)
    for index in range(int(LENGTH * 30)):
        time = index / 30
        gray = frame(time if moving else 0.0, index, False)
        estimator.add_visible(np.repeat(gray[..., None], 3, axis=2), time)
    for index in range(int(LENGTH * infrared_rate)):
        time = index / infrared_rate
        seen = frame(time if moving else 0.0, index, True)
        until, more = ahead_before
        estimator.add_infrared(seen, time + offset + (more if time < until else 0))
    return estimator.latest()


@pytest.mark.parametrize("offset", [-0.35, 0.0, 0.12])
def test_the_offset_comes_back_from_cameras_of_different_rates(offset: float) -> None:
    found = estimate(offset)
    assert found is not None
    assert found.seconds == pytest.approx(offset, abs=0.02)


@pytest.mark.parametrize("offset", [37.12, -3600.3, -1.7e9])
def test_an_offset_of_any_size_is_found_where_frames_come_as_they_arrived(offset: float) -> None:
    estimator = ClockOffsetEstimator()
    for index in range(int(LENGTH * 30)):
        time = 1 + index / 30
        gray = frame(time, index, False)
        estimator.add_visible(np.repeat(gray[..., None], 3, axis=2), time)
        if index % 3 == 1:  # 0.1 s on the way
            estimator.add_infrared(frame(time - 0.1, index, True), time - 0.1 + offset)
    found = estimator.latest()
    assert found is not None
    assert found.seconds == pytest.approx(offset, abs=0.02)
    assert estimator.estimate == found


def test_an_infrared_clock_that_is_set_back_is_listened_to_again() -> None:
    assert estimate(0.12, ahead_before=(LENGTH / 4, 3600)) is not None


def test_without_motion_there_is_no_estimate() -> None:
    assert estimate(0.1, moving=False) is None


def test_a_short_record_gives_no_estimate() -> None:
    estimator = ClockOffsetEstimator()
    for index in range(40):
        estimator.add_visible(np.repeat(frame(index / 30, 0, False)[..., None], 3, 2), index / 30)
        estimator.add_infrared(frame(index / 30, 0, True), index / 30)
    assert estimator.latest() is None


@pytest.mark.parametrize(("estimate", "taken"), [(-0.03, 0.0), (0.04, 0.0), (-0.2, -0.2)])
def test_an_estimate_that_may_be_nothing_is_taken_as_nothing(estimate: float, taken: float) -> None:
    parser = argparse.ArgumentParser()
    add_time_arguments(parser)
    options = parser.parse_args(["--clock-offset", "auto"])
    config = timed(PipelineConfig(), options, lambda: ClockOffset(estimate, 0.9))
    assert config.clock_offset == taken
