"""What a user may decide about the GPU backends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Precision = Literal["fp16", "fp32", "int8"]
KernelPrecision = Literal["fp16", "fp32"]


@dataclass(frozen=True)
class GpuOptions:
    """Wishes for the GPU backends; the others ignore them.

    precision: None for fp16 where the GPU has it and it agrees with the reference, else fp32. int8
        is for convolutions that TensorRT executes; `cuda` takes fp16 instead.
    cache_folder: where TensorRT engines are kept; None for the folder in LUT_FUSE_CACHE, or
        ``lut_fuse`` under the user's cache folder. (CuPy keeps kernels under CUPY_CACHE_DIR.)
    """

    precision: Precision | None = None
    cache_folder: Path | None = None


DEFAULT_OPTIONS = GpuOptions()


def of_kernels(precision: Precision) -> KernelPrecision:
    """What our own kernels compute in: fp16 around convolutions in int8."""
    return "fp16" if precision == "int8" else precision
