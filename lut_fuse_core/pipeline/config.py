"""Settings of a pipeline, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lut_fuse_core.backends import BACKEND_NAMES
from lut_fuse_core.backends.base import MOST_THREADS
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.gpu.options import DEFAULT_OPTIONS, GpuOptions
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.infrared.shutter import ShutterCounts
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.watch import RigState
from lut_fuse_core.settings import check_settings, inherited, setting, settings_of
from lut_fuse_core.sync.clock_offset import ClockOffset

if TYPE_CHECKING:
    from lut_fuse_core.registration.field import DepthStatus

Source = Literal["fused", "reused", "visible"]
"""What an output shows: this pair fused, fused with an earlier infrared frame, visible only."""


@dataclass(frozen=True)
class PipelineConfig:
    """Settings of a `FusionPipeline`.

    Attributes:
        gpu: precision and cache folder of the GPU backends.
        normalization: raw infrared to 8 bits.
        registration: infrared pixels to visible pixels.

    Raises:
        InputError: for settings outside their range.
    """

    model: str | FusionModel = setting(
        "default", "Name of a bundled model or path of a model file (.safetensors)."
    )
    backend: str = setting(
        "auto",
        "Backend that executes the model; 'auto' takes the fastest that works here, "
        "'lut-fuse backends' lists them.",
        choices=BACKEND_NAMES,
    )
    threads: int | None = setting(
        None,
        "CPU threads that fuse; by default all usable cores, of videos and bags a quarter of them, "
        "as reading and writing need the others.",
        minimum=1,
        maximum=MOST_THREADS,
    )
    gpu: GpuOptions = DEFAULT_OPTIONS
    strength: float = inherited(FuseOptions, "strength")
    ambient_seconds: float = setting(
        2.0,
        "Time constant with which changes of the scene's brightness are followed in videos, bags "
        "and live streams, so that passing lights hardly change the rest of the image; 0 follows "
        "at once.",
        unit="s",
        minimum=0.0,
        maximum=3600.0,
        live=True,
    )
    normalization: NormalizationConfig = field(default_factory=NormalizationConfig)
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)
    resize: bool = setting(
        True,
        "Scale infrared images of another size to the visible ones where there is no "
        "registration; otherwise they are refused.",
    )
    clock_offset: float = setting(
        0.0,
        "Time by which the infrared clock is ahead of the visible clock; subtracted from infrared "
        "stamps.",
        unit="s",
        minimum=-2e9,
        maximum=2e9,
        live=True,
    )
    clock: Literal["fixed", "report", "correct"] = setting(
        "fixed",
        "Whether the clock offset is used as given ('fixed'), also estimated from the images and "
        "reported ('report'), or replaced by that estimate as soon as there is one ('correct').",
    )
    max_infrared_age: float = setting(
        0.5,
        "Largest difference in time between a visible image and the infrared frame it is fused "
        "with; beyond it the visible image alone is shown.",
        unit="s",
        minimum=0.0,
        maximum=3600.0,
        live=True,
    )
    reuse_alignment: Literal["hold", "warp"] = setting(
        "hold",
        "How a reused infrared frame is aligned: 'hold' leaves it as it is, 'warp' follows the "
        "motion of the visible image (some milliseconds per frame).",
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def check_change(self, wanted: PipelineConfig) -> None:
        """Check whether a pipeline with these settings can take over others.

        Args:
            wanted: The others.

        Raises:
            InputError: For a change of what is fixed when a pipeline is made.
        """
        for name in _FIXED:
            new, old = getattr(wanted, name), getattr(self, name)
            if new is not old and new != old:
                raise InputError(f"pipeline setting {name} is fixed; make another pipeline")


_FIXED = (
    "gpu",
    *(each.name for each in settings_of(PipelineConfig) if "." not in each.name and not each.live),
)
"""Settings that are fixed when a pipeline is made."""


@dataclass(frozen=True)
class PipelineStatus:
    """What a pipeline has done so far, for diagnostics.

    Attributes:
        fused: Outputs that show a pair.
        reused: Outputs that show an earlier infrared frame.
        visible_only: Outputs without infrared.
        source: Of the latest output; None before the first.
        infrared_age: Seconds between the latest visible frame and the infrared frame fused with
            it, clock offset subtracted; None if unknown.
        resets: Jumps back in time that were noticed.
        remaps: How often the registration was computed.
        covered: Share of the visible image, 0 to 1, that registered infrared covers.
        shutter: Flat-field corrections of the infrared camera.
        stopped: Whether that camera has repeated one image for longer than a flat-field
            correction takes, as if it hung (or has no noise, and nothing moves).
        dead_pixels: How many are being repaired.
        clock_offset: As estimated from the streams; None while there is no clear estimate, or none
            was asked for.
        replaced: Why another backend than at the start fuses now; empty if none does.
        depth: What following the depth does; None where registration does not follow it.
        rig: Whether infrared lies where the registration puts it; watched in streams with times.
    """

    fused: int = 0
    reused: int = 0
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
    depth: DepthStatus | None = None
    rig: RigState = field(default_factory=RigState)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is wrong with the registration, of the stream and its latest pair."""
        depth = self.depth.problem if self.depth is not None else ""
        return (*self.rig.notes, depth) if depth else tuple(self.rig.notes)
