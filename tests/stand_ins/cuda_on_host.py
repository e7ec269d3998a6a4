"""The CUDA kernels, one at a time, on NumPy arrays: what they compute, without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from host_cupy import HostModule, HostStream, host_cupy

from lut_fuse_core.arrays import FloatArray, RawInfrared, UInt8Array
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.backends.gpu.device import (
    GpuDevice,
    Launch,
    compile_kernels,
    encode_launch,
    fuse_launch,
    prepare_launch,
)
from lut_fuse_core.backends.gpu.frame import InfraredSource
from lut_fuse_core.backends.gpu.lattice import GpuLattice
from lut_fuse_core.backends.gpu.packing import pack_encoder
from lut_fuse_core.backends.gpu.raw_infrared import HeldSensor
from lut_fuse_core.backends.gpu.source import KernelPlan, cuda_source
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.registration.warp import Warp


class HostKernels:
    """The kernels of one plan, with a model's tensors, as functions on NumPy arrays."""

    def __init__(self, model: FusionModel, plan: KernelPlan, folder: Path) -> None:
        self.model, self.plan, self._folder = model, plan, folder
        self._cupy = host_cupy(folder)
        self.device = GpuDevice(self._cupy, "host", 87, 3, integrated=False)
        self._kernels = compile_kernels(self.device, model, plan)
        self._stream = HostStream(non_blocking=True)
        self._lattice = GpuLattice(self.device, self._kernels, model)
        self.weights, self.biases = pack_encoder(model, plan)

    def grid(self, infrared: UInt8Array) -> tuple[int, int]:
        """Rows and columns of the context map."""
        rows, columns = (-(-side // self.model.encoder.stride) for side in infrared.shape)
        return rows, columns

    def context(self, visible: UInt8Array, infrared: UInt8Array) -> FloatArray:
        """The coarse context ``(rows, columns) float32``."""
        return self._context(visible, self._given(infrared))

    def planes(self, visible: UInt8Array, infrared: UInt8Array) -> Any:
        """The input of an encoder that is not ours, float16 or float32."""
        return self._planes(visible, self._given(infrared))

    def registered(
        self, stage: str, visible: UInt8Array, raw: RawInfrared, levels: UInt8Array, warp: Warp
    ) -> tuple[UInt8Array, Any]:
        """What a raw frame becomes in the kernel of a ``context`` or ``planes``, and its result."""
        held = HeldSensor(self.device, self._stream, raw, levels, warp, in_place=False)
        self.device.upload(held.host, held.raw, self._stream)
        run = {"context": self._context, "planes": self._planes}[stage]
        result = run(visible, InfraredSource(held.arguments, raw=True))
        return held.registered.values.copy(), result

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Both kernels of a frame; see `Backend.fuse`."""
        context = self.context(visible, infrared)
        out = self._cupy.empty(visible.shape, np.uint8)
        launch = fuse_launch(*infrared.shape)
        grid = map(np.int32, context.shape)
        covered = None if options.mask is None else self._cupy.asarray(options.mask)
        image = self._image(visible)
        self._lattice.enter(image, self._stream)
        self._lattice.wait(self._stream)
        self._run(
            *("fuse_pixels", launch, *image, self._cupy.asarray(infrared), covered),
            *(
                self._cupy.asarray(context),
                *grid,
                self._lattice.array,
                np.float32(options.strength),
                out,
            ),
        )
        return out.values.copy()

    def halves(self, values: FloatArray) -> tuple[Any, FloatArray]:
        """Values rounded to half precision, and back."""
        return HostModule(cuda_source(self.model, self.plan), self._folder).halves(values)

    def _given(self, infrared: UInt8Array) -> InfraredSource:
        return InfraredSource((self._cupy.asarray(infrared),))

    def _image(self, visible: UInt8Array) -> tuple[Any, ...]:
        return (self._cupy.asarray(visible), *map(np.int32, visible.shape[:2]))

    def _context(self, visible: UInt8Array, infrared: InfraredSource) -> FloatArray:
        rows, columns = self.grid(visible[..., 0])
        context = self._cupy.empty((rows, columns), np.float32)
        tensors = self._cupy.asarray(self.weights), self._cupy.asarray(self.biases)
        self._run(
            *(infrared.variant("encode_tiles"), encode_launch(self.plan, rows, columns)),
            *(*self._image(visible), *infrared.arguments),
            *(np.int32(rows), np.int32(columns), *tensors, context),
        )
        return context.values.copy()

    def _planes(self, visible: UInt8Array, infrared: InfraredSource) -> Any:
        rows, columns = self.grid(visible[..., 0])
        channels = self.model.encoder.blocks[0].weight.shape[1]
        kind = np.float16 if self.plan.precision == "fp16" else np.float32
        planes = self._cupy.empty((channels, rows, columns), kind)
        self._run(
            *(infrared.variant("prepare_planes"), prepare_launch(rows, columns)),
            *(*self._image(visible), *infrared.arguments),
            *(np.int32(rows), np.int32(columns), planes),
        )
        return planes.values.copy()

    def _run(self, kernel: str, launch: Launch, *arguments: Any) -> None:
        with self._stream:
            self._kernels.functions[kernel](launch.grid, launch.block, arguments)
        self._stream.synchronize()
