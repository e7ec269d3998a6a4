"""Offsets between two cameras' clocks, from stamps alone."""

from __future__ import annotations

import pytest

from lut_fuse_core.sync.offsets import OffsetMeter, explain_offset

FRAME = 33_333_333
START = 1_700_000_000_000_000_000


@pytest.mark.parametrize("ahead", [0.0, 3.0, -12.5, 37.0, -1.7e9])
def test_the_offset_of_the_clocks_is_found_to_a_frame_period(ahead):
    meter = OffsetMeter()
    assert meter.seconds() is None
    for index in range(40):
        meter.arrived("visible", START + index * FRAME)
        meter.arrived("infrared", START + index * FRAME + int(ahead * 1e9))
    assert meter.seconds() == pytest.approx(ahead, abs=FRAME * 1e-9)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (37.0, "TAI"),
        (-36.8, "TAI"),
        (18.02, "GPS"),
        (3600.1, "an hour off"),
        (-19800 + 16200, "an hour off"),
        (7200.0, "another time zone"),
        (-1.7e9, "switched on"),
        (3.0, ""),
        (100.0, ""),
    ],
)
def test_offsets_that_have_a_known_reason_are_explained(seconds, words):
    explained = explain_offset(seconds)
    assert (words in explained) if words else explained == ""
