"""The native backend: the whole fusion in a small C++ library without dependencies.

The library is built with the package where there is a C++ compiler. It serves time-stable models;
the `cpu` backend takes the others.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

import numpy as np

from lut_fuse_core.backends.base import check_pair, usable_cores
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.features import UInt8Array
from lut_fuse_core.model import FloatArray, FusionModel

INTERFACE = 1
"""Version of the C interface in native/lut_fuse_native.h."""

STAGES = ("pooling", "encoder", "look-up")

_MAX_THREADS = 256


class _Axis(ctypes.Structure):
    _fields_ = (("nodes", ctypes.c_int32), ("low", ctypes.c_float), ("high", ctypes.c_float))


class _Block(ctypes.Structure):
    _fields_ = (
        ("outputs", ctypes.c_int32),
        ("inputs", ctypes.c_int32),
        ("weight", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
    )


class _Model(ctypes.Structure):
    _fields_ = (
        ("axes", _Axis * 4),
        ("lattice", ctypes.c_void_p),
        ("gradient_l2", ctypes.c_int32),
        ("border_replicate", ctypes.c_int32),
        ("gradient_scale", ctypes.c_float),
        ("rgb_inputs", ctypes.c_int32),
        ("pool", ctypes.c_int32),
        ("unshuffle", ctypes.c_int32),
        ("skip", ctypes.c_int32),
        ("block_count", ctypes.c_int32),
        ("input_scale", ctypes.c_float),
        ("slope", ctypes.c_float),
        ("blocks", ctypes.POINTER(_Block)),
    )


class _Frame(ctypes.Structure):
    _fields_ = (
        ("visible", ctypes.c_void_p),
        ("infrared", ctypes.c_void_p),
        ("coverage", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("visible_stride", ctypes.c_ssize_t),
        ("infrared_stride", ctypes.c_ssize_t),
        ("coverage_stride", ctypes.c_ssize_t),
        ("out_stride", ctypes.c_ssize_t),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("strength", ctypes.c_float),
    )


class NativeBackend:
    """Fixed-point look-up and single-precision encoder in C++, on several threads.

    instructions: the instruction set to use, one of `instruction_sets`; None for the best.

    Raises BackendUnavailableError if the library is missing or the model is not time-stable.
    """

    name = "native"

    def __init__(
        self, model: FusionModel, threads: int | None = None, instructions: str | None = None
    ) -> None:
        """Threads: None for all cores this process may run on."""
        self.model = model
        if not model.time_stable:
            raise BackendUnavailableError(
                "this model normalises with each frame's own statistics; 'cpu' can do that"
            )
        self._library = _library()
        self._handle = _create(self._library, model, threads or usable_cores(), instructions)
        self._kept: dict[str, UInt8Array] = {}

    def __del__(self) -> None:
        """Give the library's buffers back."""
        if getattr(self, "_handle", None):
            self._library.lut_fuse_destroy(self._handle)

    def fuse(
        self,
        visible: UInt8Array,
        infrared: UInt8Array,
        *,
        strength: float = 1.0,
        coverage: UInt8Array | None = None,
        out: UInt8Array | None = None,
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`."""
        check_pair(visible, infrared, strength, coverage, out)
        visible = self._adjacent("visible", visible)
        infrared = self._adjacent("infrared", infrared)
        if coverage is not None:
            coverage = self._adjacent("coverage", coverage)
        target = np.empty(visible.shape, np.uint8) if out is None else out
        # A row of the result must not be there before its neighbours' inputs have been read.
        if out is not None and any(
            np.may_share_memory(out, array)
            for array in (visible, infrared, coverage)
            if array is not None
        ):
            target = self._buffer("out", visible.shape)
        height, width = infrared.shape
        frame = _Frame(
            visible.ctypes.data,
            infrared.ctypes.data,
            None if coverage is None else coverage.ctypes.data,
            target.ctypes.data,
            visible.strides[0],
            infrared.strides[0],
            0 if coverage is None else coverage.strides[0],
            target.strides[0],
            height,
            width,
            strength,
        )
        if self._library.lut_fuse_run(self._handle, ctypes.byref(frame)):
            raise MemoryError(f"no memory for frames of {width}x{height}")
        if out is not None and target is not out:
            out[...] = target
            return out
        return target

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
    def error_bound(self) -> float:
        """How far in grey levels the fixed-point look-up may be from the exact one."""
        return float(self._library.lut_fuse_error_bound(self._handle))

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


def instruction_sets() -> tuple[str, ...]:
    """The instruction sets that the library can use on this machine, best first.

    Raises BackendUnavailableError if there is no library.
    """
    return tuple(_library().lut_fuse_instructions().decode().split())


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    found = sorted(Path(__file__).parent.glob("_native*.so"))
    if not found:
        raise BackendUnavailableError(
            "its library was not built; install a C++ compiler and install the package again"
        )
    try:
        library = ctypes.CDLL(str(found[0]))
    except OSError as error:
        raise BackendUnavailableError(f"its library does not load ({error})") from error
    if library.lut_fuse_interface() != INTERFACE:
        raise BackendUnavailableError(
            f"{found[0].name} belongs to another version of the package; build it again"
        )
    library.lut_fuse_create.restype = ctypes.c_void_p
    library.lut_fuse_create.argtypes = (
        ctypes.POINTER(_Model),
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    )
    library.lut_fuse_destroy.argtypes = (ctypes.c_void_p,)
    library.lut_fuse_destroy.restype = None
    library.lut_fuse_run.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Frame))
    library.lut_fuse_stage_times.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))
    library.lut_fuse_stage_times.restype = None
    library.lut_fuse_is_packed.argtypes = (ctypes.c_void_p,)
    library.lut_fuse_error_bound.argtypes = (ctypes.c_void_p,)
    library.lut_fuse_error_bound.restype = ctypes.c_float
    library.lut_fuse_instructions.restype = ctypes.c_char_p
    return library


def _create(
    library: ctypes.CDLL, model: FusionModel, threads: int, instructions: str | None
) -> int:
    kept: list[FloatArray] = []

    def pointer(array: FloatArray) -> int:
        kept.append(np.ascontiguousarray(array))
        return kept[-1].ctypes.data

    encoder, gradient = model.encoder, model.gradient
    blocks = (_Block * len(encoder.blocks))(
        *(
            _Block(*block.weight.shape[:2], pointer(block.weight), pointer(block.bias))
            for block in encoder.blocks
        )
    )
    described = _Model(
        (_Axis * 4)(*(_Axis(axis.nodes, axis.low, axis.high) for axis in model.axes)),
        pointer(model.lattice),
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
        min(threads, _MAX_THREADS),
        None if instructions is None else instructions.encode(),
        error,
        len(error),
    )
    if not handle:
        raise BackendUnavailableError(error.value.decode())
    return int(handle)
