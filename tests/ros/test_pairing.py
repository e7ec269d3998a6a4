"""The pairing of the core beside message_filters' on the same messages: what it finds, and when."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from message_filters import ApproximateTimeSynchronizer, SimpleFilter
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from lut_fuse_core.sync.pairing import StampPairer

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
QUEUE = 10

Arrival = tuple[float, int, str]
"""When a frame arrives (s), its stamp (ns) and its camera."""


def streams(
    seed: int,
    rates: tuple[float, float] = (30.0, 30.0),
    phase: float = 0.004,
    jitter: float = 0.0,
    loss: float = 0.0,
    delay: tuple[float, float] = (0.01, 0.02),
    swapped: float = 0.0,
) -> list[Arrival]:
    """Both cameras for ten seconds, in the order of arrival."""
    rng = np.random.default_rng(seed)
    arrivals: list[Arrival] = []
    for side, rate, shift, late in (
        ("v", rates[0], 0.0, delay[0]),
        ("i", rates[1], phase, delay[1]),
    ):
        times = np.arange(int(10 * rate)) / rate + shift
        stamps = times + rng.normal(0, jitter, len(times))
        come = times + late + rng.uniform(0, 0.004, len(times))
        for index in np.flatnonzero(rng.random(len(times) - 1) < swapped):
            come[index], come[index + 1] = come[index + 1], come[index]
        kept = rng.random(len(times)) >= loss
        arrivals += [
            (float(at), START + round(stamp * SECOND), side)
            for at, stamp in zip(come[kept], stamps[kept], strict=True)
        ]
    return sorted(arrivals)


def by_message_filters(arrivals: list[Arrival], tolerance: float) -> dict[int, tuple[int, float]]:
    """Infrared stamp and time of decision, by visible stamp; in the order of time only, as the node
    publishes."""
    filters = {"v": SimpleFilter(), "i": SimpleFilter()}
    found: dict[int, tuple[int, float]] = {}
    now, newest = [0.0], [0]

    def paired(visible: Image, infrared: Image) -> None:
        stamps = [
            each.header.stamp.sec * SECOND + each.header.stamp.nanosec
            for each in (visible, infrared)
        ]
        if stamps[0] > newest[0]:
            newest[0] = stamps[0]
            found[stamps[0]] = (stamps[1], now[0])

    synchronizer = ApproximateTimeSynchronizer(list(filters.values()), QUEUE, tolerance + 1.5e-9)
    synchronizer.registerCallback(paired)
    for at, stamp, side in arrivals:
        now[0] = at
        time = Time(sec=stamp // SECOND, nanosec=stamp % SECOND)
        filters[side].signalMessage(Image(header=Header(stamp=time)))
    return found


def by_ours(arrivals: list[Arrival], tolerance: float) -> dict[int, tuple[int, float]]:
    pairer: StampPairer[None, None] = StampPairer(round(tolerance * SECOND), capacity=QUEUE)
    found = {}
    for at, stamp, side in arrivals:
        add = pairer.add_visible if side == "v" else pairer.add_infrared
        for pair in add(stamp, None, round(at * SECOND)):
            found[pair.visible.stamp] = (pair.infrared.stamp, at)
    return found


UNAMBIGUOUS = {
    "in step": {},
    "phase of 14 ms": {"phase": 0.0145},
    "jitter": {"jitter": 0.002},
    "a fifth lost": {"loss": 0.2, "jitter": 0.001},
    "half lost": {"loss": 0.5},
    "9 Hz infrared": {"rates": (30.0, 9.0), "phase": 0.011},
    "60 and 30 Hz, 4 ms apart": {"rates": (60.0, 30.0), "phase": 0.004},
    "infrared 0.2 s late": {"delay": (0.01, 0.2)},
    "visible 0.2 s late": {"delay": (0.2, 0.01)},
    "free-running": {"rates": (30.0, 29.7)},
}


@pytest.mark.parametrize("case", UNAMBIGUOUS)
@pytest.mark.parametrize("seed", range(3))
def test_no_pair_is_lost_that_message_filters_finds_and_none_comes_later(case, seed):
    facts = UNAMBIGUOUS[case]
    tolerance = 0.45 / max(facts.get("rates", (30.0, 30.0)))
    arrivals = streams(seed, **facts)
    theirs, ours = by_message_filters(arrivals, tolerance), by_ours(arrivals, tolerance)
    assert len(theirs) > 60
    assert theirs.keys() <= ours.keys()
    known = sorted(theirs)[3:]  # before, the period is not known
    assert all(ours[stamp][0] == theirs[stamp][0] for stamp in known)
    assert all(ours[stamp][1] <= theirs[stamp][1] for stamp in known)


@pytest.mark.parametrize("seed", range(5))
def test_frames_out_of_order_cost_no_more_pairs_than_with_message_filters(seed):
    arrivals = streams(seed, swapped=0.1)
    theirs, ours = by_message_filters(arrivals, 0.015), by_ours(arrivals, 0.015)
    assert len(ours) >= len(theirs)


@pytest.mark.parametrize("tolerance", [0.02, 0.03])
@pytest.mark.parametrize("seed", range(3))
def test_beyond_half_a_period_as_many_pairs_come_and_nearer_ones(tolerance, seed):
    arrivals = streams(seed, phase=0.02, jitter=0.001)
    theirs, ours = by_message_filters(arrivals, tolerance), by_ours(arrivals, tolerance)
    assert len(ours) >= len(theirs) - 2

    def distance(found: dict[int, tuple[int, float]]) -> float:
        return float(np.mean([abs(stamp - pair[0]) for stamp, pair in found.items()]))

    assert distance(ours) <= distance(theirs) + 1e5
