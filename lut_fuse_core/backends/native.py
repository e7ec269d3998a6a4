"""The native backend: the whole fusion in a small C++ library without dependencies.

The library is built with the package where there is a C++ compiler. It serves time-stable models;
the `cpu` backend takes the others.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from lut_fuse_core.arrays import FloatArray, UInt8Array, gray_view, is_gray_view
from lut_fuse_core.backends.base import MOST_THREADS, OWN_AMBIENT, check_pair
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.native.bindings import Axis, Block, Frame, Model, load_library
from lut_fuse_core.parallel import usable_cores

STAGES = ("pooling", "encoder", "look-up")

OUT_OF_MEMORY = 1
"""What lut_fuse_run returns then."""


@dataclass(frozen=True)
class ErrorBound:
    """How far a result can be from that of the reference before both are rounded.

    Given the context, this is proven for every frame. So is the context's part for encoders whose
    rounding errors add up to little enough in the worst case, as those of the default model, for up
    to 256 cells of the context a side; for others, learned ones, it is four times what frames of
    noise and of black and white squares showed.

    Attributes:
        levels: Gray levels; `NativeBackend.packed` is True where they are below 0.99.
        context: How far the context can be from that of the reference; gray levels.
        proven: Whether no frame exceeds this.
    """

    levels: float
    context: float
    proven: bool


class NativeBackend:
    """Fixed-point look-up and single-precision encoder in C++, on several threads.

    Args:
        model: What to fuse with.
        threads: CPU threads, at most one for each core this process may run on; None for as many.
        instructions: The instruction set to use, one of `instruction_sets`; None for the best.

    Raises:
        BackendUnavailableError: If the library is missing or offers no such instructions, or if the
            model is not time-stable.
    """

    name = "native"

    def __init__(
        self, model: FusionModel, threads: int | None = None, instructions: str | None = None
    ) -> None:
        self.model = model
        if not model.time_stable:
            raise BackendUnavailableError(
                "this model normalizes with each frame's own statistics; 'cpu' can do that"
            )
        self._library = load_library()
        self._handle = _create(self._library, model, threads or MOST_THREADS, instructions)
        self._kept: dict[str, UInt8Array] = {}
        self._lent: tuple[UInt8Array | None, ...] = ()

    def __del__(self) -> None:
        """Give the library's buffers back."""
        if getattr(self, "_handle", None):
            self._library.lut_fuse_destroy(self._handle)

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`.

        Of a `gray_view` the plane alone is read and fused, and without ``out`` the result is such a
        view, too.
        """
        check_pair(visible, infrared, options)
        out, mask = options.out, options.mask
        is_plane = out is None and is_gray_view(visible)
        visible = self._adjacent("visible", visible[..., 0] if is_plane else visible)
        infrared = self._adjacent("infrared", infrared)
        if mask is not None:
            mask = self._adjacent("mask", mask)
        target = np.empty(visible.shape, np.uint8) if out is None else out
        # A row of the result must not be there before its neighbors' inputs have been read.
        if out is not None and any(
            np.may_share_memory(out, array)
            for array in (visible, infrared, mask)
            if array is not None
        ):
            target = self._buffer("out", visible.shape)
        height, width = infrared.shape
        frame = Frame(
            visible.ctypes.data,
            infrared.ctypes.data,
            None if mask is None else mask.ctypes.data,
            target.ctypes.data,
            visible.strides[0],
            infrared.strides[0],
            0 if mask is None else mask.strides[0],
            target.strides[0],
            height,
            width,
            1 if is_plane else 3,
            options.strength,
            OWN_AMBIENT if options.ambient is None else options.ambient,
        )
        outcome = self._library.lut_fuse_run(self._handle, ctypes.byref(frame))
        if outcome:
            # A helper thread that is late may still read them.
            self._lent = visible, infrared, mask
        elif self._lent and not self._library.lut_fuse_late(self._handle):
            self._lent = ()
        if outcome == OUT_OF_MEMORY:
            raise MemoryError(f"no memory for frames of {width}x{height}")
        if out is not None and target is not out:
            out[...] = target
            return out
        return gray_view(target) if is_plane else target

    def stage_times(self) -> dict[str, float]:
        """Milliseconds of work on the last frame in each stage, all threads together.

        The stages overlap, so that the frame itself takes about the sum by the number of threads.
        """
        times = (ctypes.c_int64 * len(STAGES))()
        self._library.lut_fuse_stage_times(self._handle, times)
        return {stage: time * 1e-6 for stage, time in zip(STAGES, times, strict=True)}

    @property
    def packed(self) -> bool:
        """Whether the fixed-point look-up serves this lattice; a slower one in float if not."""
        return bool(self._library.lut_fuse_is_packed(self._handle))

    @property
    def error_bound(self) -> ErrorBound:
        """How far the result of the fixed-point look-up may be from the reference's."""
        found = self._library.lut_fuse_error_bound(self._handle)
        return ErrorBound(float(found.levels), float(found.context), bool(found.proven))

    def _adjacent(self, name: str, array: UInt8Array) -> UInt8Array:
        """The array itself if the pixels of a row are adjacent, else a copy that is reused."""
        adjacent = (3, 1) if array.ndim == 3 else (1,)
        if array.strides[1:] == adjacent:
            return array
        copy = self._buffer(name, array.shape)
        copy[...] = array
        return copy

    def _buffer(self, name: str, shape: tuple[int, ...]) -> UInt8Array:
        buffer = self._kept.get(name)
        if buffer is None or buffer.shape != shape:
            buffer = self._kept[name] = np.empty(shape, np.uint8)
        return buffer


def _create(
    library: ctypes.CDLL, model: FusionModel, threads: int, instructions: str | None
) -> int:
    kept: list[FloatArray] = []

    def pointer(array: FloatArray) -> int:
        kept.append(np.ascontiguousarray(array))
        return kept[-1].ctypes.data

    encoder, gradient, lattices = model.encoder, model.gradient, model.lattices
    blocks = (Block * len(encoder.blocks))(
        *(
            Block(*block.weight.shape[:2], pointer(block.weight), pointer(block.bias))
            for block in encoder.blocks
        )
    )
    described = Model(
        (Axis * 4)(*(Axis(axis.nodes, axis.low, axis.high) for axis in model.axes)),
        (ctypes.c_void_p * len(lattices))(*map(pointer, lattices)),
        (ctypes.c_float * len(lattices))(*model.levels),
        len(lattices),
        gradient.norm == "l2",
        gradient.border == "replicate",
        gradient.scale,
        encoder.inputs == "rgb_infrared",
        encoder.pool,
        encoder.unshuffle,
        encoder.skip,
        len(blocks),
        encoder.input_scale,
        encoder.slope,
        blocks,
    )
    error = ctypes.create_string_buffer(200)
    handle = library.lut_fuse_create(
        ctypes.byref(described),
        min(threads, usable_cores(), MOST_THREADS),  # more would be late
        None if instructions is None else instructions.encode(),
        error,
        len(error),
    )
    if not handle:
        raise BackendUnavailableError(error.value.decode())
    return int(handle)
