"""The `cuda` backend: a frame in two kernels, compiled at first use; a third mixes two lattices."""

from __future__ import annotations

import logging
from typing import Any

from lut_fuse_core.backends.gpu.backend import GpuBackend
from lut_fuse_core.backends.gpu.device import (
    GpuDevice,
    GpuKernels,
    compile_kernels,
    encode_launch,
    open_device,
)
from lut_fuse_core.backends.gpu.frame import GpuFrame, InfraredSource
from lut_fuse_core.backends.gpu.fuser import GpuFuser
from lut_fuse_core.backends.gpu.options import DEFAULT_OPTIONS, GpuOptions, Precision, of_kernels
from lut_fuse_core.backends.gpu.packing import pack_encoder
from lut_fuse_core.backends.gpu.source import plan_kernels
from lut_fuse_core.model.fusion_model import FusionModel

_log = logging.getLogger(__name__)


class CudaBackend(GpuBackend):
    """Encoder on tensor cores (fp16) or in single precision (fp32), look-up and color on the GPU.

    Every instance fuses pairs and compares them with `reference` before it is used.

    Args:
        model: What to fuse with.
        threads: Accepted for uniformity; the GPU has its own.
        options: Precision and cache folder.
        tile: Size of an encoder tile; see `KernelPlan`.

    Raises:
        BackendUnavailableError: If CuPy, a driver or a GPU is missing, if the model does not fit,
            or if that comparison fails.
    """

    name = "cuda"

    def __init__(
        self,
        model: FusionModel,
        threads: int | None = None,
        *,
        options: GpuOptions = DEFAULT_OPTIONS,
        tile: tuple[int, int] | None = None,
    ) -> None:
        # What the model rules out is the better reason on a machine without a GPU, too.
        wanted = options.wanted
        plan_kernels(model, of_kernels(wanted or "fp16"))
        device = open_device()
        if wanted == "int8":
            _log.warning("'cuda' has no int8, only 'tensorrt' has; it takes fp16 instead")
            wanted = None

        def make(precision: Precision) -> GpuFuser:
            plan = plan_kernels(
                model,
                of_kernels(precision),
                tile=tile,
                processors=device.processors,
            )
            kernels = compile_kernels(device, model, plan)
            return GpuFuser(device, kernels, model, OwnEncoder(device, kernels, model))

        super().__init__(model, device, wanted, make)


class OwnEncoder:
    """Our fused convolutions: one kernel.

    Args:
        device: The GPU.
        kernels: Compiled for the model.
        model: Whose encoder it is.
    """

    def __init__(self, device: GpuDevice, kernels: GpuKernels, model: FusionModel) -> None:
        self.generation = 0
        self._kernels = kernels
        weights, biases = pack_encoder(model, kernels.plan)
        self._weights = device.cupy.asarray(weights)
        self._biases = device.cupy.asarray(biases)

    def prepare(self, frame: GpuFrame) -> None:
        """Nothing depends on the size."""

    def launch(self, frame: GpuFrame, infrared: InfraredSource, stream: Any) -> None:
        """See `ContextStage.launch`."""
        launch = encode_launch(self._kernels.plan, frame.rows, frame.columns)
        self._kernels.functions[infrared.variant("encode_tiles")](
            launch.grid,
            launch.block,
            (
                *(*frame.image_arguments, *infrared.arguments, *frame.grid_arguments),
                *(self._weights, self._biases, frame.context),
            ),
        )
