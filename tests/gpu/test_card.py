"""The GPU backends on a card: agreement, poisoned buffers, odd sizes, the same bits every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from card_models import models, random_pair, raw_frame, real_pairs, rough, smooth_pair

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.gpu.cuda import CudaBackend
from lut_fuse_core.backends.gpu.device import open_device
from lut_fuse_core.backends.gpu.frame import Work
from lut_fuse_core.backends.gpu.fuser import DEFAULT_SIZE
from lut_fuse_core.backends.gpu.options import GpuOptions
from lut_fuse_core.backends.gpu.self_check import agreement
from lut_fuse_core.backends.gpu.tensorrt import TensorRtBackend
from lut_fuse_core.backends.gpu.tensorrt_engine import open_tensorrt
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.registration.warp import Warp

try:
    DEVICE = open_device()
except BackendUnavailableError as unavailable:
    pytest.skip(f"no card: {unavailable}", allow_module_level=True)

MODELS = models()
GpuBackend = CudaBackend | TensorRtBackend
VARIANTS: dict[str, dict[str, Any]] = {
    "cuda fp16": {"options": GpuOptions("fp16")},
    "cuda fp32": {"options": GpuOptions("fp32")},
    "cuda fp16, small tiles": {"options": GpuOptions("fp16"), "tile": (8, 8)},
    "tensorrt fp16": {"options": GpuOptions("fp16")},
    "tensorrt fp32": {"options": GpuOptions("fp32")},
    "tensorrt int8": {"options": GpuOptions("int8")},
}
ENGINES = [
    *[(f"tensorrt {precision}", "default") for precision in ("fp16", "fp32", "int8")],
    ("tensorrt fp16", "width 16"),
]
"""What of TensorRT is tried with which model: engines take a minute to build, in int8 minutes."""
CASES = [c for c in product(VARIANTS, MODELS) if not c[0].startswith("tensorrt")] + ENGINES
_created: dict[tuple[str, int], GpuBackend] = {}


def create(variant: str, model: FusionModel) -> GpuBackend:
    """A backend, kept: engines take long to build."""
    key = (variant, id(model))
    if key not in _created:
        if variant.startswith("tensorrt"):
            try:
                open_tensorrt()
            except BackendUnavailableError as unavailable:
                pytest.skip(str(unavailable))
            _created[key] = TensorRtBackend(model, **VARIANTS[variant])
        else:
            _created[key] = CudaBackend(model, **VARIANTS[variant])
    return _created[key]


@pytest.fixture(params=VARIANTS)
def default(request: pytest.FixtureRequest) -> GpuBackend:
    return create(request.param, MODELS["default"])


def require(backend: GpuBackend, pair: tuple[UInt8Array, UInt8Array], **options: Any) -> None:
    truth = ReferenceBackend(backend.model).fuse(*pair, FuseOptions(**options))
    found = agreement(backend.fuse(*pair, FuseOptions(**options)), truth, backend.precision)
    assert found.good, found


@pytest.mark.parametrize(("variant", "name"), CASES)
@pytest.mark.parametrize("kind", [random_pair, smooth_pair])
def test_random_pairs(
    variant: str, name: str, kind: Callable[[int, int], tuple[UInt8Array, UInt8Array]]
) -> None:
    require(create(variant, MODELS[name]), kind(301, 417))


def test_a_rough_lattice_in_single_precision() -> None:
    model = rough(MODELS["width 8"])
    require(CudaBackend(model, options=GpuOptions("fp32")), random_pair(240, 320))


def test_real_pairs(default: GpuBackend) -> None:
    pairs = real_pairs()
    if not pairs:
        pytest.skip("no photographs: there is no folder 'shared' beside the checkout")
    for pair in pairs:
        require(default, pair)


def spare_engines(backend: GpuBackend, size: tuple[int, int]) -> None:
    """Skip a test that needs a larger engine in int8, which takes minutes to build."""
    if backend.precision == "int8" and (size[0] > DEFAULT_SIZE[0] or size[1] > DEFAULT_SIZE[1]):
        pytest.skip("a larger engine in int8 takes minutes to build")


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (33, 65), (480, 640), (719, 1279)])
def test_odd_sizes(default: GpuBackend, size: tuple[int, int]) -> None:
    spare_engines(default, size)
    require(default, random_pair(*size))


def test_dark_and_bright_scenes_in_turn(default: GpuBackend) -> None:
    visible, infrared = random_pair(240, 320)
    pairs = [((visible * light).astype(np.uint8), infrared) for light in (1, 0.8, 0.45, 0.15)]
    for pair in pairs:
        require(default, pair)
    expected = [default.fuse(*pair) for pair in pairs]
    for _ in range(30):
        for pair, fused in zip(pairs, expected, strict=True):
            np.testing.assert_array_equal(default.fuse(*pair), fused)


@pytest.mark.parametrize("ambient", [0.0, 50.0, 90.0, 255.0])
def test_a_given_ambient_level(default: GpuBackend, ambient: float) -> None:
    require(default, random_pair(123, 211), ambient=ambient)
    require(default, random_pair(123, 211))


def test_strength_and_mask(default: GpuBackend) -> None:
    mask = random_pair(123, 211, seed=7)[1]
    require(default, random_pair(123, 211), strength=0.37, mask=mask)
    require(default, random_pair(123, 211), strength=0.0)


def test_arrays_that_are_not_contiguous(default: GpuBackend) -> None:
    visible, infrared = random_pair(150, 200)
    require(default, (visible[::-1, ::2, ::-1], infrared[::-1, ::2]))


def test_the_result_may_replace_the_visible_image(default: GpuBackend) -> None:
    visible, infrared = random_pair(90, 160)
    expected = default.fuse(visible, infrared)
    assert default.fuse(visible, infrared, FuseOptions(out=visible)) is visible
    np.testing.assert_array_equal(visible, expected)


@cache
def registered_frame(
    size: tuple[int, int], kind: type
) -> tuple[RawInfrared, UInt8Array, Warp, UInt8Array]:
    """A raw frame, and what it becomes; computed once, for without Numba that takes seconds."""
    raw, levels, warp = raw_frame(*size, kind)
    infrared = np.empty(size, np.uint8)
    warp.sample(raw, levels, infrared)
    return raw, levels, warp, infrared


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(16, 16), (99, 131), (480, 640), (719, 1279)])
def test_raw_infrared_is_normalized_and_registered(
    default: GpuBackend, kind: type, size: tuple[int, int]
) -> None:
    spare_engines(default, size)
    raw, levels, warp, infrared = registered_frame(size, kind)
    default.hold(raw, levels, warp)
    # The second image and the third find the frame registered.
    for seed, ambient in enumerate((None, 50.0, None)):
        visible = random_pair(*size, seed)[0]
        truth = ReferenceBackend(default.model).fuse(
            visible, infrared, FuseOptions(mask=warp.mask, ambient=ambient)
        )
        found = agreement(
            default.fuse_held(visible, FuseOptions(ambient=ambient)), truth, default.precision
        )
        assert found.good, found
    held = default.fuser._held
    assert held is not None
    np.testing.assert_array_equal(DEVICE.cupy.asnumpy(held.registered), infrared)


def test_repeated_raw_frames_give_the_same_bits(default: GpuBackend) -> None:
    raw, levels, warp = raw_frame(479, 639, np.uint16)
    visible = random_pair(479, 639)[0]
    default.hold(raw, levels, warp)
    expected = default.fuse_held(visible)
    for turn in range(100):
        # New levels and maps with the same contents are uploaded again.
        again = (raw, levels.copy(), replace(warp)) if turn % 2 else (raw, levels, warp)
        default.hold(*again)
        assert np.array_equal(default.fuse_held(visible), expected)


@pytest.mark.parametrize("poison", [0x00, 0xA5, 0xFF])
def test_every_byte_of_the_result_is_written(default: GpuBackend, poison: int) -> None:
    pair = random_pair(99, 131)
    expected = default.fuse(*pair)
    frame = default.fuser.frame(99, 131)
    frame.host["out"].fill(poison)
    if not default.fuser.in_place:
        frame.device["out"].fill(poison)
    frame.context.fill(float("nan"))
    DEVICE.cupy.cuda.Device().synchronize()
    np.testing.assert_array_equal(default.fuse(*pair), expected)


def test_repeated_runs_give_the_same_bits(default: GpuBackend) -> None:
    pair = random_pair(479, 639)
    expected = default.fuse(*pair)
    for _ in range(200):
        assert np.array_equal(default.fuse(*pair), expected)


def test_sizes_and_options_in_turn(default: GpuBackend) -> None:
    pairs = [random_pair(*size) for size in ((64, 64), (65, 129), (64, 64), (240, 320))]
    first = [default.fuse(*pair) for pair in pairs]
    for strength in np.linspace(0, 1, 12):
        default.fuse(*pairs[0], FuseOptions(strength=float(strength)))
    for pair, expected in zip(pairs, first, strict=True):
        np.testing.assert_array_equal(default.fuse(*pair), expected)


def test_two_backends_at_once_do_not_disturb_each_other() -> None:
    one, other = (CudaBackend(MODELS[name]) for name in ("default", "width 8"))
    pair = random_pair(120, 160)
    expected = one.fuse(*pair), other.fuse(*pair)
    for _ in range(20):
        np.testing.assert_array_equal(one.fuse(*pair), expected[0])
        np.testing.assert_array_equal(other.fuse(*pair), expected[1])


def test_frames_read_in_place_give_the_same_bits_as_copied_ones() -> None:
    fuser = CudaBackend(MODELS["default"]).fuser
    pair, held = random_pair(99, 131), raw_frame(99, 131, np.uint16)
    results = []
    for in_place in (True, False):
        fuser.transfer(in_place=in_place)
        fuser.hold(*held)
        results.append((fuser.fuse(*pair), fuser.fuse_held(pair[0]), fuser.fuse_held(pair[0])))
    for read, copied in zip(*results, strict=True):
        np.testing.assert_array_equal(read, copied)


def test_the_graph_without_copies_computes_the_same(default: GpuBackend) -> None:
    if default.fuser.in_place:
        pytest.skip("this GPU reads frames in place: there are no copies")
    pair = random_pair(120, 160)
    expected = default.fuse(*pair)
    frame = default.fuser.frame(120, 160)
    frame.device["out"].fill(0)
    DEVICE.cupy.cuda.Device().synchronize()
    default.fuser.graph(frame, Work(copies=False)).launch(stream=default.fuser.stream)
    default.fuser.stream.synchronize()
    np.testing.assert_array_equal(DEVICE.cupy.asnumpy(frame.device["out"]), expected)
