"""A frame on the GPU: buffers for one image size, and the whole work as one CUDA graph."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.backends.base import check_held, check_pair
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.backends.gpu.device import GpuDevice, GpuKernels, fuse_launch
from lut_fuse_core.backends.gpu.frame import ContextStage, GpuFrame, InfraredSource, Work
from lut_fuse_core.backends.gpu.lattice import GpuLattice
from lut_fuse_core.backends.gpu.raw_infrared import HeldSensor
from lut_fuse_core.errors import InputError
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.registration.warp import Warp

DEFAULT_SIZE = (480, 640)
"""Height and width of the frames to tune for and to measure with, where nothing else is asked."""

KEPT_GRAPHS = 8
"""Graphs per image size: one for each `Work`; further ones are captured again."""


class GpuFuser:
    """Fuses frames with one model: copies, context, look-up, captured once per image size.

    Args:
        device: The GPU.
        kernels: Compiled for the model.
        model: What to fuse with.
        stage: Computes the context.

    Attributes:
        in_place: Whether kernels read and write pinned memory instead of copies of it; initially so
            on a GPU that shares its memory with the CPU.
    """

    def __init__(
        self, device: GpuDevice, kernels: GpuKernels, model: FusionModel, stage: ContextStage
    ) -> None:
        self.device, self.model = device, model
        self.stream = device.cupy.cuda.Stream(non_blocking=True)
        self.in_place = device.integrated
        self._kernels, self.stage = kernels, stage
        self._lattice = GpuLattice(device, kernels, model)
        self._frame: GpuFrame | None = None
        self._held: HeldSensor | None = None
        # Tensors are copied on another stream. Not the whole device: another thread may capture.
        device.cupy.cuda.get_current_stream().synchronize()

    def transfer(self, *, in_place: bool) -> None:
        """Read frames in place, or copy them. Gives all buffers back, with a held frame."""
        self.in_place = in_place
        self._frame = self._held = None

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`. Arrays from `frame` are not copied on the host."""
        check_pair(visible, infrared, options)
        frame = self.frame(*infrared.shape)
        _fill(frame, {"visible": visible, "infrared": infrared, "mask": options.mask})
        self._lattice.take(options.ambient)
        work = Work("given", options.mask is not None, options.strength)
        return self._run(frame, work, options.out)

    def hold(self, raw: RawInfrared, levels: UInt8Array, warp: Warp) -> None:
        """Take a copy of a raw frame; see `RegisteringBackend.hold`."""
        if self._held is not None and self._held.fits(raw, warp):
            self._held.take(raw, levels, warp)
            return
        self._held = None
        if self._frame is not None:
            self._frame.graphs.clear()  # they know the buffers of the frame before
        self._held = HeldSensor(self.device, self.stream, raw, levels, warp, in_place=self.in_place)

    def fuse_held(self, visible: UInt8Array, options: FuseOptions = FULL) -> UInt8Array:
        """Fuse with the held frame; see `RegisteringBackend.fuse_held`. It is registered once."""
        check_held(visible, options)
        held = self._held
        height, width = visible.shape[:2]
        if held is None or held.visible_size != (width, height):
            raise InputError(f"no infrared frame for visible images of {width}x{height} is held")
        frame = self.frame(height, width)
        _fill(frame, {"visible": visible})
        self._lattice.take(options.ambient)
        kind: Literal["raw", "kept"] = "raw" if held.pending else "kept"
        work = Work(kind, held.mask is not None, options.strength)
        fused = self._run(frame, work, options.out)
        held.pending = False
        return fused

    def frame(self, height: int, width: int) -> GpuFrame:
        """The buffers for an image size; those of the size before are given back."""
        if self._frame is None or (self._frame.height, self._frame.width) != (height, width):
            self._frame = None
            frame = self._allocate(height, width)
            self.stage.prepare(frame)
            self._frame = frame
        return self._frame

    def graph(self, frame: GpuFrame, work: Work) -> Any:
        """The frame's work as a CUDA graph."""
        graph = frame.graphs.get(work)
        if graph is None:
            while len(frame.graphs) >= KEPT_GRAPHS:
                frame.graphs.pop(next(iter(frame.graphs)))
            # What is loaded lazily (kernels, TensorRT's tactics) must not be loaded in a capture.
            self._launch(frame, work)
            self.stream.synchronize()
            with self.stream:
                graph = frame.graphs[work] = self._captured(frame, work)
        return graph

    def _captured(self, frame: GpuFrame, work: Work) -> Any:
        self.stream.begin_capture()
        try:
            self._launch(frame, work)
        except BaseException:
            with suppress(Exception):  # a stream that goes on capturing is of no use to anyone
                self.stream.end_capture()
            raise
        return self.stream.end_capture()

    def _run(self, frame: GpuFrame, work: Work, out: UInt8Array | None) -> UInt8Array:
        self.graph(frame, work).launch(stream=self.stream)
        self.stream.synchronize()
        if out is None:
            return frame.host["out"].copy()
        if out is not frame.host["out"]:
            np.copyto(out, frame.host["out"])
        return out

    def _launch(self, frame: GpuFrame, work: Work) -> None:
        copies = work.copies and not self.in_place
        with self.stream:
            if copies:
                self._upload(frame, work)
            self._lattice.enter(frame.image_arguments, self.stream)
            try:
                self.stage.launch(frame, self._source(frame, work), self.stream)
            finally:
                self._lattice.wait(self.stream)
            self._look_up(frame, work)
            if copies:
                self.device.download(frame.device["out"], frame.host["out"], self.stream)

    def _upload(self, frame: GpuFrame, work: Work) -> None:
        names = ["visible"]
        if work.infrared == "given":
            names += ["infrared", "mask"] if work.masked else ["infrared"]
        for name in names:
            self.device.upload(frame.host[name], frame.device[name], self.stream)
        if work.infrared == "raw":
            assert self._held is not None
            self.device.upload(self._held.host, self._held.raw, self.stream)

    def _source(self, frame: GpuFrame, work: Work) -> InfraredSource:
        if work.infrared == "raw":
            assert self._held is not None
            return InfraredSource(self._held.arguments, raw=True)
        return InfraredSource((self._registered(frame, work),))

    def _registered(self, frame: GpuFrame, work: Work) -> Any:
        """Registered infrared on the device, once everything before the look-up has run."""
        if work.infrared == "given":
            return frame.device["infrared"]
        assert self._held is not None
        return self._held.registered

    def _mask(self, frame: GpuFrame, work: Work) -> Any:
        if work.infrared != "given":
            assert self._held is not None
            return self._held.mask
        return frame.device["mask"] if work.masked else None

    def _look_up(self, frame: GpuFrame, work: Work) -> None:
        launch = fuse_launch(frame.height, frame.width)
        self._kernels.functions["fuse_pixels"](
            launch.grid,
            launch.block,
            (
                *(*frame.image_arguments, self._registered(frame, work)),
                *(self._mask(frame, work), frame.context, *frame.grid_arguments),
                *(self._lattice.array, np.float32(work.strength), frame.device["out"]),
            ),
        )

    def _allocate(self, height: int, width: int) -> GpuFrame:
        cupy, stride = self.device.cupy, self.model.encoder.stride
        rows, columns = -(-height // stride), -(-width // stride)
        image, plane = (height, width, 3), (height, width)
        shapes = {"visible": image, "infrared": plane, "mask": plane, "out": image}
        host = {name: self.device.pinned(shape) for name, shape in shapes.items()}
        device = {
            name: self.device.beside(array, in_place=self.in_place) for name, array in host.items()
        }
        context = cupy.empty((rows, columns), cupy.float32)
        return GpuFrame(height, width, rows, columns, host, device, context)


def _fill(frame: GpuFrame, given: dict[str, UInt8Array | None]) -> None:
    for name, array in given.items():
        if array is not None and array is not frame.host[name]:
            np.copyto(frame.host[name], array)
