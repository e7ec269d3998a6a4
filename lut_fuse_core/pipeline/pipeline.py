"""Everything between a decoded pair and a fused image; every front-end goes through it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.backends.base import check_visible
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.fuser import Fuser
from lut_fuse_core.pipeline.config import PipelineConfig, PipelineStatus, Source
from lut_fuse_core.pipeline.held_infrared import HeldInfrared
from lut_fuse_core.pipeline.registered_infrared import InfraredFrame
from lut_fuse_core.pipeline.slow_ambient import SlowAmbient
from lut_fuse_core.pipeline.stream_clock import StreamClock, check_times
from lut_fuse_core.registration.watch import RigWatch


class FusionPipeline:
    """Normalizes, registers and fuses the pairs of one camera rig, in the order they come.

    Use one instance per rig and from one thread at a time; only `status` may be read from others.

    Args:
        config: Settings; None for the defaults.
        fuser: One made with these settings that no other pipeline is using; None to make one.

    Attributes:
        config: Settings in use; `reconfigure` changes them.
        fuser: What fuses registered 8-bit pairs.
        clock: Compares the clocks of both cameras; also takes frames that do not pair.

    Raises:
        ModelError: For a model that cannot be used.
        BackendUnavailableError: For a backend that cannot run here.
    """

    def __init__(self, config: PipelineConfig | None = None, fuser: Fuser | None = None) -> None:
        self.config = config or PipelineConfig()
        self.fuser = fuser or Fuser(
            self.config.model, self.config.backend, self.config.threads, self.config.gpu
        )
        model, seconds = self.fuser.model, self.config.ambient_seconds
        self._ambient = SlowAmbient(model.levels, seconds) if model.knows_scenes else None
        self.clock = StreamClock(self.config)
        self._infrared = HeldInfrared(self.config)
        self._watch = RigWatch()
        self._outputs: Counter[Source] = Counter()
        self._source: Source | None = None
        self._age: float | None = None
        self._resets = 0

    @property
    def source(self) -> Source | None:
        """What the latest image shows; None before the first one."""
        return self._source

    @property
    def status(self) -> PipelineStatus:
        """What has been done so far."""
        registrar = self._infrared.registrar
        return PipelineStatus(
            fused=self._outputs["fused"],
            reused=self._outputs["reused"],
            visible_only=self._outputs["visible"],
            source=self._source,
            infrared_age=self._age,
            resets=self._resets,
            remaps=registrar.registration.recomputed,
            covered=registrar.registration.covered,
            shutter=registrar.normalizer.shutter_counts,
            stopped=registrar.normalizer.stopped,
            dead_pixels=registrar.normalizer.dead_pixel_count,
            clock_offset=self.clock.estimate,
            replaced=self.fuser.replaced,
            depth=None if self.config.registration.depth == "off" else registrar.depth.status,
            rig=self._watch.state,
        )

    @property
    def clock_offset(self) -> float:
        """Seconds that are being taken off the infrared stamps."""
        return self.clock.offset(self.config)

    def reset(self) -> None:
        """Forget what was learned from the stream so far (a jump in time, another recording)."""
        self.clock.reset()
        self._forget_images()

    def _forget_images(self) -> None:
        self._infrared.reset()
        self._watch.reset()
        if self._ambient is not None:
            self._ambient.reset()

    def reconfigure(self, config: PipelineConfig) -> None:
        """Change settings from the next frame on, keeping what the others learned from the stream.

        Args:
            config: All settings, as `dataclasses.replace` makes them from `FusionPipeline.config`.

        Raises:
            InputError: For a change of what is fixed, see `PipelineConfig.check_change`.
        """
        before = self.config
        before.check_change(config)
        self.config = config
        if self._ambient is not None:
            self._ambient.seconds = config.ambient_seconds
        if config.normalization != before.normalization:
            self._infrared.set_normalization(config.normalization)
        if config.registration != before.registration:
            self._infrared.set_registration(config.registration)
            self._watch.reset()
        if config.clock_offset != before.clock_offset:
            self._infrared.forget()

    def catch_up(self) -> None:
        """Do what can wait until an image is out: comparing both images for a rig that has moved.

        Called once an image has been sent, it spares the next one a millisecond of `process`.
        """
        better = self._watch.go_on()
        if better is not None:
            self.config = replace(self.config, registration=better)
            self._infrared.set_registration(better)

    def expect(self, visible: UInt8Array) -> None:
        """Do what can be done with a visible image before its infrared one comes.

        Args:
            visible: ``(H, W, 3) uint8``, RGB, with which `process` is called next; not changed
                until then.

        Raises:
            InputError: For an unusable image.
        """
        check_visible(visible)
        if self._ambient is not None:
            self._ambient.expect(visible)

    def process(
        self,
        visible: UInt8Array,
        infrared: AnyInfrared | None = None,
        *,
        visible_time: float | None = None,
        infrared_time: float | None = None,
        hold: bool = True,
        out: UInt8Array | None = None,
    ) -> UInt8Array:
        """Fuse one pair, or show the visible image where there is no usable infrared.

        Args:
            visible: ``(H, W, 3) uint8``, RGB.
            infrared: ``(h, w)``, raw: uint8 or uint16 counts, or other numbers, see
                `NormalizationConfig.quantity`; NaN is a pixel not seen. None when no frame came.
            visible_time: Capture time in finite seconds; None if unknown.
            infrared_time: That of ``infrared``, of its own clock.
            hold: Whether the last frame serves, up to `PipelineConfig.max_infrared_age`.
            out: Where to write, ``(H, W, 3) uint8`` C-contiguous; None allocates.

        Returns:
            ``(H, W, 3) uint8``, RGB: ``out``; if that is None a new array, or ``visible`` itself.

        Raises:
            InputError: For unusable images or times.
            BackendUnavailableError: If a backend of the CPU fails; the GPU's are replaced.
        """
        check_visible(visible, out=out)
        check_times(visible_time, infrared_time)
        if self.clock.jumped(visible_time):
            self._forget_images()
            self._resets += 1
        self.catch_up()
        registrar = self._infrared.registrar
        counts = None if infrared is None else registrar.counts(infrared)
        new_picture = counts is not None and registrar.look(counts, infrared_time)
        self.clock.listen(visible, counts, visible_time, infrared_time)
        if counts is not None and new_picture and visible_time is not None:
            self._watch.take(visible, counts, self.config.registration, visible_time)
        if infrared_time is not None:
            infrared_time -= self.clock_offset

        def fuse() -> UInt8Array:
            if counts is not None:
                frame = InfraredFrame(counts, new_picture, infrared_time)
                self._infrared.take(frame, visible, self.fuser.backend)
            serving = self._infrared.serve(
                visible,
                visible_time,
                fresh=counts is not None,
                new_picture=new_picture,
                max_age=self.config.max_infrared_age,
            )
            if serving is None or (counts is None and not hold):
                return self._visible_only(visible, out)
            ambient = self._ambient.follow(visible, visible_time) if self._ambient else None
            options = FuseOptions(self.config.strength, ambient=ambient, out=out)
            fused = serving.fuse(self.fuser, visible, options)
            self._count("fused" if counts is not None else "reused", serving.age)
            return fused

        return self.fuser.attempt(fuse, lost=self._infrared.backend_lost)

    def _visible_only(self, visible: UInt8Array, out: UInt8Array | None) -> UInt8Array:
        self._count("visible", None)
        if out is None:
            return visible
        np.copyto(out, visible)
        return out

    def _count(self, source: Source, age: float | None) -> None:
        self._outputs[source] += 1
        self._source, self._age = source, age
