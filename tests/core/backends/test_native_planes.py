"""Planes split by the library are those that OpenCV and NumPy split."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native import planes
from lut_fuse_core.native.planes import split_planes


@pytest.mark.parametrize("size", [(2, 2), (16, 18), (98, 130)])
def test_planes_are_the_same_without_the_library(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    found = split_planes(pixels)
    np.testing.assert_array_equal(found[0], pixels[..., 0])
    np.testing.assert_array_equal(found[2], pixels[::2, ::2, 2])

    def missing() -> None:
        raise BackendUnavailableError("it was not built")

    monkeypatch.setattr(planes, "load_library", missing)
    for plane, expected in zip(found, split_planes(pixels), strict=True):
        np.testing.assert_array_equal(plane, expected)
        assert plane.flags.c_contiguous
