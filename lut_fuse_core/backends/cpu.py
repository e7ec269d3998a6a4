"""The `cpu` backend: NumPy for the pixels, OpenCV for the context encoder.

It needs no compiler and no package beyond those two, runs every model, and serves where `native`
cannot: on a machine without its library, or for a model that is not time-stable.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.backends.base import MINIMUM_SIDE, check_pair, check_process
from lut_fuse_core.backends.cpu_look_up import LatticeTable
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.model import context, features
from lut_fuse_core.model.encoder import ContextEncoder
from lut_fuse_core.model.fusion_model import FusionModel, GradientSpec
from lut_fuse_core.model.onnx_encoder import encoder_to_onnx
from lut_fuse_core.model.scenes import Place
from lut_fuse_core.parallel import usable_cores

BAND_PIXELS = 8192
"""Pixels that are fused at a time, so that their 16 lattice values stay in a core's own cache."""

TRIED_SIZES = ((48, 64), (33, 40))
"""Height and width of the images on which OpenCV's convolutions are checked."""

CONTEXT_TOLERANCE = 0.05
"""Gray levels of the context axis; single precision in another order of sums differs by 0.001."""


class CpuBackend:
    """Runs any model wherever NumPy and OpenCV run.

    Args:
        model: What to fuse with.
        threads: CPU threads for the look-up; None for all cores this process may run on. The
            encoder takes as many as OpenCV is set to (`cv2.setNumThreads`).
    """

    name = "cpu"

    def __init__(self, model: FusionModel, threads: int | None = None) -> None:
        self.model = model
        self._process = os.getpid()
        threads = threads or usable_cores()
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._run_encoder = _runner(model.encoder)
        self._place = (0, 0.0)
        self._table = LatticeTable(model.lattices[0], model.axes)
        self._stages: dict[str, float] = {}
        side = MINIMUM_SIDE
        self.fuse(np.zeros((side, side, 3), np.uint8), np.zeros((side, side), np.uint8))

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`."""
        check_pair(visible, infrared, options)
        check_process(self.name, self._process)
        started = time.perf_counter()
        planes = context.encoder_input(self.model.encoder, visible, infrared)
        pooled = time.perf_counter()
        coarse = self._run_encoder(planes)
        encoded = time.perf_counter()
        self._enter(features.place(visible, self.model, options.ambient))
        luma = features.luma(visible)
        images = (
            luma,
            infrared,
            _gradient(luma, self.model.gradient),
            _upsampled(coarse, self.model.encoder.stride, infrared.shape),
        )
        change = np.empty(infrared.shape, np.float32)

        def fuse_rows(first: int, last: int) -> None:
            rows = np.s_[first:last]
            self._table.look_up([image[rows] for image in images], change[rows])
            change[rows] *= np.float32(255)
            change[rows] -= luma[rows]
            change[rows] *= np.float32(options.strength)
            if options.mask is not None:
                change[rows] *= options.mask[rows] * np.float32(1 / 255)

        self._in_bands(fuse_rows, infrared.shape)
        # Only now, for `out` may lie where the inputs do.
        result = np.empty(visible.shape, np.uint8) if options.out is None else options.out
        levels = visible + change[..., None]
        np.rint(levels, out=levels)
        np.clip(levels, 0, 255, out=levels)
        np.copyto(result, levels, casting="unsafe")
        fused = time.perf_counter()
        self._stages = {
            "pooling": (pooled - started) * 1e3,
            "encoder": (encoded - pooled) * 1e3,
            "look-up": (fused - encoded) * 1e3,
        }
        return result

    def stage_times(self) -> dict[str, float]:
        """Milliseconds per stage of the latest frame; see `StagedBackend`."""
        return dict(self._stages)

    def _enter(self, place: Place) -> None:
        """Have the lattice ready for a scene at this place."""
        if place != self._place:
            self._table = LatticeTable(self.model.lattice_at(place), self.model.axes)
            self._place = place

    def _in_bands(self, work: Callable[[int, int], None], shape: tuple[int, ...]) -> None:
        """Call ``work(first, last)`` for bands of rows, on all threads."""
        height, width = shape
        step = max(1, BAND_PIXELS // width)
        bands = [(first, min(first + step, height)) for first in range(0, height, step)]
        if self._pool is None:
            for band in bands:
                work(*band)
        else:
            list(self._pool.map(lambda band: work(*band), bands))


def _runner(encoder: ContextEncoder) -> Callable[[FloatArray], FloatArray]:
    """The convolutions by OpenCV, or by NumPy where OpenCV gets them wrong.

    OpenCV 4.5.4, for one, computes instance normalization wrong.
    """
    network: Any = cv2.dnn.readNetFromONNX(np.frombuffer(encoder_to_onnx(encoder), np.uint8))

    def run(planes: FloatArray) -> FloatArray:
        network.setInput(planes[None])
        return np.asarray(network.forward()[0, 0], np.float32)

    rng = np.random.default_rng(0)
    for height, width in TRIED_SIZES:
        visible = rng.integers(0, 256, (height, width, 3), np.uint8)
        planes = context.encoder_input(encoder, visible, visible[..., 0])
        expected = context.run_blocks(encoder, planes)
        if not np.abs(run(planes) - expected).max() <= CONTEXT_TOLERANCE:
            return lambda planes: context.run_blocks(encoder, planes)
    return run


def _gradient(luma: FloatArray, spec: GradientSpec) -> FloatArray:
    """The same as `features.gradient`, by OpenCV."""
    border = cv2.BORDER_CONSTANT if spec.border == "zero" else cv2.BORDER_REPLICATE
    across, down = (
        cv2.Sobel(luma, cv2.CV_32F, 1 - axis, axis, ksize=3, borderType=border) for axis in (0, 1)
    )
    if spec.norm == "l1":
        magnitude = np.abs(across, out=across)
        magnitude += np.abs(down, out=down)
    else:
        magnitude = cv2.magnitude(across, down)
    return features.scaled_gradient(magnitude.astype(np.float32, copy=False), spec)


def _upsampled(coarse: FloatArray, stride: int, shape: tuple[int, ...]) -> FloatArray:
    """The same as `context.upsample`, by OpenCV."""
    height, width = coarse.shape
    size = (width * stride, height * stride)
    full = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
    return full.astype(np.float32, copy=False)
