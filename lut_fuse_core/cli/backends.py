"""`lut-fuse backends`: which ways to run a model work on this machine."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from lut_fuse_core.backends import BackendStatus, backend_statuses
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.pipeline_options import MODEL_OPTION
from lut_fuse_core.model.file import load_model

_DESCRIPTION = """\
List every backend (a way to run a model) with whether it works here, and if not, why.
The fastest comes first; 'auto' takes the first that works.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser(
        "backends",
        help=SUBCOMMANDS["backends"],
        description=_DESCRIPTION,
        epilog="'lut-fuse bench' measures how fast they are.",
    )
    parser.add_argument("--model", **MODEL_OPTION)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List the backends.

    Args:
        options: Parsed options.

    Returns:
        The exit status, 0.

    Raises:
        ModelError: For a model that cannot be used.
    """
    statuses = backend_statuses(load_model(options.model))
    if options.json:
        print(json.dumps([asdict(status) for status in statuses], indent=2))
        return 0
    working = [status.name for status in statuses if status.available]
    for status in statuses:
        print(f"{status.name:12}{_sentence(status, working)}")
    return 0


def _sentence(status: BackendStatus, working: list[str]) -> str:
    if not status.available:
        return f"not here: {status.reason}"
    if {"cuda", "tensorrt"} <= set(working) and status.name in ("cuda", "tensorrt"):
        return "works; 'auto' takes the faster of cuda and tensorrt, measured once"
    return "works, and 'auto' takes it" if status.name == working[0] else "works"
