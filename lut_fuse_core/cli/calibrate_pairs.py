"""`lut-fuse calibrate pairs`: from ordinary pictures, without a board."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.calibration.correspondences import gather
from lut_fuse_core.calibration.from_pairs import (
    TOLERANCE,
    PairsCalibration,
    calibrate_from_pairs,
)
from lut_fuse_core.calibration.overlays import overlay
from lut_fuse_core.calibration.recordings import evenly
from lut_fuse_core.calibration.relative_pose import LEAST_PAIRS, RelativePose, relative_pose
from lut_fuse_core.cli.calibration_options import add_mode, check_outputs, source_of
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.errors import InputError, LutFuseError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.image_files import write_image
from lut_fuse_core.registration.file import save_registration
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig

_HELP = """\
Compare the edges of both images: no board and no starting guess, the scales may differ up to
tenfold and the views may overlap by less than half. One pair is enough to begin with; five or more
of the same rig, with structure all over the image and not all of it close, are better.

Twenty pairs with things both near and far also give the pose between the cameras and the ratio of
their focal lengths, with standard deviations. How far the lenses are apart (--baseline) and, where
the cameras look in parallel, the visible focal length (--focal) cannot be seen in images; with both
the file holds two calibrated cameras.

The result is refused (exit status 1, only --picture written) when it cannot be trusted.
"""

_EXAMPLES = """\
examples:
  lut-fuse calibrate pairs visible.png infrared.png -o rig.json --picture fit.png
  lut-fuse calibrate pairs recording/visible recording/infrared --most 10 -o rig.json
  lut-fuse calibrate pairs rgb.mp4 thermal.mp4 -o rig.json
  lut-fuse calibrate pairs bag_folder -o rig.json
  lut-fuse fuse visible.png infrared.png --registration rig.json -o fused.png
"""


def add_pairs_mode(modes: Any) -> None:
    """Add the mode ``pairs``.

    Args:
        modes: Subparsers of `lut-fuse calibrate`.
    """
    parser = add_mode(modes, "pairs", "from ordinary pictures", _HELP, _EXAMPLES)
    parser.add_argument(
        "--most", type=int, default=20, metavar="N", help="pairs to use of more (default: 20)"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=100 * TOLERANCE,
        metavar="PERCENT",
        help="refuse when the corners are in doubt by more than this share of the visible width; "
        "raise it where the views overlap little (default: %(default)g)",
    )
    parser.add_argument(
        "--focal",
        type=float,
        metavar="PX",
        help="focal length of the visible camera, if it is known, for the pose between the cameras",
    )
    parser.add_argument(
        "--baseline",
        type=float,
        metavar="M",
        help="distance between the two lenses: write both cameras and their pose, so that a "
        "--distance can be chosen, instead of a homography (needs 20 pairs with depth in view)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    check_outputs(options, options.picture)
    if options.most < 1:
        raise InputError(f"--most is {options.most}; at least one pair is needed")
    # A new normalizer each time: calibration pictures are no stream.
    images = [
        (pair.visible, InfraredNormalizer()(pair.infrared))
        for pair in evenly(source_of(options), options.most)
    ]
    with progress_bar("registering", "%") as show:
        result = calibrate_from_pairs(
            images,
            progress=lambda share: show(round(100 * share), 100),
            tolerance=options.tolerance / 100,
        )
    pose, refused = _pose(options, images, result)
    facts = {**result.facts(), **result.homography.to_dict()}
    facts["pose"] = {"refused": refused} if pose is None else pose.facts()
    if options.picture:
        write_image(options.picture, overlay(*images[0], result.homography))
    if options.json:
        print(json.dumps(facts, indent=2))
    if not result.accepted:
        raise LutFuseError(f"the registration cannot be trusted: {result.reason}")
    transform = _transform(options, result, pose, refused)
    save_registration(options.output, transform, {**result.facts(), "pose": facts["pose"]})
    if not options.json:
        quality = result.quality
        print(
            f"{options.output}: registered from {quality.pairs} pairs, edges agree by "
            f"{quality.agreement:.2f} (chance gives 0.08), infrared corners known to about "
            f"{quality.uncertainty:.1f} visible pixels"
        )
        print(f"no relative pose: {refused}" if pose is None else str(pose))
    return 0


def _pose(
    options: argparse.Namespace,
    images: list[tuple[UInt8Array, UInt8Array]],
    result: PairsCalibration,
) -> tuple[RelativePose | None, str]:
    """The pose between the cameras, or why there is none."""
    for name in ("focal", "baseline"):
        value = getattr(options, name)
        if value is not None and not 0 < value < np.inf:
            raise InputError(f"--{name} is {value}; it must be above 0")
    if not result.accepted:
        return None, "the registration cannot be trusted"
    if len(images) < LEAST_PAIRS:
        return None, f"that takes {LEAST_PAIRS} pairs, there are {len(images)}"
    try:
        points = gather(images, np.asarray(result.homography.matrix))
        return relative_pose(points, result.homography, options.focal), ""
    except InputError as error:
        return None, str(error)


def _transform(
    options: argparse.Namespace,
    result: PairsCalibration,
    pose: RelativePose | None,
    refused: str,
) -> Homography | CameraRig:
    """What to write: both cameras if their distance was given, else the homography."""
    if options.baseline is None:
        return result.homography
    if pose is None:
        raise InputError(f"--baseline needs the pose between the cameras: {refused}")
    if not pose.focal_known:
        raise InputError(
            f"--baseline needs the focal length of the visible camera, which these pairs show to "
            f"{100 * pose.focal_errors[0] / pose.visible_focal:.0f} % only, as of all cameras that "
            "look in parallel; give it with --focal"
        )
    visible, infrared = result.homography.visible_size, result.homography.infrared_size
    assert visible is not None
    assert infrared is not None
    return pose.rig(options.baseline, visible, infrared)
