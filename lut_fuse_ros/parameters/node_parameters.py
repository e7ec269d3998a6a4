"""Every parameter of the node: a frozen dataclass of settings, passed whole.

How one is added: see `lut_fuse_core.settings`. What the core declares is taken over from it, in
groups (``normalization``) or one by one (`inherited`). Nothing here needs ROS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lut_fuse_core.backends.base import MOST_THREADS
from lut_fuse_core.backends.gpu.options import GpuOptions
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.registration.file import SUFFIXES
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.settings import (
    Setting,
    Value,
    from_values,
    inherited,
    setting,
    settings_of,
    values_of,
)


@dataclass(frozen=True)
class SideParameters:
    """How messages of one side, a camera or the output, travel."""

    qos: Literal["auto", "sensor_data", "reliable"] = setting(
        "auto",
        "Quality of service: 'auto' asks a camera for what its driver offers, and offers "
        "subscribers what they ask for; 'sensor_data' is best effort and never waits; 'reliable' "
        "repeats what was lost.",
    )
    queue_size: int = setting(
        5, "Messages that the middleware keeps for this side.", minimum=1, maximum=1000
    )


@dataclass(frozen=True)
class InputParameters(SideParameters):
    """How one camera's images are subscribed to."""

    transport: Literal["raw", "compressed"] = setting(
        "raw",
        "'raw' subscribes to the image topic, 'compressed' to <topic>/compressed (JPEG, PNG).",
    )
    max_megapixels: float = setting(
        64.0,
        "Largest image that is believed; a damaged or malicious one can claim any size.",
        minimum=0.001,
        maximum=134.0,
    )


@dataclass(frozen=True)
class OutputParameters(SideParameters):
    """How fused images are published."""

    encoding: Literal["rgb8", "bgr8"] = setting("rgb8", "Encoding of the fused image.")
    compression: Literal["jpeg", "png"] = setting("jpeg", "Codec of the compressed output.")
    jpeg_quality: int = setting(
        90, "Quality of the compressed output if it is JPEG.", minimum=1, maximum=100, live=True
    )


@dataclass(frozen=True)
class SyncParameters:
    """Which frames belong together."""

    method: Literal["stamps", "latest"] = setting(
        "stamps",
        "'stamps' pairs frames by their stamps and fuses at the slower camera's rate; 'latest' "
        "fuses every visible frame with the newest infrared frame (9 Hz cameras).",
    )
    stamps: Literal["header", "arrival"] = setting(
        "header",
        "Capture time of a frame: its stamp ('header'), or when it arrives ('arrival', for cameras "
        "whose clocks drift or jump).",
    )
    tolerance: float = setting(
        -1.0,
        "Largest difference between the stamps of a pair; negative: half of the shorter frame "
        "period as measured, at most 0.1 s. 0: stamps must be equal.",
        unit="s",
        minimum=-1.0,
        maximum=10.0,
        live=True,
    )
    queue_size: int = setting(
        10, "Frames per camera that wait for their partner.", minimum=1, maximum=1000
    )
    infrared_offset: float = inherited(PipelineConfig, "clock_offset")
    estimate_offset: bool = setting(
        False,
        "Estimate from motion in both streams by how much the infrared clock is ahead, and report "
        "it in the diagnostics; sync.infrared_offset corrects it.",
    )
    reuse_alignment: Literal["hold", "warp"] = inherited(PipelineConfig, "reuse_alignment")

    @property
    def offset(self) -> float:
        """Seconds to take off infrared times: times of arrival are of one clock."""
        return 0.0 if self.stamps == "arrival" else self.infrared_offset


@dataclass(frozen=True)
class FallbackParameters:
    """What is published without infrared."""

    policy: Literal["visible", "last_infrared", "nothing"] = setting(
        "visible",
        "What to publish while no infrared frame fits: the 'visible' image alone, the visible "
        "image with the 'last_infrared' frame, or 'nothing'.",
        live=True,
    )
    timeout: float = setting(
        0.5,
        "Time without a pair after which the policy applies.",
        unit="s",
        minimum=0.02,
        maximum=3600.0,
        live=True,
    )
    max_infrared_age: float = inherited(
        PipelineConfig,
        "max_infrared_age",
        default=2.0,
        description="Oldest infrared frame that is still reused ('last_infrared', 'latest').",
    )


@dataclass(frozen=True)
class RegistrationParameters:
    """Where infrared lies in the visible image."""

    source: Literal["none", "file", "tf"] = setting(
        "none",
        "Where infrared lies in the visible image: 'none' (same view, resized), 'file' (made by "
        "lut-fuse calibrate), or 'tf' (both camera_info and the transform between their frames).",
    )
    file: str = setting("", "Homography or calibrated rig (JSON or YAML) for source 'file'.")
    rectified: bool = setting(
        False, "Whether the images are rectified already (image_rect topics), for source 'tf'."
    )
    distance: float = inherited(RegistrationConfig, "distance")
    feather: float = inherited(RegistrationConfig, "feather")
    depth: Literal["off", "auto"] = inherited(RegistrationConfig, "depth")
    follow: bool = inherited(RegistrationConfig, "follow")


@dataclass(frozen=True)
class CalibrationParameters:
    """The service ~/calibrate."""

    pairs: int = setting(
        5,
        "Number of pairs the service ~/calibrate uses, half a second apart.",
        minimum=1,
        maximum=100,
        live=True,
    )
    file: str = setting(
        "",
        "Where ~/calibrate writes its result (JSON or YAML), for registration.file at the next "
        "start.",
        live=True,
    )


@dataclass(frozen=True)
class DiagnosticsParameters:
    """What the diagnostics warn of."""

    max_latency: float = setting(
        0.1,
        "Latency from stamp to publication (99th percentile) above which diagnostics warn.",
        unit="s",
        minimum=0.001,
        maximum=3600.0,
        live=True,
    )


@dataclass(frozen=True)
class NodeParameters:
    """The parameters of one node, checked; ``sync.tolerance`` is the ROS parameter of that name.

    Attributes:
        gpu: See `GpuOptions`.
        visible: How visible images arrive.
        infrared: How infrared images arrive.
        output: What is published and how.
        sync: Which images belong together.
        fallback: What is published without infrared.
        normalization: Raw infrared to 8 bits.
        registration: Infrared onto the visible grid.
        calibration: The service ~/calibrate.
        diagnostics: When to warn.

    Raises:
        InputError: naming the parameter and the allowed values, for one that cannot be used.
    """

    model: str = inherited(PipelineConfig, "model")
    backend: str = inherited(
        PipelineConfig,
        "backend",
        description="Backend that executes the model; 'auto' takes the fastest that works here. "
        "One that cannot run is replaced by 'auto', with a warning. `lut-fuse backends` lists "
        "them.",
    )
    gpu: GpuOptions = field(default_factory=GpuOptions)
    threads: int = setting(
        0,
        "CPU threads for fusing; 0 takes all cores but one, which is left to the middleware.",
        minimum=0,
        maximum=MOST_THREADS,
    )
    autostart: bool = setting(
        False, "Configure and activate by itself at the start (the launch file sets this)."
    )
    strength: float = inherited(PipelineConfig, "strength")
    ambient_seconds: float = inherited(PipelineConfig, "ambient_seconds")
    visible: InputParameters = field(default_factory=InputParameters)
    infrared: InputParameters = field(default_factory=InputParameters)
    output: OutputParameters = field(default_factory=OutputParameters)
    sync: SyncParameters = field(default_factory=SyncParameters)
    fallback: FallbackParameters = field(default_factory=FallbackParameters)
    normalization: NormalizationConfig = field(default_factory=NormalizationConfig)
    registration: RegistrationParameters = field(default_factory=RegistrationParameters)
    calibration: CalibrationParameters = field(default_factory=CalibrationParameters)
    diagnostics: DiagnosticsParameters = field(default_factory=DiagnosticsParameters)

    def __post_init__(self) -> None:
        values = values_of(self)
        for each in settings_of(type(self)):
            each.check(values[each.name], f"parameter '{each.name}'")
        if not self.model:
            raise InputError("parameter 'model' is empty; give a model name or a file")
        if self.registration.source == "file" and not self.registration.file:
            raise InputError(
                "parameter 'registration.source' is 'file' but 'registration.file' is empty"
            )
        file = self.calibration.file
        if file and Path(file).suffix not in SUFFIXES:
            raise InputError(
                f"parameter 'calibration.file' is '{file}'; it must end in .json or .yaml"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Value]) -> NodeParameters:
        """From ROS parameter names and values; what is missing keeps its default.

        Raises:
            InputError: for values that cannot be used.
        """
        known = {each.name: each for each in settings_of(cls)}
        for name in values:
            if name not in known:
                raise InputError(f"there is no parameter '{name}'")
        values = {name: as_meant(known[name], value) for name, value in values.items()}
        for name, value in values.items():
            if known[name].kind is float and type(value) is int:
                raise InputError(
                    f"parameter '{name}' must be a decimal number, not {value}; write {value}.0"
                )
            known[name].check(value, f"parameter '{name}'")
        return from_values(cls, values)

    def updated(self, values: Mapping[str, Value]) -> NodeParameters:
        """These parameters with some replaced.

        Raises:
            InputError: If the result cannot be used.
        """
        return type(self).from_dict({**values_of(self), **values})


def as_meant(setting: Setting, value: Value) -> Value:
    """The word ``off`` where YAML, in files and after ``-p``, makes a false of it."""
    return "off" if value is False and "off" in setting.choices else value
