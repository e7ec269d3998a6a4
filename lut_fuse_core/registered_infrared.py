"""Infrared frames as they are fused: 8 bits, on the visible grid, until the next one comes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lut_fuse_core.backends.base import Backend, RegisteringBackend
from lut_fuse_core.errors import InputError
from lut_fuse_core.features import UInt8Array
from lut_fuse_core.infrared import InfraredNormalizer, NormalizationConfig, RawInfrared
from lut_fuse_core.registration import Registration, RegistrationConfig
from lut_fuse_core.warp import Warp


@dataclass(frozen=True)
class RegisteredInfrared:
    """An infrared frame on the visible grid of ``shape`` (H, W), and its time in seconds.

    image, coverage: ``(H, W) uint8``; both None if the backend holds the frame and registers it.
    """

    shape: tuple[int, ...]
    image: UInt8Array | None = None
    coverage: UInt8Array | None = None
    time: float | None = None


class InfraredRegistrar:
    """Normalises the frames of one infrared camera and brings each to the visible grid.

    threads: of the CPU. resize: whether frames of another size than the visible image are scaled
    where there is no registration. keep_images: never leave a frame to the backend.
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

    def set_normalization(self, normalization: NormalizationConfig) -> None:
        """Change how raw frames become 8 bits; the running range starts anew."""
        self.normalizer = InfraredNormalizer(normalization)

    def set_registration(self, registration: RegistrationConfig) -> None:
        """Change where frames land."""
        self.registration.config = registration
        self.forget()  # a frame that repeats the last one lands in the new place, too

    def forget(self) -> None:
        """Drop the last frame, so that one without a new picture is registered nevertheless."""
        self._last = None

    def look(self, infrared: RawInfrared) -> bool:
        """Whether the next frame, ``(h, w) uint8 or uint16``, carries a new picture.

        Once for each frame of the stream. Raises InputError.
        """
        return self.normalizer.take(infrared)

    def register(
        self,
        infrared: RawInfrared,
        new_picture: bool,
        visible: UInt8Array,
        time: float | None,
        backend: Backend,
    ) -> RegisteredInfrared:
        """The frame that was looked at, for a visible image ``(H, W, 3)``.

        The one before it, with the time of this one, if there is no new picture. Raises InputError.
        """
        warp = self._warp(infrared, visible)
        last = self._last
        if new_picture or last is None or last.shape != visible.shape[:2]:
            last = self._register(infrared, warp, backend)
        self._last = replace(last, time=time)
        return self._last

    def _register(self, infrared: RawInfrared, warp: Warp, backend: Backend) -> RegisteredInfrared:
        """A frame on the visible grid. Always a copy: the caller may overwrite its own."""
        shape, pointwise = warp.visible_size[::-1], self.normalizer.pointwise
        # Dead pixels, local contrast, mere resizing and the motion of held frames need the image.
        if (
            isinstance(backend, RegisteringBackend)
            and pointwise
            and warp.one_pass
            and not self._keep_images
        ):
            backend.hold(infrared, self.normalizer.levels(infrared), warp)
            return RegisteredInfrared(shape)
        last = self._last
        image = last.image if last is not None and last.shape == shape else None
        if image is None:
            image = np.empty(shape, np.uint8)
        if pointwise:
            warp.sample(infrared, self.normalizer.levels(infrared), image, self._threads)
        else:
            warp(self.normalizer.normalize(infrared), image)
        return RegisteredInfrared(shape, image, warp.coverage)

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
        return self.registration.warp(infrared_size, (width, height))
