"""`lut-fuse-train teacher`: train MM-Net."""

from __future__ import annotations

import argparse

from ..config import read_config
from .run_options import add_run_options, run_options


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "teacher",
        help="train MM-Net, the network to be distilled",
        description="Train MM-Net on registered pairs, without labels. Writes mm_net.pt.",
    )
    add_run_options(parser, "teacher")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train and print the validation scores."""
    from ..recipes.train_teacher import TeacherConfig, train_teacher
    from ..run.distributed import is_chief

    config = read_config(TeacherConfig, options.config, options.overrides)
    outcome = train_teacher(config, options.data, run_options(options))
    if not is_chief():
        return 0
    print(f"{options.out / 'mm_net.pt'} after {outcome.steps} steps")
    for name, value in outcome.scores.items():
        print(f"  {name:5} {value:.3f}")
    return 0
