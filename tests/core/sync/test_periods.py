"""Frame periods, the tolerance that follows from them, and free-running cameras."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.sync.periods import DriftMeter, PeriodMeter, tolerance_for

MILLI = 1_000_000


def test_the_period_is_that_of_most_frames_whatever_is_lost():
    meter = PeriodMeter()
    assert meter.period is None
    for index in range(40):
        if index % 5:
            meter.note(index * 33 * MILLI)
    assert meter.period == 33 * MILLI


def test_the_tolerance_is_half_of_the_shorter_period_and_bounded():
    assert 16 * MILLI < tolerance_for(33 * MILLI, 111 * MILLI) < 20 * MILLI
    assert tolerance_for(2000 * MILLI, 2000 * MILLI) == 100 * MILLI
    assert tolerance_for(None, 33 * MILLI) == 15 * MILLI


def slip(other: float, jitter: float, seconds: float = 30.0) -> float | None:
    """Of cameras with 1/30 s and another period (s), stamps jittering by so much (s)."""
    meter, rng = DriftMeter(), np.random.default_rng(0)
    period = 1 / 30
    for index in range(int(seconds / period)):
        visible = index * period
        infrared = round((visible - 0.004) / other) * other + 0.004
        noise = rng.normal(0, jitter, 2)
        meter.note(
            int((visible + noise[0]) * 1e9), int((infrared + noise[1]) * 1e9), int(period * 1e9)
        )
    return meter.slip


@pytest.mark.parametrize("rate", [29.97, 30.03, 29.9])
def test_cameras_without_a_common_trigger_are_recognized(rate):
    expected = 1 / abs(30 - rate)
    assert slip(1 / rate, 0.0005) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("jitter", [0.0, 0.001, 0.004])
def test_cameras_in_step_are_not_free_running(jitter):
    assert slip(1 / 30, jitter) is None


def test_what_was_not_seen_for_long_enough_is_not_judged():
    assert slip(1 / 29.97, 0.0, seconds=5) is None
