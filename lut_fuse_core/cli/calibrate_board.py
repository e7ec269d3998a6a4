"""`lut-fuse calibrate board`: from a calibration board that both cameras see."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lut_fuse_core import __version__
from lut_fuse_core.calibration.board import BOARD_KINDS, Board
from lut_fuse_core.calibration.board_page import render_board_page
from lut_fuse_core.calibration.from_board import BoardCalibration, calibrate_from_board
from lut_fuse_core.calibration.overlays import board_picture
from lut_fuse_core.cli.calibration_options import add_mode, check_outputs, source_of
from lut_fuse_core.cli.progress import note, progress_bar
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.report.document import write_page
from lut_fuse_core.io.image_files import write_image
from lut_fuse_core.registration.file import save_camera_info, save_registration

_HELP = """\
Show both cameras a flat board, at ten or more places: near, far, in every corner, tilted each way.
Infrared must see the pattern: heat a printed board with a lamp or the sun, glue foil on cardboard,
or cut holes into a plate and hold it before something warm; its negative is recognized.

Of a video or bag the frames are chosen in which the board is still (hold it for a second at each
place), sharp, and somewhere new. What was not shown yet is said as it goes, and at the end.
"""

_EXAMPLES = """\
examples:
  lut-fuse calibrate board visible/ infrared/ -o rig.json
      --kind chessboard --size 8x6 --spacing 0.04
  lut-fuse calibrate board visible/ infrared/ -o rig.json --camera-info .
      --kind aprilgrid --size 6x6 --spacing 0.0715 --marker 0.055
  lut-fuse calibrate board recording -o rig.json --html check.html
      --kind circles --size 6x5 --spacing 0.05
"""


def add_board_mode(modes: Any) -> None:
    """Add the mode ``board``.

    Args:
        modes: Subparsers of `lut-fuse calibrate`.
    """
    parser = add_mode(modes, "board", "from a calibration board", _HELP, _EXAMPLES)
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
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    check_outputs(options, options.picture, options.html)
    columns, rows = _size(options.size)
    board = Board(options.kind, columns, rows, options.spacing, options.marker, options.dictionary)
    source = source_of(options)
    with progress_bar("looking for the board", "pairs") as show:
        result = calibrate_from_board(
            board, source.pairs, lambda done: show(done, done), lambda each: note(str(each))
        )
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
    """Write the other files that the options name."""
    if options.camera_info:
        options.camera_info.mkdir(parents=True, exist_ok=True)
        for name in ("visible", "infrared"):
            camera = getattr(result.rig, name)
            save_camera_info(options.camera_info / f"{name}.yaml", camera, name)
    if options.picture:
        write_image(options.picture, board_picture(board, result))
    if options.html:
        write_page(options.html, render_board_page(board, result, __version__))


def _size(text: str) -> tuple[int, int]:
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdigit() and rows.isdigit()):
        raise InputError(f"--size {text} is not COLUMNSxROWS, for example 8x6")
    return int(columns), int(rows)
