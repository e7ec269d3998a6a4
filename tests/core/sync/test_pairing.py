"""Pairing of two streams by time stamp."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lut_fuse_core.sync.pairing import NANOSECONDS, StampPairer

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
    assert feed(pairer(), arrivals) == [(0, 0), (33, 33), (67, 68), (100, 99)]


def test_a_stream_that_arrives_late_as_a_whole_still_pairs():
    arrivals = sorted(
        [(t, t, "v") for t in range(0, 900, 33)] + [(t + 150, t, "i") for t in range(0, 900, 33)]
    )
    pairs = feed(pairer(), [(stamp, side) for _, stamp, side in arrivals])
    assert pairs == [(t, t) for t in range(0, 900, 33)]


def test_a_jump_back_starts_anew_and_loses_nothing_before_it():
    loop = [(t, side) for t in range(0, 3000, 100) for side in "vi"]
    pairs = feed(pairer(), loop + loop)
    once = [(t, t) for t in range(0, 3000, 100)]
    assert pairs[: len(once)] == once
    assert len(pairs) >= 2 * len(once) - 2


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
