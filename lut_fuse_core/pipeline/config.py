"""Settings of a pipeline, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lut_fuse_core.backends.gpu.options import DEFAULT_OPTIONS, GpuOptions
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.infrared.shutter import ShutterCounts
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.sync.clock_offset import ClockOffset

Source = Literal["fused", "held", "visible"]
"""What an output shows: this pair fused, fused with an earlier infrared frame, visible only."""


@dataclass(frozen=True)
class PipelineConfig:
    """Settings of a `FusionPipeline`.

    model: name or path of a model file, or a FusionModel. backend, threads, gpu: see `Fuser`.
    strength: contribution of infrared, 0 to 1.
    normalization: raw infrared to 8 bits.
    registration: infrared pixels to visible pixels.
    max_infrared_age: seconds by which an infrared frame may be older (or newer) than the visible
        frame it is fused with; beyond that the visible image alone is shown. 0 never reuses one.
    held: what an infrared frame does that serves once more: ``hold`` leaves it, ``warp`` moves it
        along with the visible image (some milliseconds per frame).
    clock_offset: seconds that the infrared clock is ahead of the visible clock; taken off the
        infrared stamps.
    clock: ``fixed`` takes `clock_offset` as it is; ``report`` also estimates it from the streams,
        for `PipelineStatus.clock_offset`; ``correct`` uses the estimate as soon as there is one.
    ambient_seconds: how slowly the ambient level is followed, see `SlowAmbient`. Matters where
        frames have times, and to models with `DarkScenes` only.
    resize: scale an infrared image of another size to the visible one's where there is no
        registration; otherwise an error.
    """

    model: str | FusionModel = "default"
    backend: str = "auto"
    threads: int | None = None
    gpu: GpuOptions = DEFAULT_OPTIONS
    strength: float = 1.0
    normalization: NormalizationConfig = field(default_factory=NormalizationConfig)
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)
    max_infrared_age: float = 0.5
    held: Literal["hold", "warp"] = "hold"
    clock_offset: float = 0.0
    clock: Literal["fixed", "report", "correct"] = "fixed"
    ambient_seconds: float = 2.0
    resize: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise InputError(f"strength is {self.strength}; it must be between 0 and 1")
        if not self.max_infrared_age >= 0:
            raise InputError(f"the infrared age is {self.max_infrared_age} s; it must be 0 or more")
        for name, value, allowed in (
            ("held", self.held, ("hold", "warp")),
            ("clock", self.clock, ("fixed", "report", "correct")),
        ):
            if value not in allowed:
                raise InputError(f"pipeline setting {name} '{value}' is not {' or '.join(allowed)}")
        if not 0 <= self.ambient_seconds < np.inf:
            raise InputError(
                f"the time to follow the ambient level in is {self.ambient_seconds} s; it must be "
                "finite, 0 or more"
            )
        if not np.isfinite(self.clock_offset):
            raise InputError(f"the clock offset is {self.clock_offset}; it must be finite seconds")


@dataclass(frozen=True)
class PipelineStatus:
    """What a pipeline has done so far, for diagnostics.

    fused, held, visible_only: outputs by `Source`. source: of the latest output.
    infrared_age: seconds between the latest visible frame and the infrared fused with it, clock
        offset taken off; None if unknown. resets: jumps back in time that were noticed.
    remaps: how often the registration was computed. covered: share of the visible image that
    infrared sees, as registered. shutter: flat-field events of the infrared camera. stopped:
    whether that camera repeats one picture for longer than a shutter is closed, as if it hung (or
    has no noise, and nothing moves). dead_pixels: how many are being repaired. clock_offset: as
    estimated from the streams; None while there is no clear estimate, or none was asked for.
    replaced: why another backend than at the start fuses now; empty if none does.
    """

    fused: int = 0
    held: int = 0
    visible_only: int = 0
    source: Source | None = None
    infrared_age: float | None = None
    resets: int = 0
    remaps: int = 0
    covered: float = 1.0
    shutter: ShutterCounts = field(default_factory=ShutterCounts)
    stopped: bool = False
    dead_pixels: int = 0
    clock_offset: ClockOffset | None = None
    replaced: str = ""
