"""A frame on the GPU: buffers for one image size, and the whole work as one CUDA graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from lut_fuse_core.backends.base import check_pair
from lut_fuse_core.backends.gpu_device import GpuDevice, GpuKernels, encode_launch, fuse_launch
from lut_fuse_core.backends.gpu_tensors import pack_encoder, pack_lattice
from lut_fuse_core.features import UInt8Array
from lut_fuse_core.model import FusionModel

KEPT_GRAPHS = 8
"""Graphs per image size: one for each strength and use of coverage; more are captured anew."""


@dataclass
class GpuFrame:
    """Buffers of one image size.

    Host arrays are pinned. Device arrays are CuPy's, or the pinned host memory itself on a GPU that
    shares it. context: ``(rows, columns) float32`` on the device.
    """

    height: int
    width: int
    rows: int
    columns: int
    host: dict[str, UInt8Array]
    device: dict[str, Any]
    context: Any
    graphs: dict[tuple[bool, float, bool], Any] = field(default_factory=dict)

    @property
    def size_arguments(self) -> tuple[np.int32, ...]:
        """Height, width, rows, columns as the kernels take them."""
        return tuple(map(np.int32, (self.height, self.width, self.rows, self.columns)))


class ContextStage(Protocol):
    """Computes the context of a frame."""

    def prepare(self, frame: GpuFrame) -> None:
        """Allocate and build what a new image size needs."""
        ...

    def launch(self, frame: GpuFrame, stream: Any) -> None:
        """Put the work from both images to the context on a stream, without waiting."""
        ...


class OwnEncoder:
    """Our fused convolutions: one kernel."""

    def __init__(self, device: GpuDevice, kernels: GpuKernels, model: FusionModel) -> None:
        self._kernels = kernels
        weights, biases = pack_encoder(model, kernels.plan)
        self._weights = device.cupy.asarray(weights)
        self._biases = device.cupy.asarray(biases)

    def prepare(self, frame: GpuFrame) -> None:
        """Nothing depends on the size."""

    def launch(self, frame: GpuFrame, stream: Any) -> None:
        """See `ContextStage.launch`."""
        launch = encode_launch(self._kernels.plan, frame.rows, frame.columns)
        images = frame.device["visible"], frame.device["infrared"]
        self._kernels.encode_tiles(
            launch.grid,
            launch.block,
            (*images, *frame.size_arguments, self._weights, self._biases, frame.context),
        )


class GpuFuser:
    """Fuses frames with one model: copies, context, look-up, captured once per image size."""

    def __init__(
        self, device: GpuDevice, kernels: GpuKernels, model: FusionModel, stage: ContextStage
    ) -> None:
        self.device, self.model = device, model
        self.stream = device.cupy.cuda.Stream(non_blocking=True)
        self._kernels, self._stage = kernels, stage
        self._lattice = device.cupy.asarray(pack_lattice(model, kernels.plan))
        self._frame: GpuFrame | None = None
        device.cupy.cuda.Device().synchronize()  # tensors are copied on another stream

    def fuse(
        self,
        visible: UInt8Array,
        infrared: UInt8Array,
        *,
        strength: float = 1.0,
        coverage: UInt8Array | None = None,
        out: UInt8Array | None = None,
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`. Arrays from `frame` are not copied on the host."""
        check_pair(visible, infrared, strength, coverage, out)
        frame = self.frame(*infrared.shape)
        for name, array in (("visible", visible), ("infrared", infrared), ("coverage", coverage)):
            if array is not None and array is not frame.host[name]:
                np.copyto(frame.host[name], array)
        self.graph(frame, coverage is not None, strength).launch(stream=self.stream)
        self.stream.synchronize()
        if out is None:
            return frame.host["out"].copy()
        if out is not frame.host["out"]:
            np.copyto(out, frame.host["out"])
        return out

    def frame(self, height: int, width: int) -> GpuFrame:
        """The buffers for an image size; those of the size before are given back."""
        if self._frame is None or (self._frame.height, self._frame.width) != (height, width):
            self._frame = None
            self._frame = self._allocate(height, width)
            self._stage.prepare(self._frame)
        return self._frame

    def graph(self, frame: GpuFrame, covered: bool, strength: float, copies: bool = True) -> Any:
        """The frame's work as a CUDA graph. copies: with the transfers from and to the host."""
        key = (covered, strength, copies)
        graph = frame.graphs.get(key)
        if graph is None:
            while len(frame.graphs) >= KEPT_GRAPHS:
                frame.graphs.pop(next(iter(frame.graphs)))
            # What is loaded lazily (kernels, TensorRT's tactics) must not be loaded in a capture.
            self._launch(frame, covered, strength, copies)
            self.stream.synchronize()
            with self.stream:
                self.stream.begin_capture()
                self._launch(frame, covered, strength, copies)
                graph = frame.graphs[key] = self.stream.end_capture()
        return graph

    def _launch(self, frame: GpuFrame, covered: bool, strength: float, copies: bool) -> None:
        inputs = ("visible", "infrared", "coverage") if covered else ("visible", "infrared")
        copies = copies and not self.device.integrated
        with self.stream:
            for name in inputs if copies else ():
                self._copy(frame.device[name].data.ptr, frame.host[name].ctypes.data, frame, name)
            self._stage.launch(frame, self.stream)
            self._look_up(frame, covered, strength)
            if copies:
                self._copy(
                    frame.host["out"].ctypes.data, frame.device["out"].data.ptr, frame, "out"
                )

    def _look_up(self, frame: GpuFrame, covered: bool, strength: float) -> None:
        plan = self._kernels.plan
        launch = fuse_launch(self.model, plan, self._kernels.processors, frame.height, frame.width)
        self._kernels.fuse_pixels(
            launch.grid,
            launch.block,
            (
                *(frame.device["visible"], frame.device["infrared"]),
                *(frame.device["coverage"] if covered else None, frame.context, self._lattice),
                *(*frame.size_arguments, np.float32(strength), frame.device["out"]),
            ),
            shared_mem=launch.shared,
        )

    def _copy(self, target: int, source: int, frame: GpuFrame, name: str) -> None:
        runtime = self.device.cupy.cuda.runtime
        kind = runtime.memcpyDeviceToHost if name == "out" else runtime.memcpyHostToDevice
        runtime.memcpyAsync(target, source, frame.host[name].nbytes, kind, self.stream.ptr)

    def _allocate(self, height: int, width: int) -> GpuFrame:
        cupy, stride = self.device.cupy, self.model.encoder.stride
        rows, columns = -(-height // stride), -(-width // stride)
        image, plane = (height, width, 3), (height, width)
        shapes = {"visible": image, "infrared": plane, "coverage": plane, "out": image}
        host = {name: self._pinned(shape) for name, shape in shapes.items()}
        if self.device.integrated:
            # With unified addressing (all 64-bit systems) pinned memory has one address for both.
            device: dict[str, Any] = {n: np.uint64(a.ctypes.data) for n, a in host.items()}
        else:
            device = {name: cupy.empty(shape, cupy.uint8) for name, shape in shapes.items()}
        context = cupy.empty((rows, columns), cupy.float32)
        return GpuFrame(height, width, rows, columns, host, device, context)

    def _pinned(self, shape: tuple[int, ...]) -> UInt8Array:
        count = int(np.prod(shape))
        memory = self.device.cupy.cuda.alloc_pinned_memory(count)
        return np.frombuffer(memory, np.uint8, count).reshape(shape)
