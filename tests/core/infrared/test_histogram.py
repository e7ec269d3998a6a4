"""The counts of a frame by which its range is found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lut_fuse_core.arrays import RawInfrared
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.infrared import comparison, histogram
from lut_fuse_core.infrared.comparison import compare
from lut_fuse_core.infrared.histogram import CountHistogram, histogram_in_view


def without_library() -> None:
    raise BackendUnavailableError("not built")


def counts(seed: int, low: int, high: int, height: int, width: int) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(low, high, (height, width)).astype(np.uint16)


FRAMES: dict[str, RawInfrared] = {
    "narrow": counts(0, 7000, 8100, 480, 641),
    "wide": counts(1, 1, 65536, 130, 70),
    "small": counts(2, 20_000, 20_009, 17, 33),
    "8 bits": counts(3, 1, 256, 480, 640).astype(np.uint8),
    "one count": np.full((40, 50), 65535, np.uint16),
    "with pixels outside the view": np.pad(np.full((99, 80), 3000, np.uint16), 7),
    "every other column": counts(4, 1, 900, 90, 160)[:, ::2],
    "upside down": counts(5, 1, 900, 400, 300)[::-1],
}


@pytest.mark.parametrize("name", FRAMES)
def test_the_library_counts_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = histogram_in_view(FRAMES[name])
    monkeypatch.setattr(histogram, "load_library", without_library)
    expected = histogram_in_view(FRAMES[name])
    assert found is not None
    assert expected is not None
    assert found.least == expected.least
    assert np.array_equal(found.cumulative, expected.cumulative)


def test_nothing_is_found_where_nothing_is_in_view() -> None:
    assert histogram_in_view(np.zeros((30, 40), np.uint16)) is None


@pytest.mark.parametrize("name", FRAMES)
def test_counts_are_ranked_as_if_they_were_sorted(name: str) -> None:
    frame = FRAMES[name]
    step = max(1, int(np.sqrt(frame.size / histogram.SAMPLES)))
    ordered = np.sort(histogram.in_view(frame[::step, ::step]))
    found = histogram_in_view(frame)
    assert found is not None
    assert found.pixels == len(ordered)
    assert (found.least, found.largest) == (ordered[0], ordered[-1])
    shares = 0.0, 0.01, 0.25, 0.5, 0.999, 1.0
    ranks = np.rint(np.array(shares) * (len(ordered) - 1)).astype(int)
    assert found.counts_at(*shares) == ordered[ranks].tolist()
    for count in (-1e9, 0.0, *ordered[ranks], ordered[-1] + 0.5, ordered[len(ordered) // 3] - 0.5):
        assert found.below(count) == np.count_nonzero(ordered < count)
        assert found.up_to(count) == np.count_nonzero(ordered <= count)


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ([100] * 50 + [5000, 5001, 5002] * 300, [5000, 5001, 5002] * 300),
        ([5000, 5001, 5002] * 300 + [65535] * 50, [5000, 5001, 5002] * 300),
        ([100] * 50 + [5000, 5001] * 300 + [65535] * 50, [5000, 5001] * 300),
        ([100] * 5 + [5000, 5001, 5002] * 300, [100] * 5 + [5000, 5001, 5002] * 300),
        ([4998] * 50 + [5000, 5004, 5007] * 300, [4998] * 50 + [5000, 5004, 5007] * 300),
        ([100] * 50 + [65535] * 50, [100] * 50 + [65535] * 50),
    ],
    ids=["border", "saturated", "both", "few", "near", "nothing else"],
)
def test_what_fills_a_border_and_what_is_saturated_does_not_count(
    counts: list[int], kept: list[int]
) -> None:
    found = histogram_in_view(np.array([counts], np.uint16))
    expected = histogram_in_view(np.array([kept], np.uint16))
    assert found is not None
    assert expected is not None
    left = found.without_fill()
    assert (left.least, left.cumulative.tolist()) == (expected.least, expected.cumulative.tolist())


FRAMES_AFTER = {
    "the same": lambda frame: frame,
    "noise": lambda frame: frame + counts(9, 0, 3, *frame.shape).astype(frame.dtype),
    "shifted": lambda frame: frame + frame.dtype.type(7),
    "nothing in common": np.zeros_like,
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("after", FRAMES_AFTER)
def test_the_library_compares_frames_as_numpy_does(
    name: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both() -> list[comparison.Comparison]:
        first = compare(FRAMES[name], None)
        return [first, compare(FRAMES_AFTER[after](FRAMES[name]), first.sample)]

    found = both()
    monkeypatch.setattr(comparison, "load_library", without_library)
    for one, expected in zip(found, both(), strict=True):
        assert np.array_equal(one.sample, expected.sample)
        assert one.same == expected.same
        assert (one.span, one.stray) == pytest.approx((expected.span, expected.stray), rel=1e-12)
        assert (one.shift is None) == (expected.shift is None)
        assert (one.shift or 0.0) == pytest.approx(expected.shift or 0.0, rel=1e-12)


def test_a_frame_of_another_size_is_not_compared() -> None:
    past = compare(FRAMES["small"], None).sample
    assert compare(FRAMES["narrow"], past).shift is None


def test_the_histogram_of_one_count_has_no_width() -> None:
    one = CountHistogram(7, np.array([5], np.int32))
    assert (one.least, one.largest, one.pixels) == (7, 7, 5)
    assert one.without_fill() is one
