"""The sample of a frame by which its range is found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lut_fuse_core.arrays import RawInfrared
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.infrared import samples
from lut_fuse_core.infrared.samples import sorted_in_view


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
def test_the_library_finds_the_same_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sorted_in_view(FRAMES[name])
    monkeypatch.setattr(samples, "load_library", without_library)
    assert np.array_equal(found, sorted_in_view(FRAMES[name]))
    assert (np.diff(found) >= 0).all()


def test_nothing_is_found_where_nothing_is_in_view() -> None:
    assert not sorted_in_view(np.zeros((30, 40), np.uint16)).size
