"""The `tensorrt` backend from pair to pair, with stand-ins for CuPy and TensorRT on the host."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from host_cupy import COMPILER, host_cupy
from host_tensorrt import NEW, OLD, host_tensorrt
from random_models import random_model

from lut_fuse_core import Fuser, load_model
from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends.gpu.cuda import CudaBackend
from lut_fuse_core.backends.gpu.options import GpuOptions, Precision
from lut_fuse_core.backends.gpu.self_check import agreement
from lut_fuse_core.backends.gpu.tensorrt import TensorRtBackend
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.evaluation.evaluate import evaluate
from lut_fuse_core.evaluation.metrics import METRIC_NAMES
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.model.int8_ranges import with_input_ranges
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")

TRAINED = Path(__file__).parents[3] / "support" / "trained_encoder.safetensors"
"""An earlier default model, whose encoder is trained and fit for int8."""

UNTRAINED: dict[str, Any] = {"channels": 8, "pool": 4, "unshuffle": 2}
"""Structure of models without ranges for int8."""

SIZE = (64, 96)
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")

Make = Callable[..., TensorRtBackend]


def a_pair(seed: int = 0, size: tuple[int, int] = SIZE) -> tuple[UInt8Array, UInt8Array]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (*size, 3), dtype=np.uint8),
        rng.integers(0, 256, size, dtype=np.uint8),
    )


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(params=[OLD, NEW])
def module(request: pytest.FixtureRequest, kernels: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """TensorRT's stand-in, installed with CuPy's."""
    monkeypatch.setitem(sys.modules, "cupy", host_cupy(kernels))
    tensorrt = host_tensorrt(request.param)
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt)
    return tensorrt


@pytest.fixture
def make(module: Any, tmp_path: Path) -> Make:
    def made(precision: Precision | None, model: FusionModel | None = None) -> TensorRtBackend:
        return TensorRtBackend(
            model or load_model(TRAINED), options=GpuOptions(precision, tmp_path), size=SIZE
        )

    return made


@pytest.mark.parametrize("precision", PRECISIONS)
def test_pairs_are_fused_within_the_bound_of_the_precision(
    make: Make, precision: Precision
) -> None:
    backend = make(precision)
    reference = ReferenceBackend(backend.model)
    for seed, size in enumerate([SIZE, (17, 31), SIZE]):
        pair = a_pair(seed, size)
        found = agreement(backend.fuse(*pair), reference.fuse(*pair), precision)
        assert found.good, found


def test_single_precision_is_not_rounded_for_tensor_cores(make: Make, module: Any) -> None:
    make("fp32")
    assert module.built == [[]]


def test_a_shape_that_the_engine_refuses_is_an_error(make: Make) -> None:
    backend = make("fp16")
    backend.fuser.stage._engine.rows = 1000  # type: ignore[attr-defined]
    with pytest.raises(BackendUnavailableError, match="does not take images of 96x200"):
        backend.fuse(*a_pair(0, (200, 96)))


def test_int8_changes_what_fp16_gives_but_little(make: Make) -> None:
    half, rounded = (make(precision).fuse(*a_pair()).astype(int) for precision in ("fp16", "int8"))
    assert 0 < np.abs(half - rounded).mean() < 0.5


def test_a_larger_image_gets_an_engine_of_its_own_and_smaller_ones_share_one(
    make: Make, module: Any
) -> None:
    backend = make("int8")
    reference = ReferenceBackend(backend.model)
    for size, engines in ((SIZE, 1), ((20, 30), 1), ((160, 120), 2), (SIZE, 2)):
        pair = a_pair(1, size)
        assert agreement(backend.fuse(*pair), reference.fuse(*pair), "int8").good
        assert len(module.built) == engines


def test_an_engine_is_kept_by_precision(make: Make, module: Any, tmp_path: Path) -> None:
    for _ in range(2):
        for precision in PRECISIONS:
            make(precision)
    assert len(module.built) == 3
    assert len(list(tmp_path.glob("*-int8-*.engine"))) == 1
    make("int8", with_input_ranges(load_model(TRAINED), [a_pair()]))
    assert len(module.built) == 4


def test_another_model_of_the_same_structure_needs_no_measurements(make: Make, module: Any) -> None:
    for seed, precision in ((0, "fp16"), (1, "fp16"), (0, "fp32"), (1, "fp32")):
        make(precision, random_model(seed, **UNTRAINED))
    assert len(module.built) == 4
    assert module.measured == 2


def test_a_spoilt_engine_is_built_again_and_spoilt_measurements_are_made_again(
    make: Make, module: Any, tmp_path: Path
) -> None:
    make("int8")
    for file in tmp_path.iterdir():
        file.write_bytes(b"spoilt")
    make("int8")
    assert len(module.built) == module.measured == 2


def test_a_model_without_ranges_is_refused_in_int8_with_the_command_that_finds_them(
    make: Make,
) -> None:
    model = random_model(**UNTRAINED)
    with pytest.raises(
        BackendUnavailableError, match=r"int8 cannot serve this model: .* 'lut-fuse model ranges"
    ):
        make("int8", model)
    assert make("fp32", model).precision == "fp32"


def test_ranges_that_do_not_suit_the_images_are_noticed_before_anything_is_fused(
    make: Make,
) -> None:
    dark = np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.uint8)
    with pytest.raises(BackendUnavailableError, match="self-check in int8 on host failed"):
        make("int8", with_input_ranges(load_model(TRAINED), [dark]))


def test_cuda_takes_fp16_instead_of_int8_with_a_warning(
    module: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend = CudaBackend(load_model(TRAINED), options=GpuOptions("int8"))
    assert backend.precision == "fp16"
    (warning,) = (r for r in caplog.records if r.levelno == logging.WARNING)
    assert "'cuda' has no int8" in warning.getMessage()


def test_auto_does_without_tensorrt_if_the_model_is_not_ready_for_int8(
    module: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fuser = Fuser(random_model(**UNTRAINED), "auto", gpu=GpuOptions("int8", tmp_path))
    assert fuser.backend.name == "cuda"
    assert "'lut-fuse model ranges" in caplog.text


@pytest.mark.parametrize("module", [NEW], indirect=True)
def test_the_metrics_of_real_pairs_stay_within_one_percent_in_int8(
    make: Make, shared: Path
) -> None:
    files = find_dataset(shared / "data" / "roadscene" / "test").pairs[::12]
    model = load_model(TRAINED)
    fusers = ReferenceBackend(model), make("int8", model)
    exact, rounded = (
        evaluate(files, lambda _, *pair, by=by: by.fuse(*pair)).mean("fused") for by in fusers
    )
    for name in METRIC_NAMES:
        assert rounded[name] == pytest.approx(exact[name], rel=0.01), name


def test_a_larger_engine_is_held_against_the_reference_before_it_is_used(
    make: Make, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make("fp16")
    launch = backend.fuser.stage.launch

    def spoilt(frame: Any, infrared: Any, stream: Any) -> None:
        launch(frame, infrared, stream)
        stream.put(lambda: frame.context.fill(0))

    monkeypatch.setattr(backend.fuser.stage, "launch", spoilt)
    for _ in range(2):
        with pytest.raises(BackendUnavailableError, match="self-check in fp16"):
            backend.fuse(*a_pair(0, (160, 120)))


def test_a_pipeline_goes_on_with_the_cpu_where_the_gpu_cannot(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = FusionPipeline(PipelineConfig(backend="reference"))
    pipeline.fuser.backend = make("fp16")
    pipeline.process(*a_pair(), visible_time=0.0, infrared_time=0.0)
    tries = []

    def no_memory(rows: int, columns: int) -> Any:
        tries.append((rows, columns))
        raise BackendUnavailableError("no memory to build an engine")

    monkeypatch.setattr(pipeline.fuser.backend.fuser.stage, "_open", no_memory)
    for number in range(1, 4):
        pair = a_pair(number, (160, 120))
        fused = pipeline.process(*pair, visible_time=float(number), infrared_time=float(number))
        expected = ReferenceBackend(pipeline.fuser.model).fuse(*pair)
        assert np.abs(fused.astype(int) - expected).max() <= 1
    assert len(tries) == 1
    assert pipeline.status.shutter.frozen == 0  # no frame counts twice for having been tried twice
    assert "'tensorrt' failed while running (no memory" in pipeline.status.replaced
    assert "'tensorrt' cannot go on: no memory to build an engine" in caplog.text


def test_what_the_gpu_held_is_not_asked_for_after_it_failed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = FusionPipeline(PipelineConfig(backend="reference"))
    pipeline.fuser.backend = make("fp16")
    pipeline.process(*a_pair(), visible_time=0.0, infrared_time=0.0)
    pipeline.reconfigure(replace(pipeline.config, clock_offset=0.01))

    def broken(*_: Any, **__: Any) -> None:
        raise BackendUnavailableError("the driver is gone")

    monkeypatch.setattr(pipeline.fuser.backend, "hold", broken)
    pair = a_pair(1)
    fused = pipeline.process(*pair, visible_time=0.1, infrared_time=0.1)
    expected = ReferenceBackend(pipeline.fuser.model).fuse(*pair)
    assert np.abs(fused.astype(int) - expected).max() <= 1


def test_an_error_of_the_driver_is_a_reason_to_leave_the_gpu(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make("fp16")

    def broken(*_: Any) -> None:
        raise RuntimeError("cudaErrorIllegalAddress")

    monkeypatch.setattr(backend.fuser, "_run", broken)
    with pytest.raises(BackendUnavailableError, match=r"host failed \(cudaErrorIllegalAddress\)"):
        backend.fuse(*a_pair())
