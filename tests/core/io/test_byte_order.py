"""16-bit counts whose bytes are in the wrong order."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.io import byte_order
from lut_fuse_core.io.byte_order import in_native_order

SMOOTH = (7000 + np.add.outer(np.arange(121), np.arange(163)) // 3).astype(np.uint16)
NOISE = np.random.default_rng(0).integers(0, 65536, SMOOTH.shape).astype(np.uint16)


def without_library() -> None:
    raise BackendUnavailableError("not built")


@pytest.mark.parametrize("built", [True, False])
def test_a_scene_is_smooth_in_the_right_order_only(
    built: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not built:
        monkeypatch.setattr(byte_order, "load_library", without_library)
    for image in (SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1], SMOOTH[:, ::2]):
        assert in_native_order(image) is image
        assert np.array_equal(in_native_order(image.byteswap()), image)
    assert in_native_order(NOISE) is NOISE


def test_the_library_and_numpy_measure_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    images = (SMOOTH, NOISE, SMOOTH[::-1], NOISE[3:, 5:])
    found = [byte_order._roughness(image, step) for image in images for step in (1, 7)]
    monkeypatch.setattr(byte_order, "load_library", without_library)
    assert found == [byte_order._roughness(image, step) for image in images for step in (1, 7)]
