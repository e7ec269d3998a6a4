"""The options that every fusing subcommand shares, and the pipeline they describe."""

from __future__ import annotations

import argparse
from pathlib import Path

from lut_fuse_core.backends.gpu.options import GpuOptions
from lut_fuse_core.cli.progress import note
from lut_fuse_core.cli.setting_options import SettingOptions, option_of
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.registration.file import read_registration, read_rig
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.rig import CameraRig

MODEL_OPTION = option_of(PipelineConfig, "model", metavar="NAME|FILE")
BACKEND_OPTION = option_of(PipelineConfig, "backend")
FUSION = SettingOptions(
    PipelineConfig,
    # Only recordings have clocks (`time_options`), and only files may be refused for their size.
    left_out=frozenset({"clock", "clock_offset", "max_infrared_age", "reuse_alignment", "resize"}),
    metavars={"model": MODEL_OPTION["metavar"]},
)
GPU = SettingOptions(
    GpuOptions,
    flags={"precision": "--gpu-precision", "cache": "--gpu-cache"},
    metavars={"cache": "DIR"},
)
NORMALIZATION = SettingOptions(
    NormalizationConfig,
    flags={"mode": "--normalization"},
    pairs={
        "--percentiles": ("low_percentile", "high_percentile"),
        "--range": ("low", "high"),
        "--radiometry": ("scale", "offset"),
    },
    remarks={"mode": "(low and high: --range)", "unit": "(--range)"},
)
REGISTRATION = SettingOptions(RegistrationConfig)


def add_pipeline_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the model, the infrared normalization and the registration.

    Args:
        parser: Parser of the subcommand.
    """
    fusion = parser.add_argument_group("fusion")
    FUSION.add(fusion)
    GPU.add(fusion)
    NORMALIZATION.add(
        parser.add_argument_group(
            "infrared normalization", "How raw infrared (thermal) counts become 256 gray levels."
        )
    )
    group = parser.add_argument_group(
        "registration",
        "Where infrared lies in the visible image; without these both show the same view.",
    )
    _add_transform_arguments(group)
    REGISTRATION.add(group)


def pipeline_config(options: argparse.Namespace, *, resize: bool) -> PipelineConfig:
    """The settings of the pipeline that parsed options ask for.

    Args:
        options: What a parser with `add_pipeline_arguments` returned.
        resize: Whether infrared images of another size are scaled to that of the visible ones.

    Returns:
        The settings.

    Raises:
        InputError: For values or files that cannot be used, alone or together.
    """
    return FUSION.read(
        options,
        gpu=GPU.read(options),
        normalization=NORMALIZATION.read(options),
        registration=REGISTRATION.read(options, transform=_transform(options)),
        resize=resize,
    )


def _add_transform_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--registration",
        type=Path,
        metavar="FILE",
        help="homography or calibrated rig, as 'lut-fuse calibrate' writes them; a plain 3x3 "
        "matrix (infrared pixel to visible pixel) as .json, .txt, .csv or .npy; Kalibr's camchain "
        "or OpenCV's stereo calibration",
    )
    group.add_argument(
        "--camera-info",
        type=Path,
        nargs=2,
        metavar=("VISIBLE", "INFRARED"),
        help="instead: camera_info files of both cameras, as ROS camera_calibration, OpenCV, "
        "Kalibr or camodocal write them, or the output of 'ros2 topic echo'",
    )
    group.add_argument(
        "--extrinsics",
        type=Path,
        metavar="FILE",
        help="with --camera-info: JSON or YAML with 'translation' (meters) and 'rotation' (3x3) or "
        "'quaternion' (x, y, z, w), from the visible camera's frame to the infrared camera's; "
        "OpenCV's R and T, or a message of TF",
    )


def _transform(options: argparse.Namespace) -> Homography | CameraRig | None:
    if options.registration and options.camera_info:
        raise InputError("pass --registration or --camera-info, not both")
    if options.extrinsics and not options.camera_info:
        raise InputError("--extrinsics needs --camera-info with the files of both cameras")
    if options.registration:
        loaded = read_registration(options.registration)
        if loaded.convention:
            note(f"{options.registration}: {loaded.convention}")
        return loaded.transform
    if options.camera_info:
        visible, infrared = options.camera_info
        rig, conventions = read_rig(visible, infrared, options.extrinsics)
        for convention in conventions:
            note(convention)
        return rig
    return None
