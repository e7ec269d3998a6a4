"""A stream's ambient level is followed slowly: what passes moves it little, what stays in full."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core import Fuser
from lut_fuse_core.errors import InputError
from lut_fuse_core.features import ambient
from lut_fuse_core.pipeline import FusionPipeline, PipelineConfig
from lut_fuse_core.slow_ambient import SlowAmbient

RATE = 10.0


def grey(level: int) -> np.ndarray:
    return np.full((48, 64, 3), level, np.uint8)


def test_a_stream_begins_with_its_first_frames_level() -> None:
    assert SlowAmbient(2.0).follow(grey(80), 5.0) == pytest.approx(ambient(grey(80)))


@pytest.mark.parametrize("rate", [5, 30])
def test_a_lasting_change_is_followed_by_the_clock_whatever_the_rate(rate: int) -> None:
    slow = SlowAmbient(2.0)
    slow.follow(grey(100), 0.0)
    levels = [slow.follow(grey(50), (i + 1) / rate) for i in range(10 * rate)]
    before, after = ambient(grey(100)), ambient(grey(50))
    expected = after + (before - after) * np.exp(-1)
    assert levels[2 * rate - 1] == pytest.approx(expected, rel=1e-6)
    assert levels[-1] == pytest.approx(after, abs=0.5)
    assert np.all(np.diff(levels) <= 0)


def test_what_was_long_ago_does_not_count() -> None:
    slow = SlowAmbient(2.0)
    slow.follow(grey(100), 0.0)
    assert slow.follow(grey(50), 60.0) == pytest.approx(ambient(grey(50)))


def test_frames_out_of_order_do_no_harm() -> None:
    slow = SlowAmbient(2.0)
    before = slow.follow(grey(100), 1.0)
    assert slow.follow(grey(0), 0.9) == before
    assert slow.follow(grey(0), 0.9) == before


def test_after_a_reset_the_next_frame_counts_alone() -> None:
    slow = SlowAmbient(2.0)
    slow.follow(grey(100), 0.0)
    slow.reset()
    assert slow.follow(grey(50), 0.1) == pytest.approx(ambient(grey(50)))


def test_without_times_or_seconds_every_frame_has_its_own_level() -> None:
    assert SlowAmbient(2.0).follow(grey(80), None) is None
    assert SlowAmbient(0.0).follow(grey(80), 0.0) is None


@pytest.fixture(scope="module")
def evening() -> np.ndarray:
    """Dusk, where the default model passes from one lattice to the next."""
    rng = np.random.default_rng(0)
    return rng.integers(60, 110, (96, 128, 1), np.uint8).repeat(3, 2)


def drive_past(visible: np.ndarray) -> np.ndarray:
    """A dark vehicle over a quarter of the picture."""
    entered = visible.copy()
    entered[:48, :64] = 20
    return entered


def away(image: np.ndarray) -> np.ndarray:
    return image[72:, 88:].astype(int)


def pipeline(seconds: float, backend: str = "auto") -> FusionPipeline:
    return FusionPipeline(PipelineConfig(backend=backend, ambient_seconds=seconds))


@pytest.mark.parametrize("backend", ["reference", "native", "cpu"])
def test_a_vehicle_that_drives_past_leaves_the_rest_of_the_picture(
    evening: np.ndarray, backend: str
) -> None:
    infrared = np.random.default_rng(1).integers(0, 256, evening.shape[:2], np.uint8)
    changes = {}
    for seconds in (0.0, 2.0):
        rig, shown = pipeline(seconds, backend), []
        for index, visible in enumerate((evening, evening, drive_past(evening))):
            time = index / RATE
            shown.append(rig.process(visible, infrared, visible_time=time, infrared_time=time))
        changes[seconds] = np.abs(away(shown[2]) - away(shown[1])).mean()
    assert changes[0.0] > 0.5
    assert changes[2.0] < 0.2 * changes[0.0]


def test_what_stays_is_fused_as_it_is_alone(evening: np.ndarray) -> None:
    infrared = np.random.default_rng(1).integers(0, 256, evening.shape[:2], np.uint8)
    rig, entered = pipeline(2.0), drive_past(evening)
    times = [0.0, *np.arange(1, 300) / RATE]
    for time, visible in zip(times, [evening] + 299 * [entered], strict=True):
        fused = rig.process(visible, infrared, visible_time=time, infrared_time=time)
    alone = Fuser("default").fuse(entered, infrared)
    assert np.abs(fused.astype(int) - alone).max() <= 1


def test_a_jump_back_in_time_begins_anew(evening: np.ndarray) -> None:
    infrared = np.random.default_rng(1).integers(0, 256, evening.shape[:2], np.uint8)
    rig = pipeline(1000.0)
    rig.process(evening // 4, infrared, visible_time=100.0, infrared_time=100.0)
    fused = rig.process(evening, infrared, visible_time=3.0, infrared_time=3.0)
    np.testing.assert_array_equal(fused, Fuser("default").fuse(evening, infrared))


def test_the_time_may_change_while_a_stream_runs(evening: np.ndarray) -> None:
    infrared = np.random.default_rng(1).integers(0, 256, evening.shape[:2], np.uint8)
    rig = pipeline(1000.0)
    rig.process(evening // 4, infrared, visible_time=0.0, infrared_time=0.0)
    rig.set_ambient_seconds(0.0)
    fused = rig.process(evening, infrared, visible_time=0.1, infrared_time=0.1)
    np.testing.assert_array_equal(fused, Fuser("default").fuse(evening, infrared))


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_time_that_makes_no_sense_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="ambient level"):
        PipelineConfig(ambient_seconds=seconds)
