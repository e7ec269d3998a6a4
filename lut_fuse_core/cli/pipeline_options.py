"""The options that every fusing subcommand shares, and the pipeline they describe."""

from __future__ import annotations

import argparse
from pathlib import Path

from lut_fuse_core.backends import BACKEND_NAMES
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.registration.file import load_registration, load_rig
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.rig import CameraRig


def add_pipeline_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the model, the infrared normalization and the registration."""
    _add_fusion_arguments(parser)
    _add_normalization_arguments(parser)
    _add_registration_arguments(parser)


def pipeline_config(options: argparse.Namespace, *, resize: bool) -> PipelineConfig:
    """The pipeline that parsed options ask for.

    resize: whether an infrared image of another size is scaled to the visible one's.
    Raises InputError for values that make no sense together.
    """
    return PipelineConfig(
        model=options.model,
        backend=options.backend,
        threads=options.threads,
        strength=options.strength,
        ambient_seconds=options.ambient_seconds,
        normalization=_normalization(options),
        registration=_registration(options),
        resize=resize,
    )


def _add_fusion_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("fusion")
    group.add_argument(
        "--model",
        default="default",
        metavar="NAME|FILE",
        help="model to fuse with: a name or a .safetensors file (default: %(default)s)",
    )
    group.add_argument(
        "--backend",
        default="auto",
        choices=BACKEND_NAMES,
        help="how to run it; auto takes the fastest that works here, 'lut-fuse backends' lists "
        "them (default: %(default)s)",
    )
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="CPU threads (default: all cores this process may use)",
    )
    group.add_argument(
        "--strength",
        type=float,
        default=1.0,
        metavar="S",
        help="contribution of infrared: 0 shows the visible image, 1 the full fusion "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--ambient-seconds",
        type=float,
        default=PipelineConfig.ambient_seconds,
        metavar="S",
        help="in videos and bags, seconds until a change of how bright the scene is has been "
        "followed to 63 %%, so that what drives past changes the rest of the picture but little; "
        "0 follows at once (default: %(default)g)",
    )


def _add_normalization_arguments(parser: argparse.ArgumentParser) -> None:
    defaults = NormalizationConfig()
    group = parser.add_argument_group(
        "infrared normalization", "How raw infrared (thermal) counts become 256 gray levels."
    )
    group.add_argument(
        "--normalization",
        default=defaults.mode,
        choices=("auto", "percentile", "range"),
        help="auto leaves 8-bit images alone and stretches 16-bit ones between two percentiles; "
        "percentile stretches always; range maps --range to black..white (default: %(default)s)",
    )
    group.add_argument(
        "--percentiles",
        type=float,
        nargs=2,
        default=(defaults.low_percentile, defaults.high_percentile),
        metavar=("LOW", "HIGH"),
        help="ends of the stretch in percent of the pixels (default: "
        f"{defaults.low_percentile:g} {defaults.high_percentile:g})",
    )
    group.add_argument(
        "--smoothing",
        type=float,
        default=defaults.smoothing,
        metavar="W",
        help="weight of the past frames in the percentiles, 0 to below 1; more is steadier "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--range",
        dest="fixed_range",
        type=float,
        nargs=2,
        default=(defaults.low, defaults.high),
        metavar=("LOW", "HIGH"),
        help="what becomes black and white with '--normalization range', in --unit (default: "
        f"{defaults.low:g} {defaults.high:g})",
    )
    _add_camera_arguments(group, defaults)


def _add_camera_arguments(group: argparse._ArgumentGroup, defaults: NormalizationConfig) -> None:
    """Options that describe the infrared camera."""
    group.add_argument(
        "--unit",
        choices=("counts", "celsius"),
        default=defaults.unit,
        help="of --range: raw counts, or degrees of a radiometric camera (default: %(default)s)",
    )
    group.add_argument(
        "--radiometry",
        type=float,
        nargs=2,
        default=(defaults.scale, defaults.offset),
        metavar=("SCALE", "OFFSET"),
        help="degrees Celsius = SCALE * count + OFFSET of that camera (default: "
        f"{defaults.scale:g} {defaults.offset:g})",
    )
    group.add_argument(
        "--polarity",
        choices=("white_hot", "black_hot"),
        default=defaults.polarity,
        help="whether warm things are bright or dark in the images that come "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--local-contrast",
        type=float,
        default=defaults.local_contrast,
        metavar="C",
        help="raise local contrast (CLAHE): 0 not at all, 1 to 4 more and more "
        "(default: %(default)g)",
    )
    group.add_argument(
        "--dead-pixels", action="store_true", help="learn which pixels are dead and repair them"
    )


def _normalization(options: argparse.Namespace) -> NormalizationConfig:
    return NormalizationConfig(
        mode=options.normalization,
        low_percentile=options.percentiles[0],
        high_percentile=options.percentiles[1],
        smoothing=options.smoothing,
        low=options.fixed_range[0],
        high=options.fixed_range[1],
        unit=options.unit,
        scale=options.radiometry[0],
        offset=options.radiometry[1],
        polarity=options.polarity,
        local_contrast=options.local_contrast,
        dead_pixels=options.dead_pixels,
    )


def _add_registration_arguments(parser: argparse.ArgumentParser) -> None:
    defaults = RegistrationConfig()
    group = parser.add_argument_group(
        "registration",
        "Where infrared lies in the visible image; without these both show the same view.",
    )
    group.add_argument(
        "--registration",
        type=Path,
        metavar="FILE",
        help="homography or calibrated rig, as 'lut-fuse calibrate' writes them, or a plain 3x3 "
        "matrix (infrared pixel to visible pixel) as .json, .txt or .npy",
    )
    group.add_argument(
        "--camera-info",
        type=Path,
        nargs=2,
        metavar=("VISIBLE", "INFRARED"),
        help="instead: camera_info files of both cameras, as ROS camera_calibration writes them",
    )
    group.add_argument(
        "--extrinsics",
        type=Path,
        metavar="FILE",
        help="with --camera-info: JSON or YAML with 'translation' (meters) and 'rotation' (3x3) or "
        "'quaternion' (x, y, z, w), from the visible camera's frame to the infrared camera's",
    )
    group.add_argument(
        "--distance",
        type=float,
        default=defaults.distance,
        metavar="M",
        help="for calibrated cameras: meters at which both images shall coincide, inf for far "
        "(default: %(default)g)",
    )
    group.add_argument(
        "--soft-edge",
        type=float,
        default=defaults.soft_edge,
        metavar="PX",
        help="visible pixels over which infrared fades out where its view ends "
        "(default: %(default)g)",
    )


def _registration(options: argparse.Namespace) -> RegistrationConfig:
    transform: Homography | CameraRig | None = None
    if options.registration and options.camera_info:
        raise InputError("pass --registration or --camera-info, not both")
    if options.extrinsics and not options.camera_info:
        raise InputError("--extrinsics needs --camera-info with the files of both cameras")
    if options.registration:
        transform = load_registration(options.registration)
    elif options.camera_info:
        visible, infrared = options.camera_info
        transform = load_rig(visible, infrared, options.extrinsics)
    return RegistrationConfig(transform, options.distance, options.soft_edge)
