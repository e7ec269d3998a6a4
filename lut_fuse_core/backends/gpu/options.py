"""What a user may decide about the GPU backends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lut_fuse_core.settings import check_settings, setting

Precision = Literal["fp16", "fp32", "int8"]
KernelPrecision = Literal["fp16", "fp32"]


@dataclass(frozen=True)
class GpuOptions:
    """Wishes for the GPU backends; the others ignore them.

    Raises:
        InputError: For a precision that does not exist.
    """

    precision: Literal["auto", "fp16", "fp32", "int8"] = setting(
        "auto",
        "Arithmetic of the GPU backends: 'auto' takes fp16 where the GPU has it and it agrees with "
        "the reference, else fp32; 'int8' is for the convolutions of 'tensorrt', and 'cuda' takes "
        "fp16 instead.",
    )
    cache: str | Path = setting(
        "",
        "Folder for TensorRT engines and the measured choice of 'auto'; empty takes "
        "$LUT_FUSE_CACHE or lut_fuse in the user's cache folder.",
    )

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def wanted(self) -> Precision | None:
        """The precision to take; None for the best."""
        return None if self.precision == "auto" else self.precision

    @property
    def folder(self) -> Path | None:
        """Where engines are kept; None for the usual place. (CuPy has CUPY_CACHE_DIR.)"""
        return Path(self.cache).expanduser() if self.cache else None


DEFAULT_OPTIONS = GpuOptions()


def of_kernels(precision: Precision) -> KernelPrecision:
    """What our own kernels compute in: fp16 around convolutions in int8."""
    return "fp16" if precision == "int8" else precision
