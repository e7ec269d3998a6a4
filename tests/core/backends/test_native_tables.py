"""Bytes looked up by the native library."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native import tables
from lut_fuse_core.native.bindings import Infrared, instruction_sets, load_library
from lut_fuse_core.native.tables import looked_up


def of(height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(3).integers(0, 256, (height, width)).astype(np.uint8)


TABLE = of(1, 256)[0]


@pytest.mark.parametrize("width", [1, 7, 63, 64, 65, 640])
def test_each_byte_is_looked_up(width) -> None:
    image = of(5, width)
    np.testing.assert_array_equal(looked_up(image, TABLE), TABLE[image])


@pytest.mark.parametrize("part", [np.s_[:, 3:70], np.s_[::-1], np.s_[:, ::2], np.s_[::2, :9]])
def test_parts_of_images_are_looked_up(part) -> None:
    image = of(9, 100)[part]
    whole = np.zeros((9, 120), np.uint8)
    out = whole[: image.shape[0], 5 : 5 + image.shape[1]]
    assert looked_up(image, TABLE, out) is out
    np.testing.assert_array_equal(out, TABLE[image])
    out[...] = 0
    assert not whole.any(), "something else was written"


def test_every_instruction_set_finds_the_same() -> None:
    image = of(6, 131)
    for name in instruction_sets():
        found = np.zeros_like(image)
        described = Infrared(
            raw=image.ctypes.data, levels=TABLE.ctypes.data, out=found.ctypes.data,
            raw_stride=131, out_stride=131, band=6, raw_height=6, raw_width=131, height=6,
            width=131,
        )  # fmt: skip
        assert not load_library().lut_fuse_sample(ctypes.byref(described), 1, name.encode())
        np.testing.assert_array_equal(found, TABLE[image], err_msg=name)


def test_without_the_library_opencv_looks_up(monkeypatch) -> None:
    def missing() -> None:
        raise BackendUnavailableError("not built")

    monkeypatch.setattr(tables, "load_library", missing)
    tables._library.cache_clear()
    try:
        np.testing.assert_array_equal(looked_up(of(5, 20), TABLE), TABLE[of(5, 20)])
    finally:
        tables._library.cache_clear()
