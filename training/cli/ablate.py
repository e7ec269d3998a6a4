"""`lut-fuse-train ablate`: the paper's Table 4 on your data."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from lut_fuse_core.errors import InputError

from ..config import read_config
from .run_options import add_run_options, run_options


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "ablate",
        help="train without LAE, CSE and EMDS in turn, and print the paper's Table 4",
        description="Distil four variants with the same budget each and measure them.",
    )
    parser.add_argument("--teacher", metavar="PATH", help="as for 'distil'")
    parser.add_argument(
        "--test", type=Path, metavar="FOLDER", help="pairs to measure on (default: those of --data)"
    )
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    add_run_options(parser, "distil")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, measure and print."""
    from ..recipes.ablate import ablate
    from ..recipes.distil_config import DistilConfig

    if "RANK" in os.environ:
        raise InputError("'ablate' runs in one process; start it without torchrun")
    config = read_config(DistilConfig, options.config, options.overrides)
    if options.teacher:
        config = replace(config, teacher=options.teacher)
    table = ablate(config, options.data, options.test or options.data, run_options(options))
    print(table.show(options.format))
    return 0
