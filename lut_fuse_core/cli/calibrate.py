"""`lut-fuse calibrate`: find where infrared lies in the visible image, with a board or without."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lut_fuse_core import __version__
from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.atomic import keep_apart
from lut_fuse_core.calibration.board import BOARD_KINDS, Board
from lut_fuse_core.calibration.board_page import render_board_page
from lut_fuse_core.calibration.correspondences import gather
from lut_fuse_core.calibration.from_board import BoardCalibration, calibrate_from_board
from lut_fuse_core.calibration.from_pairs import (
    TOLERANCE,
    PairsCalibration,
    calibrate_from_pairs,
)
from lut_fuse_core.calibration.overlays import board_picture, overlay
from lut_fuse_core.calibration.recordings import Source, evenly
from lut_fuse_core.calibration.relative_pose import LEAST_PAIRS, RelativePose, relative_pose
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.errors import InputError, LutFuseError
from lut_fuse_core.evaluation.report.document import write_page
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.image_files import write_image
from lut_fuse_core.registration.file import (
    check_registration_name,
    save_camera_info,
    save_registration,
)
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig

_DESCRIPTION = """\
Find out which infrared (thermal) pixel belongs to which visible pixel. Do it once per rig; the
file it writes is what --registration of the other subcommands, and registration.file of the ROS
node, take.

  pairs   from ordinary pictures, no board needed: a homography, right for a far scene
  board   from a calibration board that both cameras see: both lenses, and the pose between the
          cameras, so that the distance can be chosen afterwards
"""

_PAIRS_HELP = """\
Compare the edges of both images: no board and no starting guess, the scales may differ up to
tenfold and the views may overlap by less than half. One pair is enough to begin with; five or more
of the same rig, with structure all over the image and not all of it close, are better.

Twenty pairs with things both near and far also give the pose between the cameras and the ratio of
their focal lengths, with standard deviations. How far the lenses are apart (--baseline) and, where
the cameras look in parallel, the visible focal length (--focal) cannot be seen in images; with both
the file holds two calibrated cameras.

The result is refused (exit status 1, only --picture written) when it cannot be trusted.
"""

_PAIRS_EXAMPLES = """\
examples:
  lut-fuse calibrate pairs visible.png infrared.png -o rig.json --picture fit.png
  lut-fuse calibrate pairs recording/visible recording/infrared --most 10 -o rig.json
  lut-fuse calibrate pairs rgb.mp4 thermal.mp4 -o rig.json
  lut-fuse calibrate pairs bag_folder -o rig.json
  lut-fuse fuse visible.png infrared.png --registration rig.json -o fused.png
"""

_BOARD_HELP = """\
Show both cameras a flat board, at ten or more places: near, far, in every corner, tilted each way.
Infrared must see the pattern: heat a printed board with a lamp or the sun, glue foil on cardboard,
or cut holes into a plate and hold it before something warm; its negative is recognized.

Of a video or bag the frames are chosen in which the board is still (hold it for a second at each
place), sharp, and somewhere new. What was not shown yet is said at the end.
"""

_BOARD_EXAMPLES = """\
examples:
  lut-fuse calibrate board visible/ infrared/ -o rig.json
      --kind chessboard --size 8x6 --spacing 0.04
  lut-fuse calibrate board visible/ infrared/ -o rig.json --camera-info .
      --kind aprilgrid --size 6x6 --spacing 0.0715 --marker 0.055
  lut-fuse calibrate board recording -o rig.json --html check.html
      --kind circles --size 6x5 --spacing 0.05
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`."""
    parser = subparsers.add_parser(
        "calibrate",
        help=SUBCOMMANDS["calibrate"],
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    modes = parser.add_subparsers(dest="mode", required=True, metavar="MODE")
    pairs = _mode(modes, "pairs", "from ordinary pictures", _PAIRS_HELP, _PAIRS_EXAMPLES)
    pairs.add_argument(
        "--most", type=int, default=20, metavar="N", help="pairs to use of more (default: 20)"
    )
    pairs.add_argument(
        "--tolerance",
        type=float,
        default=100 * TOLERANCE,
        metavar="PERCENT",
        help="refuse when the corners are in doubt by more than this share of the visible width; "
        "raise it where the views overlap little (default: %(default)g)",
    )
    pairs.add_argument(
        "--focal",
        type=float,
        metavar="PX",
        help="focal length of the visible camera, if it is known, for the pose between the cameras",
    )
    pairs.add_argument(
        "--baseline",
        type=float,
        metavar="M",
        help="distance between the two lenses: write both cameras and their pose, so that a "
        "--distance can be chosen, instead of a homography (needs 20 pairs with depth in view)",
    )
    pairs.set_defaults(run=_run_pairs)
    board = _mode(modes, "board", "from a calibration board", _BOARD_HELP, _BOARD_EXAMPLES)
    _add_board_arguments(board)
    board.set_defaults(run=_run_board)


def _mode(
    modes: Any, name: str, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = modes.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "visible", metavar="VISIBLE", type=Path, help="image, folder of images, video, or a bag"
    )
    parser.add_argument(
        "infrared",
        metavar="INFRARED",
        type=Path,
        nargs="?",
        help="the same; same file names belong together; not with a bag, which holds both",
    )
    parser.add_argument(
        "--clock-offset",
        type=float,
        default=0.0,
        metavar="S",
        help="time by which the infrared clock of videos or a bag is ahead (default: 0)",
    )
    parser.add_argument("--visible-topic", metavar="TOPIC", help="of a bag; recognized by default")
    parser.add_argument("--infrared-topic", metavar="TOPIC", help="of a bag; recognized by default")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        required=True,
        help="registration to write, .json or .yaml",
    )
    parser.add_argument(
        "--picture", metavar="PNG", type=Path, help="also write a picture that shows the fit"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _add_board_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=BOARD_KINDS, required=True, help="pattern of the board")
    parser.add_argument(
        "--size",
        required=True,
        metavar="COLUMNSxROWS",
        help="inner corners of a chessboard, circles of a grid, tags of an AprilGrid, squares of a "
        "charuco board",
    )
    parser.add_argument(
        "--spacing",
        type=float,
        required=True,
        metavar="M",
        help="meters between two corners or circles (of an asymmetric grid: between two columns; "
        "of an AprilGrid: from one tag's edge to the same edge of the next, Kalibr's tagSize times "
        "1 + tagSpacing)",
    )
    parser.add_argument(
        "--marker",
        type=float,
        default=0.0,
        metavar="M",
        help="side of the tags or charuco markers, meters",
    )
    parser.add_argument(
        "--dictionary",
        default="",
        metavar="NAME",
        help="OpenCV name of the markers' dictionary (default: DICT_APRILTAG_36h11 of an "
        "AprilGrid, DICT_4X4_50 of charuco)",
    )
    parser.add_argument(
        "--camera-info",
        metavar="FOLDER",
        type=Path,
        help="also write visible.yaml and infrared.yaml for ROS camera drivers there",
    )
    parser.add_argument(
        "--html",
        metavar="FILE",
        type=Path,
        help="also write a page to check it by: residuals over the image, parallax at 2 to 20 m",
    )


def _run_pairs(options: argparse.Namespace) -> int:
    _check_outputs(options, options.picture)
    if options.most < 1:
        raise InputError(f"--most is {options.most}; at least one pair is needed")
    # A new normalizer each time: calibration pictures are no stream.
    images = [
        (pair.visible, InfraredNormalizer()(pair.infrared))
        for pair in evenly(_source(options), options.most)
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


def _run_board(options: argparse.Namespace) -> int:
    _check_outputs(options, options.picture, options.html)
    columns, rows = _size(options.size)
    board = Board(options.kind, columns, rows, options.spacing, options.marker, options.dictionary)
    source = _source(options)
    with progress_bar("looking for the board", "pairs") as show:
        result = calibrate_from_board(board, source.pairs, lambda done: show(done, done))
    save_registration(options.output, result.rig, result.facts())
    _write_more(options, board, result)
    if result.missing:
        print(f"lut-fuse: still to be shown: {'; '.join(result.missing)}", file=sys.stderr)
    if options.json:
        print(json.dumps(result.facts(), indent=2))
    else:
        print(
            f"{options.output}: calibrated from {len(result.views)} of {result.pairs} pairs; "
            f"errors in pixels: visible {result.visible_error:.2f}, "
            f"infrared {result.infrared_error:.2f}, infrared to visible {result.transfer_error:.2f}"
        )
    return 0


def _write_more(options: argparse.Namespace, board: Board, result: BoardCalibration) -> None:
    """The files beside the registration that were asked for."""
    if options.camera_info:
        options.camera_info.mkdir(parents=True, exist_ok=True)
        for name in ("visible", "infrared"):
            camera = getattr(result.rig, name)
            save_camera_info(options.camera_info / f"{name}.yaml", camera, name)
    if options.picture:
        write_image(options.picture, board_picture(board, result))
    if options.html:
        write_page(options.html, render_board_page(board, result, __version__))


def _source(options: argparse.Namespace) -> Source:
    return Source(
        options.visible,
        options.infrared,
        options.clock_offset,
        (options.visible_topic, options.infrared_topic),
    )


def _size(text: str) -> tuple[int, int]:
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdigit() and rows.isdigit()):
        raise InputError(f"--size {text} is not COLUMNSxROWS, for example 8x6")
    return int(columns), int(rows)


def _check_outputs(options: argparse.Namespace, *more: Path | None) -> None:
    check_registration_name(options.output)
    inputs = [path for path in (options.visible, options.infrared) if path is not None]
    for path in more:
        if path is not None:
            keep_apart(path, inputs, ("is", "lies in"))
