"""The `cpu` backend: Numba for the pixels, ONNX Runtime for the context encoder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.backends import cpu_kernel
from lut_fuse_core.backends.base import MINIMUM_SIDE, check_pair, check_process
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.model import features
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.model.onnx_encoder import encoder_to_onnx
from lut_fuse_core.model.onnx_runtime import onnxruntime
from lut_fuse_core.parallel import usable_cores

Result = TypeVar("Result")


class CpuBackend:
    """Runs any model on any CPU that Numba compiles for.

    The first instance on a machine takes some seconds to compile; later ones load the result.
    """

    name = "cpu"

    def __init__(self, model: FusionModel, threads: int | None = None) -> None:
        """threads: CPU threads; None for all cores this process may run on."""
        self.model = model
        self._process = os.getpid()
        self._bands = _Bands(threads or usable_cores())
        self._session = _session(model, self._bands.threads)
        self._place = (0, 0.0)
        self._lattice = np.array(model.lattices[0], order="C")
        self._axes = (
            np.array([axis.low for axis in model.axes], np.float32),
            np.array([1.0 / axis.step for axis in model.axes], np.float32),
            np.array([axis.nodes for axis in model.axes], np.int32),
            np.array(self._lattice.strides, np.int32) // self._lattice.itemsize,
        )
        self._stages: dict[str, float] = {}
        side = MINIMUM_SIDE
        self.fuse(np.zeros((side, side, 3), np.uint8), np.zeros((side, side), np.uint8))

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`."""
        check_pair(visible, infrared, options)
        check_process(self.name, self._process)
        visible, infrared = np.ascontiguousarray(visible), np.ascontiguousarray(infrared)
        out, mask = options.out, options.mask
        if mask is None:
            mask = np.broadcast_to(np.uint8(255), infrared.shape)
        started = time.perf_counter()
        planes = self._encoder_input(visible, infrared)
        pooled = time.perf_counter()
        coarse = self._session.run(None, {"planes": planes[None]})[0][0, 0]
        encoded = time.perf_counter()
        # A band must not overwrite rows that its neighbor's gradient still needs.
        inputs = (visible, infrared, mask)
        in_place = out is not None and any(np.may_share_memory(out, image) for image in inputs)
        result = np.empty_like(visible) if out is None or in_place else out
        gradient = self.model.gradient
        scale, offset = self._gradient_scaling(visible)
        self._enter(features.place(visible, self.model, options.ambient))
        arguments = (
            *(visible, infrared, coarse, np.ascontiguousarray(mask)),
            *(self.model.encoder.stride, self._lattice.reshape(-1), *self._axes),
            *(gradient.norm == "l1", gradient.border == "replicate", scale, offset),
            np.float32(options.strength / 255),
        )
        self._bands.run(
            lambda first, last: cpu_kernel.fuse_rows(*arguments, first, last, result),
            infrared.shape[0],
        )
        fused = time.perf_counter()
        self._stages = {
            "pooling": (pooled - started) * 1e3,
            "encoder": (encoded - pooled) * 1e3,
            "look-up": (fused - encoded) * 1e3,
        }
        if out is None or not in_place:
            return result
        out[...] = result
        return out

    def stage_times(self) -> dict[str, float]:
        """Milliseconds per stage of the latest frame; see `StagedBackend`."""
        return dict(self._stages)

    def _enter(self, place: tuple[int, float]) -> None:
        """Have the lattice ready for a scene at this place."""
        if place != self._place:
            self._lattice = np.ascontiguousarray(self.model.lattice_at(place))
            self._place = place

    def _encoder_input(self, visible: UInt8Array, infrared: UInt8Array) -> FloatArray:
        encoder = self.model.encoder
        height, width = (-(-side // encoder.stride) for side in infrared.shape)
        planes = np.empty((encoder.blocks[0].weight.shape[1], height, width), np.float32)
        self._bands.run(
            lambda first, last: cpu_kernel.encoder_rows(
                *(visible, infrared, np.float32(encoder.input_scale)),
                *(encoder.pool, encoder.unshuffle, first, last, planes),
            ),
            height,
        )
        return planes

    def _gradient_scaling(self, visible: UInt8Array) -> tuple[np.float32, np.float32]:
        """Factor and offset from the Sobel response to gray levels of the gradient axis."""
        spec = self.model.gradient
        if spec.scaling == "fixed":
            return np.float32(spec.scale), np.float32(0)
        ranges = self._bands.run(
            lambda first, last: cpu_kernel.gradient_range(
                visible, spec.norm == "l1", spec.border == "replicate", first, last
            ),
            visible.shape[0],
        )
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        scale = 255.0 / (high - low + 255e-8)
        return np.float32(scale), np.float32(-low * scale)


class _Bands:
    """Cuts an image into bands of rows and works on them in threads."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def run(self, work: Callable[[int, int], Result], rows: int) -> list[Result]:
        """Call ``work(first, last)`` for each band and return the results in order."""
        edges = [rows * i // self.threads for i in range(self.threads + 1)]
        bands = [(a, b) for a, b in pairwise(edges) if a < b]
        if self._pool is None:
            return [work(*band) for band in bands]
        others = [self._pool.submit(work, *band) for band in bands[1:]]
        return [work(*bands[0]), *(other.result() for other in others)]


def _session(model: FusionModel, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while waiting would take the cores from the look-up that follows.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        encoder_to_onnx(model.encoder), options, providers=["CPUExecutionProvider"]
    )
