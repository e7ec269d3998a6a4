"""The `cuda` backend: the whole frame in two kernels of our own, compiled at first use."""

from __future__ import annotations

from lut_fuse_core.backends.gpu_check import require_agreement
from lut_fuse_core.backends.gpu_device import GpuDevice, compile_kernels, open_device
from lut_fuse_core.backends.gpu_frame import GpuFuser, OwnEncoder
from lut_fuse_core.backends.gpu_options import DEFAULT_OPTIONS, GpuOptions, Precision
from lut_fuse_core.backends.gpu_source import plan_kernels
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.features import UInt8Array
from lut_fuse_core.model import FusionModel


class CudaBackend:
    """Encoder on tensor cores (fp16) or in single precision (fp32), look-up and colour on the GPU.

    tile: size of an encoder tile, lattice_in_shared: where the look-up reads; see `KernelPlan`.

    Every instance fuses a pair and compares it with `reference` before it is used. Raises
    BackendUnavailableError if CuPy, a driver or a GPU is missing, if the model does not fit, or if
    that comparison fails.
    """

    name = "cuda"

    def __init__(
        self,
        model: FusionModel,
        threads: int | None = None,
        *,
        options: GpuOptions = DEFAULT_OPTIONS,
        tile: tuple[int, int] | None = None,
        lattice_in_shared: bool = False,
    ) -> None:
        """Threads is accepted for uniformity; the GPU has its own."""
        self.model = model
        precision = options.precision
        # What the model rules out is the better reason on a machine without a GPU, too.
        plan_kernels(model, precision or "fp16", lattice_in_shared=lattice_in_shared)
        device = open_device()
        reasons = []
        for candidate in device.precisions(precision):
            try:
                self.fuser = _fuser(device, model, candidate, tile, lattice_in_shared)
            except BackendUnavailableError as error:
                reasons.append(str(error))
            else:
                self.precision: Precision = candidate
                return
        raise BackendUnavailableError("; ".join(reasons))

    def fuse(
        self,
        visible: UInt8Array,
        infrared: UInt8Array,
        *,
        strength: float = 1.0,
        coverage: UInt8Array | None = None,
        out: UInt8Array | None = None,
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`."""
        return self.fuser.fuse(visible, infrared, strength=strength, coverage=coverage, out=out)


def _fuser(
    device: GpuDevice,
    model: FusionModel,
    precision: Precision,
    tile: tuple[int, int] | None,
    lattice_in_shared: bool,
) -> GpuFuser:
    plan = plan_kernels(model, precision, tile=tile, lattice_in_shared=lattice_in_shared)
    kernels = compile_kernels(device, model, plan)
    try:
        fuser = GpuFuser(device, kernels, model, OwnEncoder(device, kernels, model))
        require_agreement(fuser.fuse, model, precision, device.name)
    except BackendUnavailableError:
        raise
    except Exception as error:  # out of memory, a launch that fails: CuPy's own errors
        raise BackendUnavailableError(
            f"its first frame failed on {device.name} ({error})"
        ) from error
    return fuser
