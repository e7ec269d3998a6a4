"""Access to the GPU through CuPy: is there one, what is it, compile and load kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lut_fuse_core.backends.gpu_options import Precision
from lut_fuse_core.backends.gpu_source import (
    ENCODER_THREADS,
    PIXELS,
    KernelPlan,
    cuda_source,
)
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model import FusionModel

TENSOR_CORES = 80
"""Least compute capability with the tensor-core instruction that fp16 uses (Ampere)."""


@dataclass(frozen=True)
class GpuDevice:
    """The GPU in use. cupy: the module. capability: e.g. 87 for 8.7. processors: multiprocessors.

    integrated: whether it shares its memory with the CPU (Jetson), so that nothing is copied.
    """

    cupy: Any
    name: str
    capability: int
    processors: int
    integrated: bool

    def precisions(self, wanted: Precision | None) -> tuple[Precision, ...]:
        """The precisions to try, in order. Raises BackendUnavailableError for fp16 without them."""
        if self.capability >= TENSOR_CORES:
            return ("fp16", "fp32") if wanted is None else (wanted,)
        if wanted == "fp16":
            raise BackendUnavailableError(
                f"{self.name} has compute capability {self.capability / 10:.1f}; fp16 needs "
                f"{TENSOR_CORES / 10:.1f}; ask for fp32"
            )
        return ("fp32",)


def open_device() -> GpuDevice:
    """The first GPU. Raises BackendUnavailableError, saying what is missing."""
    try:
        import cupy
    except ImportError as error:
        raise BackendUnavailableError(
            f"it needs CuPy ({error}); run 'pip install cupy-cuda12x' (13x for CUDA 13)"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        if count:
            properties = cupy.cuda.runtime.getDeviceProperties(0)
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
    """The compiled kernels of `cuda/kernels.cu` for one model."""

    plan: KernelPlan
    processors: int
    prepare_planes: Any
    encode_tiles: Any
    fuse_pixels: Any


def compile_kernels(device: GpuDevice, model: FusionModel, plan: KernelPlan) -> GpuKernels:
    """Compile with NVRTC, or load what CuPy compiled before (under CUPY_CACHE_DIR).

    Raises BackendUnavailableError with the compiler's first error.
    """
    module = device.cupy.RawModule(
        code=cuda_source(model, plan), options=("--std=c++17",), backend="nvrtc"
    )
    try:
        kernels = GpuKernels(
            plan,
            device.processors,
            module.get_function("prepare_planes"),
            module.get_function("encode_tiles"),
            module.get_function("fuse_pixels"),
        )
        if plan.lattice_in_shared:
            kernels.fuse_pixels.max_dynamic_shared_size_bytes = lattice_bytes(model, plan)
    except Exception as error:  # NVRTC missing, a compile error, too little shared memory
        first = next((line for line in str(error).splitlines() if "error" in line), str(error))
        raise BackendUnavailableError(
            f"its kernels do not compile for {device.name} ({first})"
        ) from error
    return kernels


def lattice_bytes(model: FusionModel, plan: KernelPlan) -> int:
    """Size of the lattice as the kernels read it."""
    return int(model.lattice.size) * (4 if plan.precision == "fp16" else 8)


@dataclass(frozen=True)
class Launch:
    """Grid and block of a kernel, as CuPy takes them, and its dynamic shared memory in bytes."""

    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int = 0


def prepare_launch(rows: int, columns: int) -> Launch:
    """For `prepare_planes`: a thread per position."""
    return Launch((-(-rows * columns // 256),), (256,))


def encode_launch(plan: KernelPlan, rows: int, columns: int) -> Launch:
    """For `encode_tiles`: a block per tile."""
    width, height = plan.tile
    return Launch((-(-columns // width), -(-rows // height)), (ENCODER_THREADS,))


def fuse_launch(
    model: FusionModel, plan: KernelPlan, processors: int, height: int, width: int
) -> Launch:
    """For `fuse_pixels`: a block per tile; with the lattice in shared memory, a few per processor
    that take several tiles, so that it is copied seldom.
    """
    tiles = -(-height // PIXELS[1]) * -(-width // PIXELS[0])
    block = (PIXELS[0] * PIXELS[1],)
    if not plan.lattice_in_shared:
        return Launch((tiles,), block)
    size = lattice_bytes(model, plan)
    return Launch((min(tiles, processors * max(1, 160 * 1024 // size)),), block, size)
