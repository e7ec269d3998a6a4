"""What every backend offers, and the check of its arguments."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.errors import BackendUnavailableError, InputError, kind_of

if TYPE_CHECKING:
    from lut_fuse_core.arrays import RawInfrared
    from lut_fuse_core.registration.warp import Warp

MOST_THREADS = 256
"""CPU threads that a backend may be given."""

MINIMUM_SIDE = 16

OWN_AMBIENT = -1.0
"""What the native library and the GPU's kernels are given for the ambient level that a frame has
itself."""


class Backend(Protocol):
    """Executes one model. An instance is used by one thread at a time and keeps its buffers."""

    name: str

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Fuse one registered pair.

        Args:
            visible: ``(H, W, 3) uint8``, RGB, at least 16x16, contiguous or not.
            infrared: ``(H, W) uint8``.
            options: Strength, mask, ambient level and where to write.

        Returns:
            ``(H, W, 3) uint8``, RGB: `FuseOptions.out`, or a new array.

        Raises:
            InputError: For unsuitable arrays.
            BackendUnavailableError: If the backend fails, or was made before a fork.
            MemoryError: If there is no memory for a frame of this size.
        """
        ...


@runtime_checkable
class RegisteringBackend(Protocol):
    """A backend that also normalizes and registers infrared, on the way to the fusion."""

    def hold(self, raw: RawInfrared, levels: UInt8Array, warp: Warp) -> None:
        """Take a copy of a raw frame, to fuse with until the next one.

        Args:
            raw: ``(h, w) uint8 or uint16``.
            levels: ``(256,)`` or ``(65536,) uint8``, gray level of every raw count; must not be
                changed afterwards.
            warp: One with `Warp.one_pass`; its mask is used too. Must not be changed afterwards.

        Raises:
            InputError: For arrays that do not belong together.
            BackendUnavailableError: If the backend fails.
        """
        ...

    def fuse_held(self, visible: UInt8Array, options: FuseOptions = FULL) -> UInt8Array:
        """Fuse a visible image with the held frame, as `Backend.fuse` does with what
        `Warp.sample` gives.

        Args:
            visible: As in `Backend.fuse`.
            options: Those, without a mask: it is that of the held frame's warp.

        Returns:
            As `Backend.fuse`.

        Raises:
            InputError: For unsuitable arrays, or if no frame of this size is held.
            BackendUnavailableError: If the backend fails.
        """
        ...


@runtime_checkable
class StagedBackend(Protocol):
    """A backend that reports how long the stages of a frame took (`lut-fuse bench` shows them)."""

    def stage_times(self) -> dict[str, float]:
        """Time that the latest frame spent in each stage.

        Returns:
            Milliseconds by name, in the order in which they ran: ``pooling`` (both images to the
            encoder's input), ``encoder``, ``look-up`` (with the features before it and the color
            after it).
        """
        ...


def check_pair(visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL) -> None:
    """Raise InputError, naming shapes and types, unless these arguments suit `Backend.fuse`."""
    _check_image("visible", visible, 3)
    _check_image("infrared", infrared, 2)
    height, width = infrared.shape
    if visible.shape != (height, width, 3):
        raise InputError(
            f"the visible image is {visible.shape[1]}x{visible.shape[0]} with {visible.shape[2]} "
            f"channels, the infrared {width}x{height}; they must have the same size, RGB and gray"
        )
    check_visible(visible, options.out)
    mask = options.mask
    if mask is not None and not _is_uint8(mask, (height, width)):
        raise InputError(f"the mask must be a ({height}, {width}) uint8 array, not {kind_of(mask)}")


def check_process(name: str, process: int) -> None:
    """Raise BackendUnavailableError in a fork of the process that a backend was made in.

    Neither its threads nor its GPU context survive, and to wait for them never ends.
    """
    if os.getpid() != process:
        raise BackendUnavailableError(
            f"the '{name}' backend was made before this process was forked; make another one "
            "here, or take 'native'"
        )


def check_visible(visible: UInt8Array, out: UInt8Array | None = None) -> None:
    """Raise InputError unless this is a visible image that can be fused, into ``out`` if given."""
    _check_image("visible", visible, 3)
    height, width, channels = visible.shape
    if channels != 3:
        raise InputError(f"the visible image has {channels} channels; it must be RGB")
    if min(height, width) < MINIMUM_SIDE:
        raise InputError(
            f"images of {width}x{height} are too small; the minimum is "
            f"{MINIMUM_SIDE}x{MINIMUM_SIDE}"
        )
    if out is not None and not (
        _is_uint8(out, visible.shape) and out.flags.c_contiguous and out.flags.writeable
    ):
        raise InputError(f"out must be a C-contiguous, writable {visible.shape} uint8 array")


def check_held(visible: UInt8Array, options: FuseOptions) -> None:
    """Raise InputError unless these suit `RegisteringBackend.fuse_held`."""
    check_visible(visible, options.out)
    if options.mask is not None:
        raise InputError("a held frame has the mask of its warp; pass no other")


def _is_uint8(array: object, shape: tuple[int, ...]) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.shape == shape


def _check_image(name: str, array: UInt8Array, dimensions: int) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != dimensions:
        wanted = "(H, W, 3)" if dimensions == 3 else "(H, W)"
        raise InputError(f"the {name} image must be a {wanted} uint8 array, not {kind_of(array)}")
