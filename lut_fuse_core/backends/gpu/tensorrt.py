"""The `tensorrt` backend: our kernels around a context encoder that TensorRT executes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lut_fuse_core.backends.gpu.backend import GpuBackend
from lut_fuse_core.backends.gpu.device import (
    GpuDevice,
    GpuKernels,
    compile_kernels,
    open_device,
    prepare_launch,
)
from lut_fuse_core.backends.gpu.frame import GpuFrame, InfraredSource
from lut_fuse_core.backends.gpu.fuser import DEFAULT_SIZE, GpuFuser
from lut_fuse_core.backends.gpu.options import DEFAULT_OPTIONS, GpuOptions, Precision, of_kernels
from lut_fuse_core.backends.gpu.self_check import CHECK_SIZE
from lut_fuse_core.backends.gpu.source import plan_kernels
from lut_fuse_core.backends.gpu.tensorrt_engine import EncoderEngines, exported, open_tensorrt
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import FusionModel


class TensorRtBackend(GpuBackend):
    """The context encoder as a TensorRT engine; look-up and color as in the `cuda` backend.

    Every instance fuses pairs and compares them with `reference` before it is used.

    Args:
        model: What to fuse with.
        threads: Accepted for uniformity; the GPU has its own.
        options: Precision and cache folder.
        size: Height and width that the engine is tuned for; it serves smaller images too, larger
            ones get an engine of their own when the first comes.

    Raises:
        BackendUnavailableError: If TensorRT, CuPy, a driver or a GPU is missing, if the engine
            cannot be built, if that comparison fails, or for int8 with a model that was not made
            ready for it.
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
        # What the model rules out is the better reason on a machine without TensorRT, too.
        wanted = options.wanted or "fp16"
        plan_kernels(model, of_kernels(wanted))
        exported(model.encoder, wanted)
        tensorrt = open_tensorrt()
        device = open_device()

        def make(precision: Precision) -> GpuFuser:
            plan = plan_kernels(model, of_kernels(precision))
            kernels = compile_kernels(device, model, plan)
            engines = EncoderEngines(tensorrt, device, model.encoder, precision, options.folder)
            encoder = TensorRtEncoder(engines, device, kernels, _grid(model, size))
            return GpuFuser(device, kernels, model, encoder)

        super().__init__(model, device, options.wanted, make, size)


def _grid(model: FusionModel, size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the encoder's grid for images of a size, and for the self-check."""
    rows, columns = (
        -(-max(side, check) // model.encoder.stride)
        for side, check in zip(size, CHECK_SIZE, strict=True)
    )
    return rows, columns


@dataclass
class _Engine:
    rows: int
    columns: int
    engine: Any  # tensorrt.ICudaEngine, which must outlive its context
    context: Any  # tensorrt.IExecutionContext


class TensorRtEncoder:
    """The context of a frame by TensorRT; a `ContextStage`.

    Args:
        engines: Of the encoder.
        device: The GPU.
        kernels: Compiled for the model.
        grid: Rows and columns that the first engine is tuned for.
    """

    def __init__(
        self,
        engines: EncoderEngines,
        device: GpuDevice,
        kernels: GpuKernels,
        grid: tuple[int, int],
    ) -> None:
        self._engines, self._device, self._kernels = engines, device, kernels
        self.generation = 0
        self._engine = self._open(*grid)
        self._planes: Any = None

    def prepare(self, frame: GpuFrame) -> None:
        """The encoder's input, and an engine if this size is larger than any before."""
        cupy = self._device.cupy
        kind = cupy.float16 if self._kernels.plan.precision == "fp16" else cupy.float32
        channels = self._engines.channels
        self._planes = cupy.empty((channels, frame.rows, frame.columns), kind)
        if frame.rows > self._engine.rows or frame.columns > self._engine.columns:
            self._engine = self._open(
                max(frame.rows, self._engine.rows), max(frame.columns, self._engine.columns)
            )
            self.generation += 1
        context = self._engine.context
        if not context.set_input_shape("planes", (1, channels, frame.rows, frame.columns)):
            raise BackendUnavailableError(
                f"TensorRT's engine does not take images of {frame.width}x{frame.height}"
            )
        context.set_tensor_address("planes", self._planes.data.ptr)
        context.set_tensor_address("context", frame.context.data.ptr)

    def launch(self, frame: GpuFrame, infrared: InfraredSource, stream: Any) -> None:
        """See `ContextStage.launch`.

        Raises:
            BackendUnavailableError: If TensorRT refuses.
        """
        launch = prepare_launch(frame.rows, frame.columns)
        images = (*frame.image_arguments, *infrared.arguments)
        self._kernels.functions[infrared.variant("prepare_planes")](
            launch.grid, launch.block, (*images, *frame.grid_arguments, self._planes)
        )
        if not self._engine.context.execute_async_v3(stream.ptr):
            raise BackendUnavailableError("TensorRT did not execute the encoder; its log says why")

    def _open(self, rows: int, columns: int) -> _Engine:
        engine = self._engines.open(rows, columns)
        context = engine.create_execution_context()
        if context is None:
            raise BackendUnavailableError("TensorRT has no memory left to execute the encoder")
        return _Engine(rows, columns, engine, context)
