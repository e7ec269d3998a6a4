"""What surrounds the GPU kernels, as far as a machine without a GPU can tell."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from lut_fuse_core import load_model
from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends import backend_statuses, create_backend
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.gpu.device import (
    GpuDevice,
    Launch,
    encode_launch,
    fuse_launch,
    prepare_launch,
)
from lut_fuse_core.backends.gpu.options import Precision
from lut_fuse_core.backends.gpu.packing import pack_encoder, pack_lattice
from lut_fuse_core.backends.gpu.self_check import BOUNDS, agreement, require_agreement
from lut_fuse_core.backends.gpu.source import PIXELS, plan_kernels
from lut_fuse_core.backends.gpu.tensorrt_engine import (
    EngineKey,
    cache_folder,
    exported,
    network_flags,
    version_of,
)
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model import context
from lut_fuse_core.model.fusion_model import FusionModel

MakeModel = Callable[..., FusionModel]

without_cupy = pytest.mark.skipif(
    importlib.util.find_spec("cupy") is not None, reason="CuPy is installed"
)
KEY = EngineKey("Orin (nvgpu)", 87, 8, "10.3.0", "fp16", 240, 320, "ab" * 32)


@without_cupy
def test_cuda_without_cupy_says_how_to_get_it(model: FusionModel) -> None:
    with pytest.raises(BackendUnavailableError, match=r"needs CuPy .* 'pip install cupy-"):
        create_backend("cuda", model)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed"
)
def test_tensorrt_without_its_module_says_how_to_get_it(model: FusionModel) -> None:
    with pytest.raises(BackendUnavailableError, match="needs TensorRT's Python module"):
        create_backend("tensorrt", model)


@without_cupy
def test_auto_goes_on_to_the_cpu_where_there_is_no_gpu(model: FusionModel) -> None:
    assert create_backend("auto", model).name in ("native", "cpu")


@without_cupy
def test_the_list_of_backends_gives_the_reason(model: FusionModel) -> None:
    statuses = {status.name: status for status in backend_statuses(model)}
    assert not statuses["cuda"].available
    assert "CuPy" in statuses["cuda"].reason


@pytest.mark.parametrize("name", ["cuda", "tensorrt"])
def test_a_model_with_statistics_of_each_frame_is_refused_on_any_machine(
    name: str, make_model: MakeModel
) -> None:
    with pytest.raises(BackendUnavailableError, match="each frame's own statistics"):
        create_backend(name, make_model(per_frame=True))


def test_importing_the_core_loads_nothing_of_the_gpu() -> None:
    code = (
        "import sys, lut_fuse_core, lut_fuse_core.backends; "
        "heavy = ('cupy', 'tensorrt', 'lut_fuse_core.backends.gpu.cuda'); "
        "print([module for module in heavy if module in sys.modules])"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_self_check_passes_what_the_reference_computes(
    precision: Precision, model: FusionModel
) -> None:
    require_agreement(ReferenceBackend(model).fuse, model, precision, "a card")


@pytest.mark.parametrize(
    ("precision", "levels", "share"), [("fp32", 3, 0.0001), ("fp32", 2, 0.01), ("fp16", 3, 0.01)]
)
def test_the_self_check_stops_a_wrong_gpu_with_the_numbers(
    precision: Precision, levels: int, share: float, model: FusionModel
) -> None:
    reference = ReferenceBackend(model)

    def wrong(visible: UInt8Array, infrared: UInt8Array, options: FuseOptions) -> UInt8Array:
        fused = reference.fuse(visible, infrared, options)
        some = np.random.default_rng(0).random(fused.shape) < share
        return np.where(some, np.where(fused > 127, fused - levels, fused + levels), fused)

    with pytest.raises(
        BackendUnavailableError,
        match=rf"self-check in {precision} on a card failed: .* the largest difference is {levels}",
    ):
        require_agreement(wrong, model, precision, "a card")


def test_the_self_check_notices_a_gpu_that_ignores_the_mask(model: FusionModel) -> None:
    reference = ReferenceBackend(model)
    with pytest.raises(BackendUnavailableError, match="self-check"):
        require_agreement(
            lambda v, i, options: reference.fuse(v, i, replace(options, mask=None)),
            *(model, "fp16", "a card"),
        )


def test_the_self_check_notices_a_gpu_that_ignores_a_given_ambient_level() -> None:
    model = load_model("default")
    reference = ReferenceBackend(model)

    def fuse(visible: UInt8Array, infrared: UInt8Array, options: FuseOptions) -> UInt8Array:
        return reference.fuse(visible, infrared, replace(options, ambient=None))

    with pytest.raises(BackendUnavailableError, match="self-check"):
        require_agreement(fuse, model, "fp16", "a card")


def test_agreement_counts_what_is_within_the_bound() -> None:
    truth = np.zeros((10, 10, 3), np.uint8)
    result = truth.copy()
    result[0, 0, 0], result[0, 0, 1] = 1, 2
    found = agreement(result, truth, "fp32")
    assert found.largest == 2
    assert found.share == pytest.approx(299 / 300)
    assert not found.good
    assert BOUNDS["fp32"].far == 2


@pytest.mark.parametrize(
    "change",
    [
        {"gpu": "Thor"},
        {"capability": 110},
        {"tensorrt": "10.7.0"},
        {"precision": "fp32"},
        {"rows": 239},
        {"columns": 321},
        {"processors": 4},
        {"onnx_hash": "cd" * 32},
    ],
)
def test_an_engine_is_built_again_when_anything_it_depends_on_differs(
    change: dict[str, object],
) -> None:
    other = replace(KEY, **change)  # type: ignore[arg-type]
    assert other.file_name != KEY.file_name


def test_the_name_of_an_engine_is_readable_and_safe_for_any_file_system() -> None:
    expected = "encoder-orin-nvgpu-8sm87-trt10.3.0-fp16-320x240-abababababababab.engine"
    assert KEY.file_name == expected


def test_the_model_hash_follows_weights_and_precision(make_model: MakeModel) -> None:
    hashes = {
        exported(make_model(seed).encoder, precision)[1]
        for seed in (0, 1)
        for precision in ("fp16", "fp32")
    }
    assert len(hashes) == 4
    assert exported(make_model(0).encoder, "fp16")[1] in hashes


def test_the_engine_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LUT_FUSE_CACHE", raising=False)
    assert cache_folder() == tmp_path / "lut_fuse"
    monkeypatch.setenv("LUT_FUSE_CACHE", str(tmp_path / "engines"))
    assert cache_folder() == tmp_path / "engines"


@pytest.mark.parametrize(
    ("text", "version"),
    [("8.5.2.2", (8, 5)), ("10.3.0", (10, 3)), ("10.0.0b6", (10, 0)), ("11.4.1.post1", (11, 4))],
)
def test_versions_of_tensorrt(text: str, version: tuple[int, int]) -> None:
    assert version_of(text) == version


class _Kinds8(IntEnum):
    EXPLICIT_BATCH = 0


class _Kinds10(IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


def test_networks_are_strongly_typed_where_tensorrt_can_do_that() -> None:
    assert network_flags(_Kinds10) == (2, False)
    assert network_flags(_Kinds8) == (1, True)


def device(capability: int) -> GpuDevice:
    return GpuDevice(None, "a card", capability, 8, integrated=True)


def test_a_gpu_without_the_tensor_core_instruction_computes_in_single_precision() -> None:
    assert device(72).precisions(None) == ("fp32",)
    assert device(87).precisions(None) == ("fp16", "fp32")
    assert device(87).precisions("fp32") == ("fp32",)
    with pytest.raises(BackendUnavailableError, match=r"compute capability 7\.2; fp16 needs 8\.0"):
        device(72).precisions("fp16")


@pytest.mark.parametrize("size", [(16, 16), (480, 640), (481, 643), (1024, 1280)])
def test_the_grids_cover_every_pixel_and_position(
    size: tuple[int, int], make_model: MakeModel
) -> None:
    model = make_model(channels=8, unshuffle=2)
    plan = plan_kernels(model, "fp16")
    rows, columns = -(-size[0] // 2), -(-size[1] // 2)
    encode = encode_launch(plan, rows, columns)
    assert columns <= encode.grid[0] * plan.tile[0] < columns + plan.tile[0]
    assert rows <= encode.grid[1] * plan.tile[1] < rows + plan.tile[1]
    prepare = prepare_launch(rows, columns)
    assert prepare.grid[0] * prepare.block[0] >= rows * columns
    tiles = -(-size[0] // PIXELS[1]) * -(-size[1] // PIXELS[0])
    assert fuse_launch(*size) == Launch((tiles,), (PIXELS[0] * PIXELS[1],))


def test_every_node_is_packed_with_the_next_along_the_context(model: FusionModel) -> None:
    plan = plan_kernels(model, "fp32")
    pairs = pack_lattice(model, plan).reshape(*model.nodes, 2)
    np.testing.assert_array_equal(pairs[..., 0], model.lattices[0])
    np.testing.assert_array_equal(pairs[..., :-1, 1], model.lattices[0][..., 1:])


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_packed_weights_hold_every_weight_once_and_zeros(
    precision: Precision, make_model: MakeModel
) -> None:
    model = make_model(channels=5, inputs="rgb_infrared")
    weights, biases = pack_encoder(model, plan_kernels(model, precision))
    kind = weights.dtype
    expected = np.concatenate([b.weight.astype(kind).ravel() for b in model.encoder.blocks])
    np.testing.assert_array_equal(np.sort(weights[weights != 0]), np.sort(expected))
    assert biases.size == 8 * len(model.encoder.blocks)


def test_the_encoder_in_half_precision_is_valid_onnx_and_computes_nearly_the_same(
    make_model: MakeModel,
) -> None:
    encoder = make_model(channels=8, unshuffle=2).encoder
    onnx_bytes, _ = exported(encoder, "fp16")
    session = onnxruntime.InferenceSession(onnx_bytes, providers=["CPUExecutionProvider"])
    planes = np.random.default_rng(0).random((8, 21, 33), np.float32).astype(np.float16)
    (found,) = session.run(None, {"planes": planes[None]})
    assert found.dtype == np.float32
    truth = context.run_blocks(encoder, planes.astype(np.float32))
    np.testing.assert_allclose(found[0, 0], truth, rtol=0, atol=0.5)
