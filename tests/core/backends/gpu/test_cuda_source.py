"""The CUDA sources, compiled for the host: tile by tile, lane by lane what the kernels compute."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cuda_on_host import HostKernels
from host_cupy import COMPILER
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import one_lattice, several_lattices

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.gpu.options import Precision
from lut_fuse_core.backends.gpu.self_check import agreement, check_pair_of_images
from lut_fuse_core.backends.gpu.source import plan_kernels
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model import context
from lut_fuse_core.model.encoder import INPUT_CHANNELS, ContextEncoder, ConvBlock
from lut_fuse_core.model.fusion_model import AXIS_NAMES, Axis, FusionModel, GradientSpec
from lut_fuse_core.registration.warp import Warp

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")

Host = Callable[[FusionModel, Precision], HostKernels]


def make_encoder(
    seed: int, widths: tuple[int, ...], unshuffle: int, gain: float = 1.4, **settings: object
) -> ContextEncoder:
    rng = np.random.default_rng(seed)
    channels = INPUT_CHANNELS[str(settings.get("inputs", "luma_infrared"))] * unshuffle**2
    blocks = []
    for width in (*widths, 1):
        weight = rng.normal(0, gain / np.sqrt(9 * channels), (width, channels, 3, 3))
        bias = rng.normal(0, 0.2, width)
        blocks.append(ConvBlock(weight.astype(np.float32), bias.astype(np.float32)))
        channels = width
    return ContextEncoder(tuple(blocks), unshuffle=unshuffle, **settings)  # type: ignore[arg-type]


def make_model(
    seed: int,
    widths: tuple[int, ...],
    unshuffle: int = 1,
    nodes: tuple[int, int, int, int] = (17, 17, 5, 9),
    ranges: tuple[tuple[float, float], ...] = ((0, 255), (0, 255), (0, 64), (0, 255)),
    gradient: GradientSpec | None = None,
    **encoder: object,
) -> FusionModel:
    """A lattice that bends along every axis with some noise at each node, a random encoder."""
    luma, heat, edge, scene = np.meshgrid(*(np.linspace(0, 1, n) for n in nodes), indexing="ij")
    lattice = 0.1 + 0.8 * np.maximum(luma, heat * (0.7 + 0.3 * scene)) + 0.1 * edge * (luma - 0.5)
    lattice += np.random.default_rng(seed).uniform(-0.03, 0.03, nodes)
    axes = (Axis(name, n, *r) for name, n, r in zip(AXIS_NAMES, nodes, ranges, strict=True))
    return FusionModel(
        lattice.astype(np.float32)[None],
        tuple(axes),  # type: ignore[arg-type]
        gradient or GradientSpec(),
        make_encoder(seed, widths, unshuffle, **encoder),
    )


def roughened(model: FusionModel) -> FusionModel:
    """With nothing smooth left: neighboring nodes differ by up to the whole range of luma."""
    rng = np.random.default_rng(99)
    return one_lattice(model, rng.uniform(-0.1, 1.1, model.nodes).astype(np.float32))


def with_dark_scenes(model: FusionModel) -> FusionModel:
    """With lattices for dark scenes, between levels that the tests' pairs come to lie at."""
    dark = roughened(model).lattices[0] * np.float32(0.5) + model.lattices[0] * np.float32(0.5)
    return several_lattices(model, np.stack([dark[::-1], dark]), (30.0, 60.0, 200.0))


DEFAULT = make_model(0, (8, 8, 8, 8), unshuffle=2)
MODELS: dict[str, tuple[FusionModel, Precision]] = {
    "default, fp32": (DEFAULT, "fp32"),
    "default, fp16": (DEFAULT, "fp16"),
    "dark scenes, fp32": (with_dark_scenes(DEFAULT), "fp32"),
    "dark scenes, fp16": (with_dark_scenes(DEFAULT), "fp16"),
    "two groups of channels, fp16": (make_model(1, (16, 12, 16, 16), 2, pool=2), "fp16"),
    "color, no skip, odd pool, fp32": (
        make_model(
            2, (7, 5, 9), 1, (9, 6, 3, 4), ((16, 235), (20.5, 256), (4, 50), (-9, 300)),
            GradientSpec("l2", "zero", "fixed", 0.4), inputs="rgb_infrared", pool=3, skip=False,
        ),
        "fp32",
    ),
    "two convolutions, full resolution, fp16": (make_model(3, (4,), slope=0.01), "fp16"),
    "three convolutions, many inputs, fp16": (make_model(4, (8, 8), 4), "fp16"),
}  # fmt: skip


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    folder = tmp_path_factory.mktemp("cuda")

    def compiled(model: FusionModel, precision: Precision) -> HostKernels:
        return HostKernels(model, plan_kernels(model, precision), folder)

    return compiled


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest, host: Host) -> HostKernels:
    return host(*MODELS[request.param])


@pytest.fixture(scope="module")
def pair() -> tuple[UInt8Array, UInt8Array]:
    visible, infrared, _ = check_pair_of_images(1)
    return visible, infrared


def true_context(model: FusionModel, visible: UInt8Array, infrared: UInt8Array) -> FloatArray:
    planes = context.encoder_input(model.encoder, visible, infrared)
    return context.run_blocks(model.encoder, planes)


def halved(array: FloatArray) -> FloatArray:
    return array.astype(np.float16).astype(np.float32)


def context_in_half_precision(
    model: FusionModel, visible: UInt8Array, infrared: UInt8Array
) -> FloatArray:
    """The reference's convolutions with weights and all that is stored rounded to float16."""
    encoder = model.encoder
    blocks = tuple(replace(block, weight=halved(block.weight)) for block in encoder.blocks)
    hidden = halved(context.encoder_input(encoder, visible, infrared))
    first: FloatArray | None = None
    for index, block in enumerate(blocks[:-1]):
        hidden = context._activate(encoder, block, hidden)
        if encoder.skip and index == len(blocks) - 2:
            hidden = hidden + (hidden if first is None else first)
        hidden = halved(hidden)
        first = hidden if first is None else first
    sums = context._convolve(blocks[-1], hidden)[0]
    return np.float32(255) / (1 + np.exp(-sums))


@needs_compiler
def test_a_frame_agrees_with_the_reference(
    case: HostKernels, pair: tuple[UInt8Array, UInt8Array]
) -> None:
    truth = ReferenceBackend(case.model).fuse(*pair)
    found = agreement(case.fuse(*pair), truth, case.plan.precision)
    assert found.good, found
    assert found.largest <= (1 if case.plan.precision == "fp32" else 2)


@needs_compiler
def test_the_context_agrees_with_the_reference(
    case: HostKernels, pair: tuple[UInt8Array, UInt8Array]
) -> None:
    truth = true_context(case.model, *pair)
    assert truth.std() > 2  # the encoder says something
    bound = 0.002 if case.plan.precision == "fp32" else 1.0
    np.testing.assert_allclose(case.context(*pair), truth, rtol=0, atol=bound)


@needs_compiler
@pytest.mark.parametrize("name", [name for name in MODELS if "fp16" in name])
def test_half_precision_rounds_weights_and_stored_values_and_nothing_else(
    name: str, host: Host, pair: tuple[UInt8Array, UInt8Array]
) -> None:
    kernels = host(*MODELS[name])
    same = context_in_half_precision(kernels.model, *pair)
    # A sum in another order may be rounded to the neighboring half now and then, not more.
    np.testing.assert_allclose(kernels.context(*pair), same, rtol=0, atol=0.08)
    assert np.mean(np.abs(kernels.context(*pair) - same)) < 0.01


@needs_compiler
def test_an_encoder_of_other_makers_gets_the_reference_s_input(
    case: HostKernels, pair: tuple[UInt8Array, UInt8Array]
) -> None:
    truth = context.encoder_input(case.model.encoder, *pair)
    tolerance = 1e-6 if case.plan.precision == "fp32" else 2**-11
    np.testing.assert_allclose(case.planes(*pair), truth, rtol=tolerance, atol=tolerance)


def a_view(rng: np.random.Generator, raw_size: tuple[int, int], size: tuple[int, int]) -> Warp:
    """Somewhat rotated, partly beyond the frame and beyond the horizon (not a number)."""
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    turn, zoom = rng.uniform(-0.3, 0.3), rng.uniform(0.6, 1.4)
    across = zoom * raw_size[0] / size[0] * x + turn * y - 3.3
    down = zoom * raw_size[1] / size[1] * y - turn * x + 2.7
    positions = np.stack([across, down], axis=-1)
    positions[-2:] = np.nan
    return Warp.from_positions(positions, raw_size, None)


@needs_compiler
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("stage", ["context", "planes"])
def test_raw_infrared_becomes_what_the_pass_on_the_cpu_makes_of_it(
    case: HostKernels, stage: str, kind: type
) -> None:
    rng = np.random.default_rng(3)
    sizes = [((33, 17), (16, 131)), ((64, 51), (83, 61)), ((97, 75), (40, 30)), ((83, 61),) * 2]
    for index, (raw_size, size) in enumerate(sizes):
        raw = rng.integers(0, np.iinfo(kind).max + 1, raw_size[::-1]).astype(kind)
        raw[5:9] = np.iinfo(kind).max
        levels = rng.integers(0, 256, np.iinfo(kind).max + 1, dtype=np.uint8)
        warp = Warp(size, raw_size) if index == 3 else a_view(rng, raw_size, size)
        visible = rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        truth = np.empty(size[::-1], np.uint8)
        warp.sample(raw, levels, truth)
        registered, result = case.registered(stage, visible, raw, levels, warp)
        np.testing.assert_array_equal(registered, truth)
        np.testing.assert_array_equal(result, getattr(case, stage)(visible, truth))


@needs_compiler
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(
    "size", [(16, 16), (17, 16), (31, 33), (32, 64), (33, 65), (64, 129), (16, 200)]
)
def test_sizes_around_those_of_the_tiles(
    host: Host, precision: Precision, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(5)
    visible = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    infrared = rng.integers(0, 256, size, dtype=np.uint8)
    kernels = host(DEFAULT, precision)
    found = agreement(
        kernels.fuse(visible, infrared),
        ReferenceBackend(DEFAULT).fuse(visible, infrared),
        precision,
    )
    assert found.good, found


@needs_compiler
@given(
    height=st.integers(16, 48),
    width=st.integers(16, 48),
    strength=st.floats(0, 1, width=32),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_any_strength_and_mask_in_single_precision(
    host: Host, height: int, width: int, strength: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    visible, infrared, mask = (
        rng.integers(0, 256, shape, dtype=np.uint8)
        for shape in ((height, width, 3), (height, width), (height, width))
    )
    options = FuseOptions(strength, mask)
    truth = ReferenceBackend(DEFAULT).fuse(visible, infrared, options)
    result = host(DEFAULT, "fp32").fuse(visible, infrared, options)
    assert np.abs(result.astype(int) - truth).max() <= 1


@needs_compiler
def test_a_rough_lattice_in_single_precision(
    host: Host, pair: tuple[UInt8Array, UInt8Array]
) -> None:
    model = roughened(DEFAULT)
    truth = ReferenceBackend(model).fuse(*pair)
    assert np.abs(host(model, "fp32").fuse(*pair).astype(int) - truth).max() <= 1


@needs_compiler
def test_a_wild_encoder_saturates_instead_of_spoiling_pixels(
    host: Host, pair: tuple[UInt8Array, UInt8Array]
) -> None:
    wild = make_encoder(0, (8, 8, 8, 8), 2, gain=60.0)
    kernels = host(replace(DEFAULT, encoder=wild), "fp16")
    assert np.isfinite(kernels.context(*pair)).all()


@needs_compiler
def test_halves_are_rounded_as_numpy_rounds_them(host: Host) -> None:
    kernels = host(DEFAULT, "fp16")
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)].astype(np.float32)
    between = (finite[:-1] + finite[1:]) / 2  # ties, in all ranges
    around = np.nextafter(between, np.float32(np.inf), dtype=np.float32)
    for values in (finite, between, around, np.array([65519, 65520, 1e9, -1e9, np.inf], "f4")):
        halves, back = kernels.halves(np.ascontiguousarray(values, np.float32))
        with np.errstate(over="ignore"):
            expected = values.astype(np.float32).astype(np.float16)
        np.testing.assert_array_equal(halves.view(np.uint16), expected.view(np.uint16))
        np.testing.assert_array_equal(back, expected.astype(np.float32))


def test_a_model_that_needs_each_frame_s_statistics_is_refused() -> None:
    model = replace(DEFAULT, gradient=GradientSpec(scaling="frame"))
    with pytest.raises(BackendUnavailableError, match="own statistics; 'cpu' can do that"):
        plan_kernels(model, "fp16")


def test_an_encoder_too_wide_for_a_block_is_refused_with_its_width() -> None:
    model = make_model(0, (200, 200, 200, 200))
    with pytest.raises(BackendUnavailableError, match="of up to 200 channels"):
        plan_kernels(model, "fp32")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_narrow_encoder_gets_a_larger_tile_than_a_wide_one(precision: Precision) -> None:
    narrow = plan_kernels(make_model(0, (8, 8, 8, 8), 2), precision)
    wide = plan_kernels(make_model(0, (32, 32, 32, 32), 2), precision)
    assert narrow.tile[0] * narrow.tile[1] > wide.tile[0] * wide.tile[1]


def test_the_sources_include_nothing_that_a_bare_machine_lacks() -> None:
    folder = Path(plan_kernels.__code__.co_filename).parent / "kernels"
    for file in folder.iterdir():
        device, _, host = file.read_text(encoding="utf-8").partition("#else")
        assert "#include <" not in device, file.name
        assert host.count("#include <") in (0, 2), file.name


def unmarked_functions(code: str) -> list[str]:
    """Definitions at the beginning of a line without a word on where they run."""
    return re.findall(
        r"^(?!struct )(?:(?:constexpr|static) )*\w+[*&]? \w+\(.*[{,}]$", code, re.MULTILINE
    )


def test_every_function_says_where_it_runs() -> None:
    """NVRTC, unlike nvcc, refuses functions that belong to the host by default."""
    assert unmarked_functions("constexpr int larger(int a, int b) { return a > b ? a : b; }")
    folder = Path(plan_kernels.__code__.co_filename).parent / "kernels"
    for file in folder.iterdir():
        assert unmarked_functions(file.read_text(encoding="utf-8")) == [], file.name
