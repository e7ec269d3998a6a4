"""The infrared frame that is being fused, and for how long it serves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends.base import Backend, RegisteringBackend
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.fuser import Fuser
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.parallel import usable_cores
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.motion_alignment import MotionAlignment
from lut_fuse_core.pipeline.registered_infrared import (
    InfraredFrame,
    InfraredRegistrar,
    RegisteredInfrared,
)
from lut_fuse_core.registration.registration import RegistrationConfig


@dataclass(frozen=True)
class Serving:
    """An infrared frame as it is fused with one visible image of ``(H, W)`` pixels.

    Attributes:
        image: ``(H, W) uint8``; None if the backend holds the frame.
        mask: ``(H, W) uint8``, 255 where infrared is valid, 0 where it is not; None for all.
        age: Seconds by which the visible image is newer; None if a time is unknown.
    """

    image: UInt8Array | None
    mask: UInt8Array | None
    age: float | None

    def fuse(self, fuser: Fuser, visible: UInt8Array, options: FuseOptions) -> UInt8Array:
        """Fuse it with that image, ``(H, W, 3) uint8``; the options with the mask of this frame."""
        if self.mask is not None:
            options = replace(options, mask=self.mask)
        if self.image is not None:
            # Not the fuser itself: what the GPU held must be dropped before the CPU takes over.
            return fuser.backend.fuse(visible, self.image, options)
        assert isinstance(fuser.backend, RegisteringBackend)
        return fuser.backend.fuse_held(visible, options)


class HeldInfrared:
    """The latest infrared frame of a stream on the visible grid, until the next one comes.

    Args:
        config: Of the pipeline; `normalization`, `registration`, `reuse_alignment`, `threads` and
            `resize` are looked at.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self._motion = MotionAlignment() if config.reuse_alignment == "warp" else None
        self.registrar = InfraredRegistrar(
            config.normalization,
            config.registration,
            threads=config.threads or usable_cores(),
            resize=config.resize,
            keep_images=self._motion is not None,
        )
        self._frame: RegisteredInfrared | None = None
        self._nearest_age = 0.0

    def set_normalization(self, normalization: NormalizationConfig) -> None:
        """Change how raw infrared becomes 8 bits; the running range starts again."""
        self.registrar.set_normalization(normalization)
        self.forget()

    def set_registration(self, registration: RegistrationConfig) -> None:
        """Change where infrared lands; the remap is computed at the next frame."""
        self.registrar.set_registration(registration)
        self.forget()

    def forget(self) -> None:
        """Let no frame so far serve any more."""
        self._frame = None

    def reset(self) -> None:
        """Forget the stream (a jump in time, another recording)."""
        self.registrar.reset()
        self.forget()

    def backend_lost(self) -> None:
        """What the backend held is gone with it."""
        self.registrar.forget()
        if self._frame is not None and self._frame.image is None:
            self.forget()

    def take(self, frame: InfraredFrame, visible: UInt8Array, backend: Backend) -> None:
        """Hold a frame from now on.

        Args:
            frame: The frame.
            visible: ``(H, W, 3) uint8``, the image it is to be fused with.
            backend: That will fuse it.

        Raises:
            InputError: If it cannot be registered.
        """
        self._frame = self.registrar.register(frame, visible, backend)

    def serve(
        self,
        visible: UInt8Array,
        time: float | None,
        *,
        fresh: bool,
        new_picture: bool,
        max_age: float,
    ) -> Serving | None:
        """The frame for a visible image; None if there is none that is new enough.

        Args:
            visible: ``(H, W, 3) uint8``.
            time: Its capture time in seconds; None if unknown.
            fresh: Whether `take` was called for this very image.
            new_picture: Whether that frame carried a picture of its own.
            max_age: Seconds by which the frame may be older or newer.
        """
        frame = self._frame
        age = None if frame is None else _age(time, frame.time)
        nearest = self._is_nearest(None if frame is None else _age(time, frame.taken), new_picture)
        if nearest and self._motion is not None:
            self._motion.remember(visible)
        # Without times there is no way to know how old a frame is, so it is not reused.
        usable = fresh if age is None else abs(age) <= max_age
        if frame is None or frame.shape != visible.shape[:2] or not usable:
            return None
        image = frame.image
        if image is not None and not nearest and self._motion is not None:
            image = self._motion.align(image, visible)
        return Serving(image, frame.mask, age)

    def _is_nearest(self, age: float | None, new_picture: bool) -> bool:
        """Whether no visible image so far was nearer in time to the infrared picture."""
        nearest = new_picture or (age is not None and abs(age) < abs(self._nearest_age))
        if nearest:
            self._nearest_age = age or 0.0
        return nearest


def _age(visible_time: float | None, infrared_time: float | None) -> float | None:
    if visible_time is None or infrared_time is None:
        return None
    return visible_time - infrared_time
