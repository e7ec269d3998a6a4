"""The raw infrared frame that the GPU fuses with, and what brings it onto the visible grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.backends.gpu.device import GpuDevice
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.warp import Warp


class HeldSensor:
    """Buffers for raw frames of one size and type that go onto one visible grid.

    Frames pass through pinned memory, as all that changes with every frame. Levels, maps and mask
    always lie on the device: they are read all over the place, and uploaded only when they change.

    Args:
        device: The GPU.
        stream: Takes the uploads.
        raw: The first frame, ``(h, w) uint8 or uint16``.
        levels: ``(256,)`` or ``(65536,) uint8``, gray level of every raw count.
        warp: Onto the visible grid.
        in_place: Whether frames are read in pinned memory; otherwise the caller copies them.

    Attributes:
        registered: ``(H, W) uint8`` on the device, what the latest frame became.
        pending: Whether the frame that was taken last has not been registered yet.
        mask: On the device; None where infrared covers the whole image.
    """

    def __init__(
        self,
        device: GpuDevice,
        stream: Any,
        raw: RawInfrared,
        levels: UInt8Array,
        warp: Warp,
        *,
        in_place: bool,
    ) -> None:
        _check(raw, levels, warp)
        cupy, shape = device.cupy, warp.visible_size[::-1]
        self._device, self._stream = device, stream
        self.host = device.pinned(raw.shape, raw.dtype)
        self.raw = device.beside(self.host, in_place=in_place)
        self.registered = cupy.empty(shape, cupy.uint8)
        self._levels = cupy.empty(levels.shape, cupy.uint8)
        maps = () if warp.remap is None else (cupy.uint32, cupy.uint16)
        self._maps: tuple[Any, ...] = tuple(cupy.empty(shape, kind) for kind in maps)
        self.mask = None if warp.mask is None else cupy.empty(shape, cupy.uint8)
        self._uploaded: tuple[UInt8Array | None, Warp | None] = (None, None)
        self.visible_size = warp.visible_size
        self.take(raw, levels, warp)

    def fits(self, raw: RawInfrared, warp: Warp) -> bool:
        """Whether `take` can have this frame."""
        return (
            (raw.shape, raw.dtype) == (self.host.shape, self.host.dtype)
            and warp.visible_size == self.visible_size
            and (warp.remap is None) == (not self._maps)
            and (warp.mask is None) == (self.mask is None)
        )

    def take(self, raw: RawInfrared, levels: UInt8Array, warp: Warp) -> None:
        """Copy a frame to pinned memory, and what has changed to the device."""
        _check(raw, levels, warp)
        np.copyto(self.host, raw)
        old_levels, old_warp = self._uploaded
        if levels is not old_levels:
            self._upload([(levels, self._levels)])
        if warp is not old_warp:
            pairs = [*zip(_maps(warp), self._maps, strict=True)]
            if warp.mask is not None:
                pairs.append((warp.mask, self.mask))
            self._upload(pairs)
        self._uploaded = (levels, warp)
        self.pending = True

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the kernels take from ``raw`` to ``registered``."""
        rows, columns = map(np.int32, self.host.shape)
        wide = np.int32(self.host.itemsize > 1)
        maps = self._maps or (None, None)
        return (self.raw, wide, rows, columns, self._levels, *maps, self.registered)

    def _upload(self, pairs: list[tuple[npt.NDArray[Any], Any]]) -> None:
        adjacent = [(np.ascontiguousarray(host), array) for host, array in pairs]
        for host, array in adjacent:
            self._device.upload(host, array, self._stream)
        self._stream.synchronize()  # until then memory that is not pinned may still be read


def _maps(warp: Warp) -> tuple[npt.NDArray[Any], ...]:
    """Positions ``(H, W) uint32``, x in the low half and y in the high one, and fractions."""
    if warp.remap is None:
        return ()
    offsets = np.ascontiguousarray(warp.remap.offsets).view(np.uint32)[..., 0]
    return offsets, warp.remap.fractions


def _check(raw: RawInfrared, levels: UInt8Array, warp: Warp) -> None:
    if not warp.one_pass:
        raise InputError("the GPU registers infrared but does not resize it; resize it before")
    if raw.shape != warp.infrared_size[::-1]:
        raise InputError(
            f"infrared is {raw.shape[1]}x{raw.shape[0]}, but its registration is for "
            f"{warp.infrared_size[0]}x{warp.infrared_size[1]}"
        )
    if levels.dtype != np.uint8 or levels.shape != (1 << 8 * raw.itemsize,):
        raise InputError(
            f"infrared of type {raw.dtype} needs a gray level for each of its "
            f"{1 << 8 * raw.itemsize} counts, not {levels.shape} {levels.dtype}"
        )
