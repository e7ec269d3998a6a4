"""Jumps of the clock, silence and offsets, told from stamps alone."""

import pytest

from lut_fuse_ros.frames.stamps import (
    JUMP_AHEAD,
    JUMP_BACK,
    OffsetMeter,
    PairWatch,
    StampWatch,
    Waiting,
)

FRAME = 33_333_333
START = 1_700_000_000_000_000_000


def test_a_regular_stream_never_jumps_even_with_neighbors_swapped():
    watch = StampWatch()
    stamps = [START + index * FRAME for index in (0, 1, 3, 2, 4, 5)]
    assert not any(watch.jumped(stamp, index / 30) for index, stamp in enumerate(stamps))


@pytest.mark.parametrize("step", [-JUMP_BACK - 1, -START, JUMP_AHEAD + 1])
def test_a_clock_that_is_set_is_noticed_once(step):
    watch = StampWatch()
    watch.jumped(START, 0.0)
    assert watch.jumped(START + step, 0.0)
    assert not watch.jumped(START + step + FRAME, 0.06)


@pytest.mark.parametrize("seconds", [11, 15, 3600])
def test_a_camera_that_pauses_does_not_set_the_clock(seconds):
    watch = StampWatch()
    watch.jumped(START, 0.0)
    assert not watch.jumped(START + seconds * 1_000_000_000, float(seconds))


def test_visible_frames_are_overdue_once_they_come_for_the_timeout_without_a_pair():
    watch = PairWatch()
    watch.arrived(0.0)
    assert not watch.overdue(0.0, timeout=0.5)
    watch.arrived(0.51)
    assert watch.overdue(0.51, timeout=0.5)
    assert watch.fallen_back
    watch.paired()
    assert not watch.fallen_back
    watch.arrived(0.8)
    assert not watch.overdue(0.8, timeout=0.5)
    watch.arrived(1.31)
    assert watch.overdue(1.31, timeout=0.5)


def test_slow_cameras_are_not_overdue_between_their_pairs():
    watch = PairWatch()
    for frame in range(5):
        watch.arrived(2.0 * frame)
        assert not watch.overdue(2.0 * frame, timeout=0.5)
        watch.paired()


def test_frames_older_than_a_pair_are_given_up():
    waiting = Waiting(queue_size=10)
    assert sum(waiting.arrived(stamp) for stamp in (1, 2, 3, 4)) == 0
    assert waiting.paired(3) == 2
    assert waiting.paired(4) == 0


def test_frames_beyond_the_queue_are_given_up():
    waiting = Waiting(queue_size=2)
    assert [waiting.arrived(stamp) for stamp in range(5)] == [0, 0, 1, 1, 1]
    waiting.clear()
    assert [waiting.arrived(stamp) for stamp in range(2)] == [0, 0]


@pytest.mark.parametrize("ahead", [0.0, 3.0, -12.5])
def test_the_offset_of_the_clocks_is_found_to_a_frame_period(ahead):
    meter = OffsetMeter()
    assert meter.seconds() is None
    for index in range(40):
        meter.arrived("visible", START + index * FRAME)
        meter.arrived("infrared", START + index * FRAME + int(ahead * 1e9))
    assert meter.seconds() == pytest.approx(ahead, abs=FRAME * 1e-9)
