"""Access to the GPU through CuPy: is there one, what is it, compile and load kernels."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.backends.gpu.options import Precision, of_kernels
from lut_fuse_core.backends.gpu.source import (
    ENCODER_THREADS,
    MIXED,
    PIXELS,
    PREPARED,
    KernelPlan,
    cuda_source,
)
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import FusionModel

KERNELS = (
    "mix_lattice",
    "prepare_planes",
    "sensor_prepare_planes",
    "encode_tiles",
    "sensor_encode_tiles",
    "fuse_pixels",
)
"""The kernels of `kernels/kernels.cu`."""

DEVICE_FILES = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvgpu/igpu0")
"""There is at least one of them where there is an NVIDIA GPU with a driver: desktops, Jetson."""

_log = logging.getLogger(__name__)

TENSOR_CORES = 80
"""Least compute capability with the tensor-core instruction that fp16 uses (Ampere)."""


@dataclass(frozen=True)
class GpuDevice:
    """The GPU in use.

    Attributes:
        cupy: The module.
        name: As the driver says.
        capability: Compute capability times ten: 87 for 8.7.
        processors: Number of multiprocessors.
        integrated: Whether it shares its memory with the CPU (Jetson), so that nothing need be
            copied.
    """

    cupy: Any
    name: str
    capability: int
    processors: int
    integrated: bool

    def pinned(self, shape: tuple[int, ...], kind: npt.DTypeLike = np.uint8) -> npt.NDArray[Any]:
        """An array in pinned host memory, contents undefined."""
        count = int(np.prod(shape))
        memory = self.cupy.cuda.alloc_pinned_memory(count * np.dtype(kind).itemsize)
        return np.frombuffer(memory, kind, count).reshape(shape)

    def beside(self, host: npt.NDArray[Any], *, in_place: bool) -> Any:
        """What kernels take for a pinned array: one of the same shape on the device, or, in place,
        the address of the array itself.

        With unified addressing (all 64-bit systems) pinned memory has one address for both.
        """
        if in_place:
            return np.uint64(host.ctypes.data)
        return self.cupy.empty(host.shape, host.dtype)

    def upload(self, host: npt.NDArray[Any], array: Any, stream: Any) -> None:
        """Put the copy of a C-contiguous host array to the device on a stream; until it has run,
        the array must stay as it is.
        """
        runtime = self.cupy.cuda.runtime
        runtime.memcpyAsync(
            *(array.data.ptr, host.ctypes.data, host.nbytes),
            *(runtime.memcpyHostToDevice, stream.ptr),
        )

    def download(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Put the copy to a pinned host array on a stream."""
        runtime = self.cupy.cuda.runtime
        runtime.memcpyAsync(
            *(host.ctypes.data, array.data.ptr, host.nbytes),
            *(runtime.memcpyDeviceToHost, stream.ptr),
        )

    def precisions(self, wanted: Precision | None) -> tuple[Precision, ...]:
        """The precisions to try, in order.

        Raises:
            BackendUnavailableError: For one it lacks.
        """
        if self.capability >= TENSOR_CORES:
            return ("fp16", "fp32") if wanted is None else (wanted,)
        if wanted is not None and of_kernels(wanted) == "fp16":
            raise BackendUnavailableError(
                f"{self.name} has compute capability {self.capability / 10:.1f}; {wanted} needs "
                f"{TENSOR_CORES / 10:.1f}; ask for fp32"
            )
        return ("fp32",)


def gpu_is_there() -> bool:
    """Whether this machine has an NVIDIA GPU, whatever is missing to use it."""
    return any(Path(file).exists() for file in DEVICE_FILES)


def open_device() -> GpuDevice:
    """The GPU that this thread uses, the first unless told otherwise.

    Raises:
        BackendUnavailableError: If something is missing; the sentence says what.
    """
    try:
        import cupy
    except ImportError as error:
        raise BackendUnavailableError(
            f"it needs CuPy ({error}); run 'pip install cupy-cuda12x' (13x for CUDA 13; on a robot "
            "see docs/gpu.md for the version that goes with its NumPy)"
        ) from error
    except OSError as error:
        raise BackendUnavailableError(
            f"CuPy cannot be imported ({error}); CUPY_CACHE_DIR names a folder it may write to"
        ) from error
    try:
        runtime = cupy.cuda.runtime
        count = runtime.getDeviceCount()
        if count:
            properties = runtime.getDeviceProperties(runtime.getDevice())
    except Exception as error:  # CuPy raises errors of its own, some only known to its C part
        raise BackendUnavailableError(f"CuPy finds no usable NVIDIA driver ({error})") from error
    if not count:
        raise BackendUnavailableError("CuPy finds no NVIDIA GPU on this machine")
    return GpuDevice(
        cupy,
        properties["name"].decode(),
        properties["major"] * 10 + properties["minor"],
        properties["multiProcessorCount"],
        bool(properties["integrated"]),
    )


@dataclass(frozen=True)
class GpuKernels:
    """The compiled `KERNELS` for one model, by name.

    Attributes:
        plan: What they were compiled for.
        functions: The kernels by name.
    """

    plan: KernelPlan
    functions: dict[str, Any]


def compile_kernels(device: GpuDevice, model: FusionModel, plan: KernelPlan) -> GpuKernels:
    """Compile with NVRTC, or load what CuPy compiled before (under CUPY_CACHE_DIR).

    Raises:
        BackendUnavailableError: With the compiler's first error.
    """
    source = cuda_source(model, plan)

    def compiled() -> dict[str, Any]:
        module = device.cupy.RawModule(code=source, options=("--std=c++17",), backend="nvrtc")
        return {name: module.get_function(name) for name in KERNELS}

    try:
        try:
            functions = compiled()
        except OSError as error:
            _log.warning("compiled kernels cannot be kept (%s): they are compiled again", error)
            os.environ["CUPY_CACHE_IN_MEMORY"] = "1"
            functions = compiled()
    except Exception as error:  # NVRTC missing, a compile error
        first = next((line for line in str(error).splitlines() if "error" in line), str(error))
        raise BackendUnavailableError(
            f"its kernels do not compile for {device.name} ({first})"
        ) from error
    return GpuKernels(plan, functions)


@dataclass(frozen=True)
class Launch:
    """Grid and block of a kernel, as CuPy takes them.

    Attributes:
        grid: Blocks along x, y and z.
        block: Threads along x, y and z.
    """

    grid: tuple[int, ...]
    block: tuple[int, ...]


def mix_launch(nodes: int) -> Launch:
    """For `mix_lattice`: a thread per node."""
    return Launch((-(-nodes // MIXED),), (MIXED,))


def prepare_launch(rows: int, columns: int) -> Launch:
    """For `prepare_planes`: a thread per position."""
    return Launch((-(-rows * columns // PREPARED),), (PREPARED,))


def encode_launch(plan: KernelPlan, rows: int, columns: int) -> Launch:
    """For `encode_tiles`: a block per tile."""
    width, height = plan.tile
    return Launch((-(-columns // width), -(-rows // height)), (ENCODER_THREADS,))


def fuse_launch(height: int, width: int) -> Launch:
    """For `fuse_pixels`: a block per tile."""
    tiles = -(-height // PIXELS[1]) * -(-width // PIXELS[0])
    return Launch((tiles,), (PIXELS[0] * PIXELS[1],))
