"""`lut-fuse-train distil`: distil a teacher into a model file."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ..config import read_config
from ..recipes.distil import distil
from ..recipes.distil_config import DistilConfig
from ..recipes.export import ENCODER, MODEL
from ..run.distributed import is_chief
from .run_options import add_run_options, run_options


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "distil",
        help="distil a teacher into a look-up table and export the model",
        description=f"Distil a teacher into lattice and context encoder. Writes {MODEL} and "
        f"{ENCODER}, each checked against the core's reference.",
    )
    parser.add_argument(
        "--teacher",
        metavar="PATH",
        help="mm_net.pt, a TorchScript or ONNX file (visible and infrared in, fused image out, all "
        "0 to 1), a model file or 'default', or a folder of fused images named like the pairs",
    )
    parser.add_argument(
        "--from",
        dest="start_from",
        metavar="MODEL",
        help="go on from a model file of the same structure, from 'default', or from the folder of "
        "an earlier run, instead of from scratch",
    )
    add_run_options(parser, "distil")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Distil and print the validation scores beside the teacher's."""
    config = read_config(DistilConfig, options.config, options.overrides)
    if options.teacher:
        config = replace(config, teacher=options.teacher)
    if options.start_from:
        config = replace(config, start_from=options.start_from)
    outcome, teacher_scores = distil(config, options.data, run_options(options))
    if not is_chief():
        return 0
    print(f"{options.out / MODEL} after {outcome.steps} steps")
    for name, value in outcome.scores.items():
        share = f"   teacher {teacher_scores[name]:.3f}" if teacher_scores else ""
        share += f", {value / teacher_scores[name]:.0%}" if teacher_scores.get(name) else ""
        print(f"  {name:5} {value:.3f}{share}")
    return 0
