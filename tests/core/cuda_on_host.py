"""The CUDA sources compiled by a C++ compiler: what the kernels compute, without a GPU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from lut_fuse_core.backends.gpu_source import KernelPlan, cuda_source
from lut_fuse_core.backends.gpu_tensors import pack_encoder, pack_lattice
from lut_fuse_core.features import UInt8Array
from lut_fuse_core.model import FloatArray, FusionModel

_libraries: dict[str, ctypes.CDLL] = {}

COMPILER = shutil.which("g++") or shutil.which("c++")


class HostKernels:
    """The kernels of one plan, with a model's tensors, as functions on NumPy arrays."""

    def __init__(self, model: FusionModel, plan: KernelPlan, folder: Path) -> None:
        self.model, self.plan = model, plan
        self._library = _compiled(cuda_source(model, plan, "frame.cuh"), folder)
        self.lattice = pack_lattice(model, plan)
        self.weights, self.biases = pack_encoder(model, plan)

    def grid(self, infrared: UInt8Array) -> tuple[int, int]:
        """Rows and columns of the context map."""
        rows, columns = (-(-side // self.model.encoder.stride) for side in infrared.shape)
        return rows, columns

    def context(self, visible: UInt8Array, infrared: UInt8Array) -> FloatArray:
        """The coarse context ``(rows, columns) float32``."""
        context = np.full(self.grid(infrared), np.nan, np.float32)
        self._call(
            *("lut_fuse_encode", visible, infrared, *infrared.shape, *context.shape),
            *(self.weights, self.biases, context),
        )
        return context

    def planes(self, visible: UInt8Array, infrared: UInt8Array) -> Any:
        """The input of an encoder that is not ours, float16 or float32."""
        rows, columns = self.grid(infrared)
        channels = self.model.encoder.blocks[0].weight.shape[1]
        kind = np.float16 if self.plan.precision == "fp16" else np.float32
        planes = np.full((channels, rows, columns), np.nan, kind)
        self._call("lut_fuse_prepare", visible, infrared, *infrared.shape, rows, columns, planes)
        return planes

    def fuse(
        self,
        visible: UInt8Array,
        infrared: UInt8Array,
        strength: float = 1.0,
        coverage: UInt8Array | None = None,
    ) -> UInt8Array:
        """Both kernels of a frame; see `Backend.fuse`."""
        context = self.context(visible, infrared)
        out = np.full(visible.shape, 0xA5, np.uint8)
        self._call(
            *("lut_fuse_pixels", visible, infrared, coverage, context, self.lattice),
            *(*infrared.shape, *context.shape, strength, out),
        )
        return out

    def halves(self, values: FloatArray) -> tuple[Any, FloatArray]:
        """Values rounded to half precision, and back."""
        halves, back = np.empty(values.shape, np.float16), np.empty_like(values)
        self._call("lut_fuse_halves", values, values.size, halves, back)
        return halves, back

    def _call(self, name: str, *arguments: Any) -> None:
        converted: list[Any] = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                assert argument.flags.c_contiguous
                converted.append(ctypes.c_void_p(argument.ctypes.data))
            elif isinstance(argument, float):
                converted.append(ctypes.c_float(argument))
            else:
                converted.append(argument)
        getattr(self._library, name)(*converted)


def _compiled(source: str, folder: Path) -> ctypes.CDLL:
    """The library of a source, compiled once: models that differ in numbers alone share it."""
    if source not in _libraries:
        assert COMPILER is not None
        code = (Path(__file__).parent / "cuda_on_host.cpp").read_text(encoding="utf-8")
        file = folder / f"kernels_{len(_libraries)}.cpp"
        file.write_text(source + code, encoding="utf-8")
        options = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        unused = ["-Wno-unused-variable", "-Wno-unused-parameter", "-Wno-unused-but-set-variable"]
        library = file.with_suffix(".so")
        subprocess.run([COMPILER, *options, *unused, "-o", str(library), str(file)], check=True)
        _libraries[source] = ctypes.CDLL(str(library))
    return _libraries[source]
