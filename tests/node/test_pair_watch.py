"""Since when visible frames have come without a pair."""

from lut_fuse_ros.frames.pair_watch import PairWatch


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
