"""The lattice on the GPU: as the look-up reads it, and right for the scene of every frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from lut_fuse_core.backends.base import OWN_AMBIENT
from lut_fuse_core.backends.gpu.device import GpuDevice, GpuKernels, mix_launch
from lut_fuse_core.backends.gpu.packing import pack_lattice
from lut_fuse_core.model.fusion_model import FusionModel


class GpuLattice:
    """A model's lattice; where it has several, mixed for the scene of each frame.

    Mixing takes few blocks, and nothing waits for it but the look-up; so it has a stream of its
    own, beside the encoder.

    Args:
        device: The GPU.
        kernels: Compiled for the model.
        model: Whose lattices they are.

    Attributes:
        array: What `fuse_pixels` takes.
    """

    def __init__(self, device: GpuDevice, kernels: GpuKernels, model: FusionModel) -> None:
        self._device, self._kernels = device, kernels
        self._mixes = model.knows_scenes
        self.array = device.cupy.asarray(pack_lattice(model, kernels.plan))
        if self._mixes:
            self._ambient = device.pinned((1,), np.float32)
            self._lattices = device.cupy.asarray(model.lattices.reshape(-1))
            self._levels = device.cupy.asarray(np.array(model.levels, np.float32))
            self._nodes = model.lattices[0].size
            cuda = device.cupy.cuda
            self._beside = cuda.Stream(non_blocking=True)
            self.take(None)
            self._seen, self._mixed = (cuda.Event(disable_timing=True) for _ in range(2))

    def take(self, ambient: float | None) -> None:
        """Note the ambient level of the next frame in gray levels; None for the frame's own.

        No frame may be under way: kernels read it from the host's memory, where it costs no copy.
        """
        if self._mixes:
            self._ambient[0] = OWN_AMBIENT if ambient is None else ambient

    def enter(self, image: tuple[Any, ...], stream: Any) -> None:
        """Begin to make the lattice right for the scene of a visible image, once what is on the
        stream has run.

        Args:
            image: As all kernels take it, see `GpuFrame.image_arguments`.
            stream: What is on it must have run before.
        """
        if not self._mixes:
            return
        self._seen.record(stream)
        self._beside.wait_event(self._seen)
        launch = mix_launch(self._nodes)
        with self._beside:
            self._kernels.functions["mix_lattice"](
                launch.grid,
                launch.block,
                (
                    *(*image, self._device.beside(self._ambient, in_place=True)),
                    *(self._lattices, self._levels, np.int32(self._levels.shape[0])),
                    *(np.int32(self._nodes), self.array),
                ),
            )
        self._mixed.record(self._beside)

    def wait(self, stream: Any) -> None:
        """Let the stream wait until the lattice is right."""
        if self._mixes:
            stream.wait_event(self._mixed)
