"""Pairing of two streams by time stamp."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lut_fuse_core.sync.pairing import StampPairer
from lut_fuse_core.sync.stamps import NANOSECONDS

MILLI = NANOSECONDS // 1000


def run(pairer: StampPairer, visible: list[int], infrared: list[int]) -> list[tuple[int, int]]:
    """Feed stamps (ms) in the order of time, as a recording does; returns the pairs' stamps."""
    arrivals = sorted([(t, "v") for t in visible] + [(t, "i") for t in infrared])
    return feed(pairer, arrivals)


def feed(pairer: StampPairer, arrivals: list[tuple[int, str]]) -> list[tuple[int, int]]:
    pairs = []
    for stamp, side in arrivals:
        add = pairer.add_visible if side == "v" else pairer.add_infrared
        pairs += add(stamp * MILLI, stamp)
    pairs += pairer.flush()
    return [(pair.visible.item, pair.infrared.item) for pair in pairs]


def pairer(tolerance: int = 20, **options) -> StampPairer:
    return StampPairer(tolerance * MILLI, **options)


def test_each_visible_item_gets_the_nearest_infrared_one():
    assert run(pairer(), [0, 33, 67], [5, 30, 70]) == [(0, 5), (33, 30), (67, 70)]


def test_equal_stamps_pair_even_without_tolerance():
    assert run(pairer(0), [0, 33], [0, 34]) == [(0, 0)]


def test_items_beyond_the_tolerance_stay_alone_and_are_counted():
    subject = pairer()
    assert run(subject, [0, 100, 200], [50, 198]) == [(200, 198)]
    assert (subject.unpaired_visible, subject.unpaired_infrared) == (2, 1)
    assert subject.closest == 50 * MILLI


def test_a_contested_infrared_item_goes_to_the_nearer_visible_one():
    subject = pairer()
    assert run(subject, [0, 16, 33, 50], [15, 48]) == [(16, 15), (50, 48)]
    assert subject.unpaired_visible == 2


def test_jitter_does_not_make_a_pair_steal_its_neighbors_partner():
    assert run(pairer(30), [0, 33], [20, 40]) == [(0, 20), (33, 40)]


def test_infrared_may_serve_several_visible_items_when_told():
    subject = pairer(60, reuse_infrared=True)
    pairs = run(subject, [0, 33, 67, 100], [0, 111])
    assert pairs == [(0, 0), (33, 0), (67, 111), (100, 111)]
    assert (subject.unpaired_visible, subject.unpaired_infrared) == (0, 0)


def test_slight_disorder_is_sorted_out():
    arrivals = [
        (33, "i"),
        (0, "i"),
        (33, "v"),
        (0, "v"),
        (100, "v"),
        (67, "v"),
        (99, "i"),
        (68, "i"),
    ]
    subject = pairer(disorder=200 * MILLI)
    assert feed(subject, arrivals) == [(0, 0), (33, 33), (67, 68), (100, 99)]


def test_a_stream_that_arrives_late_as_a_whole_still_pairs():
    arrivals = sorted(
        [(t, t, "v") for t in range(0, 900, 33)] + [(t + 150, t, "i") for t in range(0, 900, 33)]
    )
    pairs = feed(pairer(), [(stamp, side) for _, stamp, side in arrivals])
    assert pairs == [(t, t) for t in range(0, 900, 33)]


@pytest.mark.parametrize("disorder", [0, 200 * MILLI])
def test_a_jump_back_loses_nothing(disorder):
    loop = [(t, side) for t in range(0, 3000, 100) for side in "vi"]
    once = [(t, t) for t in range(0, 3000, 100)]
    subject = pairer(disorder=disorder)
    assert feed(subject, loop + loop) == once + once


def test_what_waits_is_bounded_when_one_side_is_silent():
    subject = pairer(capacity=8)
    for stamp in range(1000):
        subject.add_visible(stamp * 33 * MILLI, stamp)
    assert subject.unpaired_visible >= 1000 - 9
    for stamp in range(1000, 2000):
        subject.add_infrared(stamp * 33 * MILLI, stamp)
    assert subject.unpaired_infrared >= 1000 - 9


@pytest.mark.parametrize("reuse", [False, True])
def test_any_streams_give_monotone_pairs_within_tolerance_and_account_for_every_item(reuse):
    rng = np.random.default_rng(5)
    for _ in range(50):
        sides = {
            side: np.cumsum(rng.integers(0, 60, rng.integers(0, 60))).tolist() for side in "vi"
        }
        arrivals = [(t + rng.integers(-40, 40), t, s) for s in "vi" for t in sides[s]]
        subject = pairer(25, reuse_infrared=reuse)
        pairs = feed(subject, [(t, s) for _, t, s in sorted(arrivals)])
        assert all(abs(v - i) <= 25 for v, i in pairs)
        assert pairs == sorted(pairs)
        assert all(later[1] >= sooner[1] for sooner, later in itertools.pairwise(pairs))
        assert len(pairs) + subject.unpaired_visible == len(sides["v"])
        if not reuse:
            assert len(pairs) + subject.unpaired_infrared == len(sides["i"])


def pairs_at_arrival(
    subject: StampPairer, arrivals: list[tuple[float, int, str]]
) -> list[tuple[float, int, int]]:
    """Feed (arrival, stamp, side) in ms. Returns when each pair was decided, and its stamps."""
    pairs = []
    for arrival, stamp, side in sorted(arrivals):
        add = subject.add_visible if side == "v" else subject.add_infrared
        for pair in add(round(stamp * MILLI), stamp):
            pairs.append((arrival, pair.visible.item, pair.infrared.item))
    return pairs


def live(
    period: float,
    other: float,
    phase: float,
    frames: int = 300,
    late: tuple[float, float] = (5, 9),
) -> list[tuple[float, int, str]]:
    """Two cameras as they come (ms): periods, the phase of infrared, transport times."""
    visible = [(n * period + late[0], n * period, "v") for n in range(frames)]
    infrared = [(n * other + phase + late[1], n * other + phase, "i") for n in range(frames)]
    return visible + infrared


@pytest.mark.parametrize("phase", [-14, -3, 0, 7, 14])
def test_a_pair_is_decided_when_its_second_frame_arrives(phase):
    arrivals = live(100 / 3, 100 / 3, phase)
    when = {(side, stamp): arrival for arrival, stamp, side in arrivals}
    pairs = pairs_at_arrival(pairer(16), arrivals)
    assert len(pairs) >= 299
    for arrival, visible, infrared in pairs[3:]:  # the period must be known first
        assert arrival == max(when["v", visible], when["i", infrared])


@pytest.mark.parametrize(("period", "other"), [(100 / 3, 1000 / 29.97), (1000 / 15, 1000 / 14.99)])
def test_free_running_cameras_lose_one_frame_at_each_slip_and_no_more(period, other):
    frames = 3000
    subject = StampPairer(None)
    pairs = pairs_at_arrival(subject, live(period, other, 3, frames))
    slips = frames * (other - period) / period + 1
    assert len(pairs) >= frames - slips - 1
    gaps = np.diff([visible for _, visible, _ in pairs])
    assert gaps.max() < 2.1 * period


def test_a_tolerance_that_follows_the_periods_takes_no_frame_for_its_neighbor():
    for period in (1000 / 60, 1000 / 9):
        subject = StampPairer(None)
        visible = [(n * period, n * period, "v") for n in range(60)]
        infrared = [(n * period + 3, n * period + 2, "i") for n in range(60) if n % 7]
        pairs = pairs_at_arrival(subject, visible + infrared)
        assert all(0 <= i - v < 3 for _, v, i in pairs)
        assert len(pairs) >= 50


def test_cameras_of_different_rates_pair_at_the_rate_of_the_slower_one():
    subject = StampPairer(None)
    pairs = pairs_at_arrival(subject, live(1000 / 30, 1000 / 9, 4))
    assert len(pairs) >= 89
    assert all(abs(v - i) <= 18 for _, v, i in pairs)


def test_a_clock_set_ahead_while_frames_keep_coming_is_a_jump_a_pause_is_none():
    for paused, jumps in ((0, 1), (60_000, 0)):
        subject, found = pairer(), []
        for index in range(20):
            later = 60_000 if index >= 10 else 0
            arrival = index * 33 + (paused if index >= 10 else 0)
            for add in (subject.add_visible, subject.add_infrared):
                pairs = add((index * 33 + later) * MILLI, index, arrival * MILLI)
                found.append(subject.jump)
            assert len(pairs) == 1
        assert found.count("first") == found.count("second") == jumps


def test_an_image_from_before_between_the_jumps_of_both_cameras_holds_nothing_up():
    subject = pairer()
    for index in range(10):
        subject.add_visible((60_000 + index * 33) * MILLI, index)
        subject.add_infrared((60_000 + index * 33) * MILLI, index)
    subject.add_infrared(0, "first")
    subject.add_visible(60_330 * MILLI, "before")
    pairs = subject.add_visible(0, "first")
    assert [(pair.visible.item, pair.infrared.item) for pair in pairs] == [("first", "first")]
    assert subject.jump == "second"


def test_a_camera_whose_clock_is_another_from_now_on_pairs_again():
    subject = pairer()
    for index in range(5):
        subject.add_visible(index * 33 * MILLI, index)
        subject.add_infrared((index * 33 + 3000) * MILLI, index)
    subject.forget("infrared")
    subject.add_visible(165 * MILLI, "v")
    assert len(subject.add_infrared(165 * MILLI, "i")) == 1
    assert subject.jump == "none"
