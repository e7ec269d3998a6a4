"""`lut-fuse-train fuse`: run a teacher over a folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lut_fuse_core.errors import InputError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "fuse",
        help="fuse a folder of pairs with a teacher",
        description="Write a teacher's fused image of every pair, to look at, to measure with "
        "'lut-fuse evaluate', or to distil from (--teacher FOLDER) without the network.",
    )
    parser.add_argument("--teacher", type=Path, required=True, metavar="FILE")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fuse and say how many; pairs left out go to stderr."""
    from ..networks.teachers import open_teacher
    from ..recipes.fuse_folder import fuse_folder
    from ..run.options import device_from

    device = device_from(options.device)
    source = open_teacher(options.teacher, device)
    if source.network is None:
        raise InputError(f"{options.teacher} holds fused images already; give a network")
    written, bad = fuse_folder(source.network, options.data, options.out, device, options.quiet)
    for pair in bad:
        print(f"left out {pair.name}: {pair.reason}", file=sys.stderr)
    print(f"{written} fused images in {options.out}")
    return 0
