"""Everything between a decoded pair and a fused image; every front-end goes through it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.backends.base import RegisteringBackend, check_visible
from lut_fuse_core.errors import BackendUnavailableError, InputError
from lut_fuse_core.fuser import Fuser
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.parallel import usable_cores
from lut_fuse_core.pipeline.config import PipelineConfig, PipelineStatus, Source
from lut_fuse_core.pipeline.held_motion import HeldMotion
from lut_fuse_core.pipeline.registered_infrared import InfraredRegistrar, RegisteredInfrared
from lut_fuse_core.pipeline.slow_ambient import SlowAmbient
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.sync.clock_offset import JUMP_BACK, ClockOffsetEstimator


class FusionPipeline:
    """Normalizes, registers and fuses the pairs of one camera rig, in the order they come.

    Use one instance per rig and from one thread at a time, the setters included.
    """

    def __init__(self, config: PipelineConfig | None = None) -> None:
        self.config = config or PipelineConfig()
        self.fuser = Fuser(
            self.config.model, self.config.backend, self.config.threads, self.config.gpu
        )
        self.status = PipelineStatus()
        self._motion = HeldMotion() if self.config.held == "warp" else None
        self._infrared = InfraredRegistrar(
            self.config.normalization,
            self.config.registration,
            threads=self.config.threads or usable_cores(),
            resize=self.config.resize,
            keep_images=self._motion is not None,
        )
        scenes, seconds = self.fuser.model.dark, self.config.ambient_seconds
        self._ambient = None if scenes is None else SlowAmbient(scenes, seconds)
        self._clock = ClockOffsetEstimator() if self.config.clock != "fixed" else None
        self._held: RegisteredInfrared | None = None
        self._nearest_age = 0.0
        self._visible_time: float | None = None

    def reset(self) -> None:
        """Forget what was learned from the stream so far (a jump in time, another recording)."""
        self._infrared.reset()
        if self._ambient is not None:
            self._ambient.reset()
        self.stamps_changed()
        self._visible_time = None

    def set_strength(self, strength: float) -> None:
        """Change the contribution of infrared, 0 to 1, from the next frame on."""
        self.config = replace(self.config, strength=strength)

    def set_ambient_seconds(self, seconds: float) -> None:
        """Change how slowly the ambient level is followed, from the next frame on."""
        self.config = replace(self.config, ambient_seconds=seconds)
        if self._ambient is not None:
            self._ambient.seconds = seconds

    def set_normalization(self, normalization: NormalizationConfig) -> None:
        """Change how raw infrared becomes 8 bits; the running range starts anew."""
        self.config = replace(self.config, normalization=normalization)
        self._infrared.set_normalization(normalization)
        self._held = None

    def set_registration(self, registration: RegistrationConfig) -> None:
        """Change where infrared lands; the remap is computed at the next frame."""
        self.config = replace(self.config, registration=registration)
        self._infrared.set_registration(registration)
        self._held = None

    def set_distance(self, distance: float) -> None:
        """Change the distance in meters at which the images of two calibrated cameras coincide."""
        self.set_registration(replace(self.config.registration, distance=distance))

    def set_clock_offset(self, seconds: float) -> None:
        """Change by how much the infrared clock is ahead of the visible one."""
        self.config = replace(self.config, clock_offset=seconds)
        self._held = None

    def stamps_changed(self) -> None:
        """Forget times: from now on the infrared stamps come from another clock, or corrected."""
        self._held = None
        if self._clock is not None:
            self._clock.reset()
            self.status = replace(self.status, clock_offset=None)

    @property
    def clock_offset(self) -> float:
        """Seconds that are being taken off the infrared stamps."""
        estimate = self.status.clock_offset
        if self.config.clock == "correct" and estimate is not None:
            return estimate.seconds
        return self.config.clock_offset

    def process(
        self,
        visible: UInt8Array,
        infrared: RawInfrared | None = None,
        *,
        visible_time: float | None = None,
        infrared_time: float | None = None,
        out: UInt8Array | None = None,
    ) -> UInt8Array:
        """Fuse one pair, or show the visible image where there is no usable infrared.

        visible: ``(H, W, 3) uint8``, RGB. infrared: ``(h, w) uint8 or uint16``, raw; None when no
        frame came, then the last one serves until it is older than `max_infrared_age`.
        visible_time, infrared_time: capture times in finite seconds; None if unknown.
        out: where to write, ``(H, W, 3) uint8`` C-contiguous; None allocates.

        Returns ``(H, W, 3) uint8``, RGB; without usable infrared that is ``visible`` itself.
        Raises InputError for unusable images or times.
        """
        check_visible(visible, out=out)
        _check_times(visible_time, infrared_time)
        self._notice_jump(visible_time)
        new_picture = infrared is not None and self._infrared.look(infrared)
        self._listen(visible, infrared, visible_time, infrared_time)
        times = visible_time, infrared_time
        try:
            return self._process(visible, infrared, new_picture, *times, out)
        except BackendUnavailableError as error:
            if not isinstance(self.fuser.backend, RegisteringBackend):
                raise
            self._leave_gpu(error)
        return self._process(visible, infrared, new_picture, *times, out)

    def _leave_gpu(self, error: BackendUnavailableError) -> None:
        """Images go on, from the CPU; what the GPU held is lost."""
        name = self.fuser.backend.name
        self.fuser.leave_gpu(str(error))
        self.status = replace(
            self.status,
            replaced=f"'{name}' failed while running ({error}); '{self.fuser.backend.name}' fuses",
        )
        self._infrared.forget()
        if self._held is not None and self._held.image is None:
            self._held = None

    def _process(
        self,
        visible: UInt8Array,
        infrared: RawInfrared | None,
        new_picture: bool,
        visible_time: float | None,
        infrared_time: float | None,
        out: UInt8Array | None,
    ) -> UInt8Array:
        if infrared is not None:
            corrected = None if infrared_time is None else infrared_time - self.clock_offset
            self._held = self._infrared.register(
                infrared, new_picture, visible, corrected, self.fuser.backend
            )
        held = self._held
        age = None if held is None else _age(visible_time, held.time)
        picture_age = None if held is None else _age(visible_time, held.taken)
        nearest = self._is_nearest(picture_age, new_picture)
        if nearest and self._motion is not None:
            self._motion.remember(visible)
        if (
            held is None
            or held.shape != visible.shape[:2]
            or not self._usable(age, fresh=infrared is not None)
        ):
            return self._visible_only(visible, out)
        fused = self._fuse(visible, visible_time, held, nearest, out)
        self._count("fused" if infrared is not None else "held", age)
        return fused

    def _fuse(
        self,
        visible: UInt8Array,
        time: float | None,
        held: RegisteredInfrared,
        nearest: bool,
        out: UInt8Array | None,
    ) -> UInt8Array:
        strength, backend = self.config.strength, self.fuser.backend
        ambient = None if self._ambient is None else self._ambient.follow(visible, time)
        image = held.image
        if image is None:
            assert isinstance(backend, RegisteringBackend)
            return backend.fuse_held(visible, strength=strength, ambient=ambient, out=out)
        if not nearest and self._motion is not None:
            image = self._motion.carry(image, visible)
        return self.fuser.fuse(
            visible, image, strength=strength, coverage=held.coverage, ambient=ambient, out=out
        )

    def _listen(
        self,
        visible: UInt8Array,
        infrared: RawInfrared | None,
        visible_time: float | None,
        infrared_time: float | None,
    ) -> None:
        if self._clock is None:
            return
        if visible_time is not None:
            self._clock.add_visible(visible, visible_time)
        if infrared is not None and infrared_time is not None:
            self._clock.add_infrared(infrared, infrared_time)
        self.status = replace(self.status, clock_offset=self._clock.latest())

    def _is_nearest(self, age: float | None, new_picture: bool) -> bool:
        """Whether no visible image so far was nearer in time to the infrared picture."""
        nearest = new_picture or (age is not None and abs(age) < abs(self._nearest_age))
        if nearest:
            self._nearest_age = age or 0.0
        return nearest

    def _usable(self, age: float | None, fresh: bool) -> bool:
        # Without times there is no way to know how old a held frame is, so it is not reused.
        return fresh if age is None else abs(age) <= self.config.max_infrared_age

    def _visible_only(self, visible: UInt8Array, out: UInt8Array | None) -> UInt8Array:
        self._count("visible", None)
        if out is None:
            return visible
        np.copyto(out, visible)
        return out

    def _notice_jump(self, visible_time: float | None) -> None:
        if visible_time is None:
            return
        before = self._visible_time
        if before is not None and visible_time < before - JUMP_BACK:
            self.reset()
            self.status = replace(self.status, resets=self.status.resets + 1)
        self._visible_time = visible_time

    def _count(self, source: Source, age: float | None) -> None:
        status = self.status
        self.status = replace(
            status,
            fused=status.fused + (source == "fused"),
            held=status.held + (source == "held"),
            visible_only=status.visible_only + (source == "visible"),
            source=source,
            infrared_age=age,
            remaps=self._infrared.registration.recomputed,
            covered=self._infrared.registration.covered,
            shutter=self._infrared.normalizer.shutter_counts,
            stopped=self._infrared.normalizer.stopped,
            dead_pixels=self._infrared.normalizer.dead_pixel_count,
        )


def _check_times(*times: float | None) -> None:
    for time in times:
        if time is not None and not np.isfinite(time):
            raise InputError(f"a capture time is {time}; give finite seconds, or None if unknown")


def _age(visible_time: float | None, infrared_time: float | None) -> float | None:
    if visible_time is None or infrared_time is None:
        return None
    return visible_time - infrared_time
