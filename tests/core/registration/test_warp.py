"""Normalization and registration in one pass: the pixels that two passes give."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.infrared.gray_range import GrayRange
from lut_fuse_core.infrared.tone import linear_table, tone_table
from lut_fuse_core.native import bindings
from lut_fuse_core.native.bindings import instruction_sets, load_library
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import Registration, RegistrationConfig
from lut_fuse_core.registration.warp import Remap, Warp

Sample = Callable[[Warp, np.ndarray, np.ndarray, np.ndarray], None]


def natively(instructions: str, threads: int = 2) -> Sample:
    def sample(warp: Warp, raw: np.ndarray, levels: np.ndarray, out: np.ndarray) -> None:
        warp._sample_natively(load_library(), raw, levels, out, threads, instructions)

    return sample


WAYS: dict[str, Sample] = {"portable Python": Warp._sample_portably}
with contextlib.suppress(BackendUnavailableError):
    WAYS |= {name: natively(name) for name in instruction_sets()}

SIZES = [
    ((64, 51), (80, 60)),
    ((97, 75), (83, 61)),
    ((33, 17), (16, 130)),
    ((640, 512), (320, 243)),
]


def raw_frame(size: tuple[int, int], dtype: type, seed: int = 0) -> np.ndarray:
    """Noise and hard edges over all counts."""
    width, height = size
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    raw = rng.integers(0, top + 1, (height, width)).astype(dtype)
    raw[height // 3 :, width // 3 :] = rng.choice(np.array([0, top], dtype))
    return raw


def warp(infrared_size: tuple[int, int], visible_size: tuple[int, int], turn: float = 5.0) -> Warp:
    """A rotated, slightly perspective view that leaves part of the visible image uncovered."""
    angle = np.deg2rad(turn)
    scale = 0.9 * min(v / i for v, i in zip(visible_size, infrared_size, strict=True))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cosine, -sine, 3.3], [sine, cosine, -4.7], [1e-4, -5e-5, 1]])
    registration = Registration(RegistrationConfig(Homography.from_array(matrix)))
    return registration.warp(infrared_size, visible_size)


def interpolated(gray: np.ndarray, remap: Remap) -> np.ndarray:
    """What the fixed-point maps say, in floating point, before rounding."""
    height, width = gray.shape
    rows = np.stack([remap.offsets[..., 1], remap.offsets[..., 1] + 1]).clip(0, height - 1)
    columns = np.stack([remap.offsets[..., 0], remap.offsets[..., 0] + 1]).clip(0, width - 1)
    across, down = (remap.fractions & 31) / 32, (remap.fractions >> 5) / 32
    corners = gray[rows[:, None], columns[None]].astype(np.float64)
    upper, lower = corners[:, 0] * (1 - across) + corners[:, 1] * across
    return upper * (1 - down) + lower * down


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("turn", [0.0, 5.0, 90.0])
def test_one_pass_gives_what_two_passes_give(way, dtype, sizes, turn) -> None:
    plan, raw = warp(*sizes, turn), raw_frame(sizes[0], dtype)
    top = np.iinfo(dtype).max
    levels = tone_table(GrayRange(0.2 * top, 0.7 * top), top + 1)
    out = np.full(sizes[1][::-1], 77, np.uint8)
    WAYS[way](plan, raw, levels, out)
    np.testing.assert_array_equal(out, np.floor(interpolated(levels[raw], plan.remap) + 0.5))
    opencv = plan(levels[raw])
    assert np.abs(out.astype(int) - opencv).max() <= 1


@pytest.mark.parametrize("way", WAYS)
def test_without_registration_only_the_levels_change(way) -> None:
    raw = raw_frame((65, 47), np.uint16)
    levels = 255 - linear_table(GrayRange(1000, 60000), 65536)
    out = np.zeros(raw.shape, np.uint8)
    WAYS[way](Warp((65, 47), (65, 47)), raw, levels, out)
    np.testing.assert_array_equal(out, levels[raw])


@pytest.mark.parametrize("way", WAYS)
def test_rows_of_the_raw_image_may_lie_anywhere(way) -> None:
    whole = raw_frame((128, 102), np.uint16)
    levels = linear_table(GrayRange(1000, 60000), 65536)
    plan = warp((64, 51), (80, 60))
    for raw in (whole[:51, :64], whole[::-2, :64], whole[::2, ::2], whole[::2, ::-2]):
        out, plain = np.zeros((2, 60, 80), np.uint8)
        WAYS[way](plan, raw, levels, out)
        WAYS[way](plan, raw.copy(), levels, plain)
        np.testing.assert_array_equal(out, plain)


@pytest.mark.parametrize("way", WAYS)
def test_levels_may_lie_apart_in_memory(way) -> None:
    raw = raw_frame((80, 60), np.uint8)
    both = warp((80, 60), (64, 51))
    levels = np.random.default_rng(1).integers(0, 256, 65536).astype(np.uint8)[::256]
    out, expected = (np.empty((51, 64), np.uint8) for _ in range(2))
    WAYS[way](both, raw, levels, out)
    WAYS[way](both, raw, levels.copy(), expected)
    np.testing.assert_array_equal(out, expected)


def test_the_number_of_threads_changes_nothing() -> None:
    if len(WAYS) == 1:
        pytest.skip("the native library was not built")
    plan, raw = warp((640, 512), (1280, 720)), raw_frame((640, 512), np.uint16)
    levels = linear_table(GrayRange(1000, 60000), 65536)
    found = []
    for threads in (1, 2, 7):
        out = np.zeros((720, 1280), np.uint8)
        plan.sample(raw, levels, out, threads)
        found.append(out)
    assert all(np.array_equal(found[0], each) for each in found)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["identity", "stretch"])
def test_images_on_the_visible_grid_already_are_looked_up(dtype: type, kind: str) -> None:
    raw = raw_frame((80, 60), dtype)[::2, 1::2]
    entries = np.iinfo(dtype).max + 1
    levels = linear_table(GrayRange(entries // 8, entries // 2), entries)
    if kind == "identity":
        levels = (np.arange(entries) * 256 // entries).astype(np.uint8)
    plan, out = Warp((40, 30), (40, 30)), np.zeros((30, 40), np.uint8)
    plan.sample(raw, np.repeat(levels, 3)[::3], out)
    np.testing.assert_array_equal(out, levels[raw])
    assert not np.shares_memory(out, raw)


def test_images_that_are_only_resized_are_normalized_first() -> None:
    raw = raw_frame((40, 30), np.uint16)
    levels = linear_table(GrayRange(0, 65535), 65536)
    plan, out = Warp((80, 60), (40, 30)), np.zeros((60, 80), np.uint8)
    plan.sample(raw, levels, out)
    np.testing.assert_array_equal(out, plan(levels[raw]))


def test_everything_outside_the_infrared_view_is_its_border() -> None:
    positions = np.full((20, 24, 2), np.nan, np.float32)
    positions[10:] = 1e9, -1e9
    plan = Warp.from_positions(positions, (8, 6), None)
    raw = raw_frame((8, 6), np.uint8)
    out = np.zeros((20, 24), np.uint8)
    plan.sample(raw, np.arange(256, dtype=np.uint8), out)
    assert (out[:10] == raw[0, 0]).all()
    assert (out[10:] == raw[0, -1]).all()


def test_the_interface_has_one_version() -> None:
    header = Path(bindings.__file__).parent / "lut_fuse_native.h"
    assert f"#define LUT_FUSE_INTERFACE {bindings.INTERFACE}\n" in header.read_text()
