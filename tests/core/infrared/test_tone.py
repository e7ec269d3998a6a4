"""The tables from raw counts to gray levels."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.infrared import tone
from lut_fuse_core.infrared.gray_range import GrayRange
from lut_fuse_core.infrared.tone import tone_table, tones


def without_library() -> None:
    raise BackendUnavailableError("not built")


@pytest.mark.parametrize("entries", [256, 65536])
@pytest.mark.parametrize("by_library", [True, False])
def test_the_table_holds_the_rounded_tone_of_every_count(
    entries: int, by_library: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_library:
        monkeypatch.setattr(tone, "load_library", without_library)
    random = np.random.default_rng(3)
    counts = np.arange(entries)
    for number in range(120):
        low = random.uniform(-0.2, 1.2) * entries
        width = 10 ** random.uniform(-2, np.log10(2 * entries))
        if number % 3 == 0:  # tones that lie exactly between two gray levels
            low, width = float(round(low)), float(round(width) + 1)
        gray_range = GrayRange(low, low + width)
        expected = (tones(gray_range, counts) + 0.5).astype(np.uint8)
        assert np.array_equal(tone_table(gray_range, entries), expected), gray_range
