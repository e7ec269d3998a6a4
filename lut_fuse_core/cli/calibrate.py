"""`lut-fuse calibrate`: find where infrared lies in the visible image, with a board or without."""

from __future__ import annotations

import argparse

from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.calibrate_board import add_board_mode
from lut_fuse_core.cli.calibrate_pairs import add_pairs_mode

_DESCRIPTION = """\
Find out which infrared (thermal) pixel belongs to which visible pixel. Do it once per rig; the
file it writes is what --registration of the other subcommands, and registration.file of the ROS
node, take.

  pairs   from ordinary pictures, no board needed: a homography, right for a far scene
  board   from a calibration board that both cameras see: both lenses, and the pose between the
          cameras, so that the distance can be chosen afterwards
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser(
        "calibrate",
        help=SUBCOMMANDS["calibrate"],
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    modes = parser.add_subparsers(dest="mode", required=True, metavar="MODE")
    add_pairs_mode(modes)
    add_board_mode(modes)
