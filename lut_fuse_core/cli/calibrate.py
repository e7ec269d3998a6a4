"""`lut-fuse calibrate`: find where infrared lies in the visible image, with a board or without."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.atomic import keep_apart
from lut_fuse_core.calibration.board import BOARD_KINDS, Board
from lut_fuse_core.calibration.from_board import calibrate_from_board
from lut_fuse_core.calibration.from_pairs import TOLERANCE, calibrate_from_pairs
from lut_fuse_core.calibration.overlays import board_picture, overlay
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.errors import InputError, LutFuseError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.dataset import images_by_name
from lut_fuse_core.io.image_files import read_infrared, read_visible, write_image
from lut_fuse_core.registration.file import (
    check_registration_name,
    save_camera_info,
    save_registration,
)

Images = list[tuple[UInt8Array, UInt8Array]]

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

The result is refused (exit status 1, only --picture written) when it cannot be trusted.
"""

_PAIRS_EXAMPLES = """\
examples:
  lut-fuse calibrate pairs visible.png infrared.png -o rig.json --picture fit.png
  lut-fuse calibrate pairs recording/visible recording/infrared --most 10 -o rig.json
  lut-fuse fuse visible.png infrared.png --registration rig.json -o fused.png
"""

_BOARD_HELP = """\
Show both cameras a flat board, at ten or more places: near, far, in every corner, tilted each way.
Infrared must see the pattern: heat a printed board with a lamp or the sun, or cut it from metal.
"""

_BOARD_EXAMPLES = """\
examples:
  lut-fuse calibrate board visible/ infrared/ -o rig.json
      --kind chessboard --size 8x6 --spacing 0.04
  lut-fuse calibrate board visible/ infrared/ -o rig.json --camera-info .
      --kind charuco --size 7x5 --spacing 0.05 --marker 0.037
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
    parser.add_argument("visible", metavar="VISIBLE", type=Path, help="image, or folder of images")
    parser.add_argument(
        "infrared", metavar="INFRARED", type=Path, help="the same; same file names belong together"
    )
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
        help="inner corners of a chessboard, circles of a grid, squares of a charuco board",
    )
    parser.add_argument(
        "--spacing",
        type=float,
        required=True,
        metavar="M",
        help="meters between two corners or circles (of an asymmetric grid: between two columns)",
    )
    parser.add_argument(
        "--marker", type=float, default=0.0, metavar="M", help="side of the charuco markers, meters"
    )
    parser.add_argument(
        "--dictionary",
        default="DICT_4X4_50",
        metavar="NAME",
        help="OpenCV name of the charuco markers' dictionary (default: %(default)s)",
    )
    parser.add_argument(
        "--camera-info",
        metavar="FOLDER",
        type=Path,
        help="also write visible.yaml and infrared.yaml for ROS camera drivers there",
    )


def _run_pairs(options: argparse.Namespace) -> int:
    _check_outputs(options)
    images = _read(options.visible, options.infrared, options.most)
    with progress_bar("registering", "%") as show:
        result = calibrate_from_pairs(
            images, progress=_share(show), tolerance=options.tolerance / 100
        )
    facts = {**result.facts(), **result.homography.to_dict()}
    if options.picture:
        write_image(options.picture, overlay(*images[0], result.homography))
    if options.json:
        print(json.dumps(facts, indent=2))
    if not result.accepted:
        raise LutFuseError(f"the registration cannot be trusted: {result.reason}")
    save_registration(options.output, result.homography, result.facts())
    if not options.json:
        quality = result.quality
        print(
            f"{options.output}: registered from {quality.pairs} pairs, edges agree by "
            f"{quality.agreement:.2f} (chance gives 0.08), infrared corners known to about "
            f"{quality.uncertainty:.1f} visible pixels"
        )
    return 0


def _run_board(options: argparse.Namespace) -> int:
    _check_outputs(options)
    columns, rows = _size(options.size)
    board = Board(options.kind, columns, rows, options.spacing, options.marker, options.dictionary)
    images = _read(options.visible, options.infrared, None)
    with progress_bar("looking for the board", "%") as show:
        result = calibrate_from_board(board, images, progress=_share(show))
    save_registration(options.output, result.rig, result.facts())
    if options.camera_info:
        options.camera_info.mkdir(parents=True, exist_ok=True)
        for name in ("visible", "infrared"):
            camera = getattr(result.rig, name)
            save_camera_info(options.camera_info / f"{name}.yaml", camera, name)
    if options.picture:
        seen = images[result.views[0].index][0]
        write_image(options.picture, board_picture(board, result, seen))
    if options.json:
        print(json.dumps(result.facts(), indent=2))
    else:
        print(
            f"{options.output}: calibrated from {len(result.views)} of {result.pairs} pairs; "
            f"errors in pixels: visible {result.visible_error:.2f}, "
            f"infrared {result.infrared_error:.2f}, infrared to visible {result.transfer_error:.2f}"
        )
    return 0


def _read(visible: Path, infrared: Path, most: int | None) -> Images:
    """All pairs as 8-bit images; infrared normalized frame by frame."""
    if visible.is_dir() != infrared.is_dir():
        raise InputError("pass two images or two folders, not one of each")
    files = [(visible, infrared)]
    if visible.is_dir():
        here, there = images_by_name(visible), images_by_name(infrared)
        files = [(here[name], there[name]) for name in here if name in there]
        if not files:
            raise InputError(f"no image in {visible} has the same name as one in {infrared}")
    if most is not None and len(files) > most:
        if most < 1:
            raise InputError(f"--most is {most}; at least one pair is needed")
        files = [files[round(i * (len(files) - 1) / max(most - 1, 1))] for i in range(most)]
    # A new normalizer each time: calibration pictures are no stream.
    return [(read_visible(v), InfraredNormalizer()(read_infrared(i))) for v, i in files]


def _size(text: str) -> tuple[int, int]:
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdigit() and rows.isdigit()):
        raise InputError(f"--size {text} is not COLUMNSxROWS, for example 8x6")
    return int(columns), int(rows)


def _check_outputs(options: argparse.Namespace) -> None:
    check_registration_name(options.output)
    if options.picture:
        keep_apart(options.picture, [options.visible, options.infrared], ("is", "lies in"))


def _share(show: Callable[[int, int], None]) -> Callable[[float], None]:
    return lambda share: show(round(100 * share), 100)
