"""The `tensorrt` backend: our kernels around a context encoder that TensorRT executes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lut_fuse_core.backends.gpu_backend import GpuBackend
from lut_fuse_core.backends.gpu_check import CHECK_SIZE
from lut_fuse_core.backends.gpu_device import (
    GpuDevice,
    GpuKernels,
    compile_kernels,
    open_device,
    prepare_launch,
)
from lut_fuse_core.backends.gpu_engine import EngineKey, exported, load_or_build, open_tensorrt
from lut_fuse_core.backends.gpu_frame import GpuFrame, GpuFuser, InfraredSource
from lut_fuse_core.backends.gpu_options import DEFAULT_OPTIONS, GpuOptions, Precision
from lut_fuse_core.backends.gpu_source import plan_kernels
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model import FusionModel

DEFAULT_SIZE = (480, 640)


class TensorRtBackend(GpuBackend):
    """The context encoder as a TensorRT engine; look-up and colour as in the `cuda` backend.

    size: height and width that the engine is tuned for; it serves smaller images too, larger ones
    get an engine of their own when the first comes.

    Every instance fuses pairs and compares them with `reference` before it is used. Raises
    BackendUnavailableError if TensorRT, CuPy, a driver or a GPU is missing, if the engine cannot be
    built, or if that comparison fails.
    """

    name = "tensorrt"

    def __init__(
        self,
        model: FusionModel,
        threads: int | None = None,
        *,
        options: GpuOptions = DEFAULT_OPTIONS,
        size: tuple[int, int] = DEFAULT_SIZE,
    ) -> None:
        """Threads is accepted for uniformity; the GPU has its own."""
        plan_kernels(model, options.precision or "fp16")
        tensorrt = open_tensorrt()
        device = open_device()

        def make(precision: Precision) -> GpuFuser:
            kernels = compile_kernels(device, model, plan_kernels(model, precision))
            encoder = TensorRtEncoder(tensorrt, device, kernels, model, size, options.cache_folder)
            return GpuFuser(device, kernels, model, encoder)

        super().__init__(model, device, options.precision, make)


@dataclass
class _Engine:
    rows: int
    columns: int
    engine: Any  # tensorrt.ICudaEngine, which must outlive its context
    context: Any  # tensorrt.IExecutionContext


class TensorRtEncoder:
    """The context of a frame by TensorRT; a `ContextStage`."""

    def __init__(
        self,
        tensorrt: Any,
        device: GpuDevice,
        kernels: GpuKernels,
        model: FusionModel,
        size: tuple[int, int],
        folder: Path | None,
    ) -> None:
        self._tensorrt, self._device = tensorrt, device
        self._kernels, self._folder = kernels, folder
        self._precision = kernels.plan.precision
        self._channels = int(model.encoder.blocks[0].weight.shape[1])
        self._onnx, self._hash = exported(model.encoder, self._precision)
        stride = model.encoder.stride
        rows, columns = (
            -(-max(side, check) // stride) for side, check in zip(size, CHECK_SIZE, strict=True)
        )
        self._engine = self._open(rows, columns)
        self._planes: Any = None

    def prepare(self, frame: GpuFrame) -> None:
        """The encoder's input, and an engine if this size is larger than any before."""
        cupy = self._device.cupy
        kind = cupy.float16 if self._precision == "fp16" else cupy.float32
        self._planes = cupy.empty((self._channels, frame.rows, frame.columns), kind)
        if frame.rows > self._engine.rows or frame.columns > self._engine.columns:
            self._engine = self._open(
                max(frame.rows, self._engine.rows), max(frame.columns, self._engine.columns)
            )
        context = self._engine.context
        context.set_input_shape("planes", (1, self._channels, frame.rows, frame.columns))
        context.set_tensor_address("planes", self._planes.data.ptr)
        context.set_tensor_address("context", frame.context.data.ptr)

    def launch(self, frame: GpuFrame, infrared: InfraredSource, stream: Any) -> None:
        """See `ContextStage.launch`. Raises BackendUnavailableError if TensorRT refuses."""
        launch = prepare_launch(frame.rows, frame.columns)
        images = (*frame.image_arguments, *infrared.arguments)
        self._kernels.functions[infrared.variant("prepare_planes")](
            launch.grid, launch.block, (*images, *frame.grid_arguments, self._planes)
        )
        if not self._engine.context.execute_async_v3(stream.ptr):
            raise BackendUnavailableError("TensorRT did not execute the encoder; its log says why")

    def _open(self, rows: int, columns: int) -> _Engine:
        device = self._device
        key = EngineKey(
            device.name,
            device.capability,
            self._tensorrt.__version__,
            self._precision,
            rows,
            columns,
            self._hash,
        )
        engine = load_or_build(self._tensorrt, key, self._onnx, self._channels, self._folder)
        return _Engine(rows, columns, engine, engine.create_execution_context())
