"""Clocks that were set, told from stamps and arrivals."""

from __future__ import annotations

import pytest

from lut_fuse_core.sync.jumps import JUMP_AHEAD, JUMP_BACK, JumpWatch

FRAME = 33_333_333
START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def test_a_regular_stream_never_jumps_even_with_neighbors_swapped():
    watch = JumpWatch()
    stamps = [START + index * FRAME for index in (0, 1, 3, 2, 4, 5)]
    found = [watch.note("visible", stamp, index * FRAME) for index, stamp in enumerate(stamps)]
    assert set(found) == {"none"}


@pytest.mark.parametrize("step", [-JUMP_BACK - 1, -START, JUMP_AHEAD + 1])
def test_a_clock_that_is_set_is_noticed_once(step):
    watch = JumpWatch()
    watch.note("visible", START, 0)
    assert watch.note("visible", START + step, 0) == "first"
    assert watch.note("visible", START + step + FRAME, 60_000_000) == "none"


@pytest.mark.parametrize("seconds", [11, 15, 3600])
def test_a_camera_that_pauses_does_not_set_the_clock(seconds):
    watch = JumpWatch()
    watch.note("visible", START, 0)
    assert watch.note("visible", START + seconds * SECOND, seconds * SECOND) == "none"


@pytest.mark.parametrize("apart", [0, SECOND // 2])
def test_the_second_camera_follows_the_first_in_one_jump(apart):
    watch = JumpWatch()
    for side in ("visible", "infrared"):
        watch.note(side, START)
    assert watch.note("infrared", START - 60 * SECOND) == "first"
    assert watch.note("visible", START + FRAME) == "none"
    assert watch.note("visible", START - 60 * SECOND + apart) == "second"


def test_a_jump_to_another_time_than_the_first_is_one_of_its_own():
    watch = JumpWatch()
    for side in ("visible", "infrared"):
        watch.note(side, START)
    assert watch.note("infrared", START - 60 * SECOND) == "first"
    assert watch.note("visible", START - 30 * SECOND) == "first"
