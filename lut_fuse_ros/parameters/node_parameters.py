"""Every parameter of the node, declared once: name, default, range, meaning, when it may change.

The node declares its ROS parameters from `NodeParameters`, checks values with it, and
`parameter_docs` documents them; nothing here needs ROS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from lut_fuse_core.backends import BACKEND_NAMES
from lut_fuse_core.backends.base import MOST_THREADS
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.registration.file import SUFFIXES
from lut_fuse_ros.parameters.spec import Spec, Value, _parameter, spec_of

LARGEST_OFFSET = 10.0
"""Seconds that sync.infrared_offset can make up for."""


QOS = ("sensor_data", "reliable")
TRANSPORTS = ("raw", "compressed")
PRECISIONS = ("auto", "fp16", "fp32", "int8")


def _qos(side: str) -> Any:
    return _parameter(
        f"{side}.qos",
        "sensor_data",
        "Reliability: 'sensor_data' (best effort, never waits) or 'reliable' (for RViz and for "
        "networks that lose packets).",
        choices=QOS,
    )


def _depth(side: str) -> Any:
    return _parameter(
        f"{side}.queue_size",
        5,
        "Messages the middleware keeps for this side.",
        minimum=1,
        maximum=1000,
    )


def _transport(side: str) -> Any:
    return _parameter(
        f"{side}.transport",
        "raw",
        "'raw' subscribes to the image topic, 'compressed' to <topic>/compressed (JPEG, PNG).",
        choices=TRANSPORTS,
    )


@dataclass(frozen=True)
class NodeParameters:
    """The settings of one node, checked.

    Raises InputError, naming the parameter and the allowed values, for one that cannot be used.
    """

    model: str = _parameter(
        "model", "default", "Name of a bundled model or path of a model file (.safetensors)."
    )
    backend: str = _parameter(
        "backend",
        "auto",
        "How the model is executed; 'auto' takes the fastest that works here. One that cannot run "
        "is replaced by 'auto', with a warning. `lut-fuse backends` lists them.",
    )
    gpu_precision: str = _parameter(
        "gpu.precision",
        "auto",
        "Arithmetic of the GPU backends; 'auto' takes fp16 where the GPU has it and it agrees with "
        "the reference. 'int8' is for the convolutions of 'tensorrt'; 'cuda' takes fp16 instead.",
        choices=PRECISIONS,
    )
    gpu_cache: str = _parameter(
        "gpu.cache",
        "",
        "Folder for TensorRT engines and the measured choice of 'auto'; empty takes "
        "$LUT_FUSE_CACHE or lut_fuse in the user's cache folder.",
    )
    threads: int = _parameter(
        "threads",
        0,
        "CPU threads for fusing; 0 takes all cores but one, which is left to the middleware.",
        minimum=0,
        maximum=MOST_THREADS,
    )
    autostart: bool = _parameter(
        "autostart",
        False,
        "Configure and activate by itself at the start (the launch file sets this).",
    )
    strength: float = _parameter(
        "strength",
        1.0,
        "Contribution of infrared: 0 leaves the visible image as it is, 1 is the full fusion.",
        minimum=0.0,
        maximum=1.0,
        dynamic=True,
    )
    ambient_seconds: float = _parameter(
        "ambient_seconds",
        2.0,
        "Seconds until the model has followed a change of how bright the scene is to 63 %, so that "
        "what drives past changes the rest of the picture but little; 0 follows at once.",
        minimum=0.0,
        maximum=60.0,
        dynamic=True,
    )
    visible_transport: str = _transport("visible")
    visible_qos: str = _qos("visible")
    visible_queue_size: int = _depth("visible")
    infrared_transport: str = _transport("infrared")
    infrared_qos: str = _qos("infrared")
    infrared_queue_size: int = _depth("infrared")
    output_encoding: str = _parameter(
        "output.encoding", "rgb8", "Encoding of the fused image.", choices=("rgb8", "bgr8")
    )
    output_qos: str = _qos("output")
    output_queue_size: int = _depth("output")
    output_compression: str = _parameter(
        "output.compression", "jpeg", "Codec of the compressed output.", choices=("jpeg", "png")
    )
    output_jpeg_quality: int = _parameter(
        "output.jpeg_quality",
        90,
        "Quality of the compressed output if it is JPEG.",
        minimum=1,
        maximum=100,
        dynamic=True,
    )
    sync_method: str = _parameter(
        "sync.method",
        "stamps",
        "'stamps' pairs frames by their stamps and fuses at the slower camera's rate; 'latest' "
        "fuses every visible frame with the newest infrared frame (9 Hz cameras).",
        choices=("stamps", "latest"),
    )
    sync_tolerance: float = _parameter(
        "sync.tolerance",
        0.015,
        "Largest difference in seconds between the stamps of a pair; less than half a frame "
        "period, so that neighbors cannot be mistaken. 0: stamps must be equal.",
        minimum=0.0,
        maximum=10.0,
        dynamic=True,
    )
    sync_queue_size: int = _parameter(
        "sync.queue_size",
        10,
        "Frames per camera that wait for their partner.",
        minimum=1,
        maximum=1000,
    )
    sync_infrared_offset: float = _parameter(
        "sync.infrared_offset",
        0.0,
        "Seconds by which the infrared clock is ahead of the visible clock; taken off the "
        "infrared stamps before pairing.",
        minimum=-LARGEST_OFFSET,
        maximum=LARGEST_OFFSET,
        dynamic=True,
    )
    sync_estimate_offset: bool = _parameter(
        "sync.estimate_offset",
        False,
        "Estimate from what moves in both streams by how much the infrared clock is ahead, and "
        "report it in the diagnostics; sync.infrared_offset corrects it.",
    )
    sync_held_infrared: str = _parameter(
        "sync.held_infrared",
        "hold",
        "What an infrared frame does that serves once more ('latest', 'last_infrared'): 'hold' "
        "leaves it, 'warp' moves it along with the visible image (some milliseconds per frame).",
        choices=("hold", "warp"),
    )
    fallback_policy: str = _parameter(
        "fallback.policy",
        "visible",
        "What to publish while no infrared frame fits: the 'visible' image alone, the visible "
        "image with the 'last_infrared' frame, or 'nothing'.",
        choices=("visible", "last_infrared", "nothing"),
        dynamic=True,
    )
    fallback_timeout: float = _parameter(
        "fallback.timeout",
        0.5,
        "Seconds without a pair after which the policy applies.",
        minimum=0.02,
        maximum=3600.0,
        dynamic=True,
    )
    fallback_max_infrared_age: float = _parameter(
        "fallback.max_infrared_age",
        2.0,
        "Oldest infrared frame in seconds that is still reused ('last_infrared', 'latest').",
        minimum=0.0,
        maximum=3600.0,
        dynamic=True,
    )
    normalization_mode: str = _parameter(
        "normalization.mode",
        "auto",
        "Raw infrared to 8 bits: 'auto' leaves 8-bit images as they are and stretches 16-bit ones "
        "between percentiles, 'percentile' stretches always, 'range' maps raw counts low..high.",
        choices=("auto", "percentile", "range"),
        dynamic=True,
    )
    normalization_low_percentile: float = _parameter(
        "normalization.low_percentile",
        1.0,
        "Percentile that becomes nearly black: what lies beyond still shows, softly.",
        minimum=0.0,
        maximum=100.0,
        dynamic=True,
    )
    normalization_high_percentile: float = _parameter(
        "normalization.high_percentile",
        99.0,
        "Percentile that becomes nearly white: what lies beyond still shows, softly.",
        minimum=0.0,
        maximum=100.0,
        dynamic=True,
    )
    normalization_smoothing: float = _parameter(
        "normalization.smoothing",
        0.95,
        "Weight of the past in the running percentiles; 0 follows every frame and flickers.",
        minimum=0.0,
        maximum=0.9999,
        dynamic=True,
    )
    normalization_low: float = _parameter(
        "normalization.low",
        0.0,
        "What becomes black in mode 'range', in normalization.unit.",
        minimum=-1000.0,
        maximum=65535.0,
        dynamic=True,
    )
    normalization_high: float = _parameter(
        "normalization.high",
        65535.0,
        "What becomes white in mode 'range', in normalization.unit.",
        minimum=-1000.0,
        maximum=65535.0,
        dynamic=True,
    )
    normalization_unit: str = _parameter(
        "normalization.unit",
        "counts",
        "Unit of low and high: raw 'counts', or degrees 'celsius' (linear radiometric cameras).",
        choices=("counts", "celsius"),
        dynamic=True,
    )
    normalization_scale: float = _parameter(
        "normalization.scale",
        0.01,
        "Degrees per count for unit 'celsius'; the default suits FLIR's high-resolution mode.",
        minimum=1e-6,
        maximum=1000.0,
        dynamic=True,
    )
    normalization_offset: float = _parameter(
        "normalization.offset",
        -273.15,
        "Degrees Celsius at count 0 for unit 'celsius'.",
        minimum=-10000.0,
        maximum=10000.0,
        dynamic=True,
    )
    normalization_polarity: str = _parameter(
        "normalization.polarity",
        "white_hot",
        "How the camera shows warm things; 'black_hot' images are inverted.",
        choices=("white_hot", "black_hot"),
        dynamic=True,
    )
    normalization_local_contrast: float = _parameter(
        "normalization.local_contrast",
        0.0,
        "CLAHE clip limit: 0 for none, 1 to 4 for more and more local contrast.",
        minimum=0.0,
        maximum=40.0,
        dynamic=True,
    )
    normalization_dead_pixels: bool = _parameter(
        "normalization.dead_pixels",
        False,
        "Learn and repair infrared pixels that always differ from their neighbors.",
        dynamic=True,
    )
    normalization_shutter: bool = _parameter(
        "normalization.shutter",
        True,
        "Notice flat-field corrections of the infrared camera and show its last good frame "
        "meanwhile.",
        dynamic=True,
    )
    registration_source: str = _parameter(
        "registration.source",
        "none",
        "Where infrared lands in the visible image: 'none' (same view, resized), 'file' (made by "
        "lut-fuse calibrate), or 'tf' (both camera_info and the transform between their frames).",
        choices=("none", "file", "tf"),
    )
    registration_file: str = _parameter(
        "registration.file", "", "Homography or calibrated rig (JSON or YAML) for source 'file'."
    )
    registration_rectified: bool = _parameter(
        "registration.rectified",
        False,
        "For source 'tf': the images are rectified already (image_rect topics).",
    )
    registration_distance: float = _parameter(
        "registration.distance",
        20.0,
        "Meters at which the images of two calibrated cameras coincide.",
        minimum=0.05,
        maximum=1e6,
        dynamic=True,
    )
    registration_soft_edge: float = _parameter(
        "registration.soft_edge",
        24.0,
        "Visible pixels over which infrared fades out where its view ends.",
        minimum=0.0,
        maximum=1000.0,
        dynamic=True,
    )
    calibration_pairs: int = _parameter(
        "calibration.pairs",
        5,
        "How many pairs the service ~/calibrate looks at, half a second apart.",
        minimum=1,
        maximum=100,
        dynamic=True,
    )
    calibration_file: str = _parameter(
        "calibration.file",
        "",
        "Where ~/calibrate writes what it found (JSON or YAML), for registration.file at the "
        "next start.",
        dynamic=True,
    )
    diagnostics_max_latency: float = _parameter(
        "diagnostics.max_latency",
        0.1,
        "Seconds from stamp to publication (99th percentile) above which diagnostics warn.",
        minimum=0.001,
        maximum=3600.0,
        dynamic=True,
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            spec_of(each).check(getattr(self, each.name), type(each.default))
        if self.backend not in BACKEND_NAMES:
            raise InputError(
                f"parameter 'backend' is '{self.backend}'; it must be one of "
                f"{', '.join(BACKEND_NAMES)}"
            )
        if not self.model:
            raise InputError("parameter 'model' is empty; give a model name or a file")
        if self.registration_source == "file" and not self.registration_file:
            raise InputError(
                "parameter 'registration.source' is 'file' but 'registration.file' is empty"
            )
        try:
            self.normalization()
        except InputError as error:
            raise InputError(f"parameters 'normalization.*': {error}") from None
        if self.calibration_file and Path(self.calibration_file).suffix not in SUFFIXES:
            raise InputError(
                f"parameter 'calibration.file' is '{self.calibration_file}'; it must end in .json "
                "or .yaml"
            )

    def normalization(self) -> NormalizationConfig:
        """The infrared normalization these parameters describe."""
        settings = {
            each.name: getattr(self, f"normalization_{each.name}")
            for each in fields(NormalizationConfig)
        }
        return NormalizationConfig(**settings)

    def to_dict(self) -> dict[str, Value]:
        """ROS parameter names and values, in the order of declaration."""
        return {spec_of(each).name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Value]) -> NodeParameters:
        """From ROS parameter names and values; what is missing keeps its default."""
        names = {spec_of(each).name: each.name for each in fields(cls)}
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise InputError(f"there is no parameter '{unknown[0]}'")
        return cls(**cast(Any, {names[name]: value for name, value in values.items()}))

    def updated(self, values: Mapping[str, Value]) -> NodeParameters:
        """These parameters with some replaced. Raises InputError if the result cannot be used."""
        return type(self).from_dict({**self.to_dict(), **values})


def specs() -> list[tuple[Spec, Value]]:
    """Every parameter and its default, in the order of declaration."""
    return [(spec_of(each), cast(Value, each.default)) for each in fields(NodeParameters)]
