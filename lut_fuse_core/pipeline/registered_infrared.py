"""Infrared frames as they are fused: 8 bits, on the visible grid, until the next one comes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, RawInfrared, UInt8Array
from lut_fuse_core.backends.base import Backend, RegisteringBackend
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.infrared.view import outside_view
from lut_fuse_core.registration.registration import Registration, RegistrationConfig, faded
from lut_fuse_core.registration.warp import Warp

if TYPE_CHECKING:
    from lut_fuse_core.registration.field import DepthFollower


@dataclass(frozen=True, eq=False)
class InfraredFrame:
    """The next frame of an infrared camera.

    Attributes:
        raw: ``(h, w) uint8 or uint16``, as `InfraredRegistrar.look` saw it.
        new_picture: What that returned.
        time: Capture time in seconds of the visible clock; None if unknown.
    """

    raw: RawInfrared
    new_picture: bool
    time: float | None


@dataclass(frozen=True)
class RegisteredInfrared:
    """An infrared frame on the visible grid.

    Attributes:
        shape: Height and width of the visible image.
        image: ``(H, W) uint8``; None if the backend holds the frame and registers it.
        mask: ``(H, W) uint8``, 255 where infrared is valid, 0 where it is not; None for all, or if
            the backend holds the frame.
        taken: Capture time of its picture in seconds; None if unknown.
        time: That of the latest frame that stands for it, which is later during a flat-field
            correction (FFC).
    """

    shape: tuple[int, ...]
    image: UInt8Array | None = None
    mask: UInt8Array | None = None
    taken: float | None = None
    time: float | None = None


class InfraredRegistrar:
    """Normalizes the frames of one infrared camera and brings each to the visible grid.

    Args:
        normalization: How raw frames become 8 bits.
        registration: Where they land in the visible image.
        threads: Of the CPU.
        resize: Whether frames of another size than the visible image are scaled where there is no
            registration.
        keep_images: Never leave a frame to the backend.
    """

    def __init__(
        self,
        normalization: NormalizationConfig,
        registration: RegistrationConfig,
        threads: int,
        resize: bool,
        keep_images: bool,
    ) -> None:
        self.normalizer = InfraredNormalizer(normalization)
        self.registration = Registration(registration)
        self._threads, self._resize, self._keep_images = threads, resize, keep_images
        self._last: RegisteredInfrared | None = None
        self._masked: tuple[Warp, UInt8Array, Warp] | None = None
        self._taken: float | None = None

    @cached_property
    def depth(self) -> DepthFollower:
        """What follows the depth of the scene; made, and loaded, when it is first asked for."""
        from lut_fuse_core.registration.field import DepthFollower

        return DepthFollower()

    def set_normalization(self, normalization: NormalizationConfig) -> None:
        """Change how raw frames become 8 bits; the running range starts again."""
        self.normalizer = InfraredNormalizer(normalization, self.normalizer)
        self.forget()

    def set_registration(self, registration: RegistrationConfig) -> None:
        """Change where frames land."""
        self.registration.config = registration
        self.forget()

    def forget(self) -> None:
        """Have the last picture registered again, should the next frame carry none of its own."""
        self._last = None

    def reset(self) -> None:
        """Forget the stream (another recording, a jump in time)."""
        self.normalizer.reset()
        if "depth" in vars(self):
            self.depth.reset()
        self.forget()

    def counts(self, infrared: AnyInfrared) -> RawInfrared:
        """The next frame, of any numbers, as counts.

        Raises:
            InputError: For what is no infrared image.
        """
        return self.normalizer.counts(infrared)

    def look(self, infrared: RawInfrared, time: float | None = None) -> bool:
        """Whether the next frame carries a new picture; once for each frame of the stream.

        Args:
            infrared: ``(h, w) uint8 or uint16``.
            time: Its capture time in seconds; None if unknown.

        Raises:
            InputError: For what is no infrared image.
        """
        return self.normalizer.take(infrared, time)

    def register(
        self, frame: InfraredFrame, visible: UInt8Array, backend: Backend
    ) -> RegisteredInfrared:
        """The frame that was looked at, on the grid of a visible image.

        Args:
            frame: Without a new picture the last one serves, with the time of this frame.
            visible: ``(H, W, 3) uint8``.
            backend: That will fuse it; may take the frame and register it itself.

        Raises:
            InputError: If it cannot be registered.
        """
        last = self._last
        if frame.new_picture:
            self._taken = frame.time
        if frame.new_picture or last is None or last.shape != visible.shape[:2]:
            self.forget()  # until it has worked
            picture = frame.raw if frame.new_picture else self.normalizer.picture
            buffer = None if last is None else last.image
            warp = self._in_view(picture, self._warp(picture, visible))
            last = self._register(picture, warp, backend, buffer)
        self._last = replace(last, taken=self._taken, time=frame.time)
        return self._last

    def _register(
        self, infrared: RawInfrared, warp: Warp, backend: Backend, buffer: UInt8Array | None
    ) -> RegisteredInfrared:
        """A frame on the visible grid. Always a copy: the caller may overwrite its own."""
        shape, pointwise = warp.visible_size[::-1], self.normalizer.pointwise
        # Dead pixels, local contrast, mere resizing and the motion of reused frames need the image.
        if pointwise and warp.one_pass and not self._keep_images and _registers(backend):
            backend.hold(infrared, self.normalizer.levels(infrared), warp)
            return RegisteredInfrared(shape)
        if buffer is None or buffer.shape != shape:
            buffer = np.empty(shape, np.uint8)
        if pointwise:
            warp.sample(infrared, self.normalizer.levels(infrared), buffer, self._threads)
        else:
            warp(self.normalizer.normalize(infrared), buffer)
        return RegisteredInfrared(shape, buffer, warp.mask)

    def _in_view(self, infrared: RawInfrared, warp: Warp) -> Warp:
        """The warp without the pixels in which the frame holds nothing; the last one if it can."""
        seen = outside_view(infrared)
        if seen is None:
            return warp
        known = self._masked
        if known is not None and known[0] is warp and np.array_equal(known[1], seen):
            return known[2]
        inside = (warp(seen) == 255).astype(np.uint8)
        mask = faded(inside, self.registration.config.feather)
        if warp.mask is not None:
            mask = np.minimum(mask, warp.mask)
        self._masked = warp, seen, replace(warp, mask=mask)
        return self._masked[2]

    def _warp(self, infrared: RawInfrared, visible: UInt8Array) -> Warp:
        height, width = visible.shape[:2]
        infrared_size = (infrared.shape[1], infrared.shape[0])
        unregistered = self.registration.config.transform is None
        if unregistered and infrared_size != (width, height) and not self._resize:
            raise InputError(
                f"the visible image is {width}x{height} and the infrared "
                f"{infrared.shape[1]}x{infrared.shape[0]}; pass images of one size or allow "
                "--resize"
            )
        warp = self.registration.warp(infrared_size, (width, height))
        config = self.registration.config
        if config.depth == "off":
            return warp
        return self.depth.warp(warp, config, infrared, visible)


def _registers(backend: Backend) -> TypeGuard[RegisteringBackend]:
    """Whether a backend registers infrared itself."""
    return _is_registering(type(backend))


@cache
def _is_registering(kind: type[Backend]) -> bool:
    """Found out once: it takes as long as the registration of a small frame."""
    return issubclass(kind, RegisteringBackend)
