"""`lut-fuse-train export`: model files from a distillation run, finished or not."""

from __future__ import annotations

import argparse
from pathlib import Path

from lut_fuse_core.errors import InputError

from ..recipes.outputs import ENCODER, MODEL


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="export the latest checkpoint of a distillation",
        description=f"Write {MODEL} and {ENCODER} from a run's latest checkpoint (a running one's, "
        "too) and check both numerically against the core's reference.",
    )
    parser.add_argument("--run", dest="folder", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: the run's folder")
    parser.add_argument(
        "--blend",
        type=Path,
        metavar="FOLDER",
        help="average with another run, one of the two started from the other: a trade-off "
        "between what their losses favor",
    )
    parser.add_argument("--share", type=float, help="weight of the blended run (default: 0.5)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export and print the differences found."""
    from ..recipes.distil import export_run

    if options.share is not None and options.blend is None:
        raise InputError("--share is the weight of another run; name it by --blend")
    out = options.out or options.folder
    share = 0.5 if options.share is None else options.share
    report = export_run(options.folder, out, options.blend, share)
    print(
        f"{out / MODEL}: luma within {report.luma_difference:.3f} gray levels of the trained "
        f"module, ONNX context within {report.context_difference:.5f}\n"
        "It is without the ranges that int8 needs; 'lut-fuse model ranges' adds them"
    )
    return 0
