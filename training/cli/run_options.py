"""Options that the training commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lut_fuse_core.errors import InputError

if TYPE_CHECKING:
    from ..run.options import RunOptions

CONFIGS = "config/training"


def add_run_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Add configuration, data, output, budget and reproducibility options."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"YAML, for example {CONFIGS}/{example}.yaml"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one value of the configuration, for example --set data.batch=8; repeatable",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="registered pairs: visible/ and infrared/ with equal file names, or the layout of "
        "MSRS, FMB, M3FD, LLVIP, RoadScene or TNO",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="for example runs/mine"
    )
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument(
        "--steps", type=int, help="budget; on the CPU it repeats and resumes bit for bit"
    )
    budget.add_argument("--minutes", type=float, help="budget by the clock")
    parser.add_argument(
        "--resume", action="store_true", help="go on where the run in --out stopped"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: auto)")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of convolutions; the half precisions are faster on a GPU (default: float32)",
    )
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run_options(options: argparse.Namespace) -> RunOptions:
    """What `add_run_options` parsed.

    Raises:
        InputError: If it makes no run.
    """
    import torch

    from ..run.options import Budget, RunOptions, device_from

    if options.threads is not None:
        if options.threads < 1:
            raise InputError(f"--threads is {options.threads}; it must be 1 or more")
        torch.set_num_threads(options.threads)
    return RunOptions(
        out=options.out,
        budget=Budget(options.steps, options.minutes),
        seed=options.seed,
        device=device_from(options.device),
        precision=options.precision,
        resume=options.resume,
        quiet=options.quiet,
    )
