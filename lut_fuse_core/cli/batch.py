"""`lut-fuse batch`: fuse many recordings, and continue where an earlier run stopped."""

from __future__ import annotations

import argparse

from lut_fuse_core.batch.fork_server import prepare
from lut_fuse_core.cli import SUBCOMMANDS

DESCRIPTION = """\
Fuse many bags, pairs of videos and pairs of image folders, in several processes of this machine
or on a Ray cluster.

The outputs mirror the inputs below the output folder; each is written whole or not at all.
Beside them are batch.sqlite, a manifest that can be read while it is written (input, its size and
hash, settings, model, version, result, pairs, metrics, seconds, error), and batch.html, a page that
summarizes it. Run again, it fuses what is new, changed, interrupted or failed, and nothing else. A
bad input does not stop the others. The exit status is 1 if anything failed or could be used in part
only.
"""

EXAMPLES = """\
examples:
  lut-fuse batch recordings -o fused
      every bag in the folder 'recordings' and its folders
  lut-fuse batch 'site*/**/*.mcap' -o fused --dry-run
      what would be done, and why
  lut-fuse batch JOB.yaml
  lut-fuse batch JOB.yaml --ray auto
      on the Ray cluster that this machine belongs to
  lut-fuse batch s3://fleet/recordings -o s3://fleet/fused --ray 10.0.0.5:6379

a job file:
  inputs:
    - recordings
    - visible: clips/*/rgb.mp4
      infrared: clips/*/thermal.mp4
  output: fused
  manifest: fused                        # batch.sqlite and batch.html; on this machine
  workers: 4
  retry: 2
  settings: {strength: 0.8}              # options of both 'lut-fuse bag' and 'lut-fuse fuse'
  bag: {tolerance: 0.05, output: jpeg}   # of 'lut-fuse bag'
  fuse: {resize: true, format: jpg}      # of 'lut-fuse fuse'
Paths in it are relative to its folder. Inputs and output may be s3:// or gs:// addresses.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser(
        "batch",
        help=SUBCOMMANDS["batch"],
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs",
        metavar="JOB|INPUT",
        nargs="+",
        help="job file (.yaml), or bags, folders with bags and patterns of them",
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="folder of the outputs, if no job file says it"
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes of this machine (default: one per usable core)",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="run on a Ray cluster: HOST:PORT of its head, or 'auto' for the cluster of this "
        "machine; a task takes a core (or as many as 'threads' says), and a GPU if the backend is "
        "cuda or tensorrt",
    )
    parser.add_argument(
        "--retry",
        type=int,
        metavar="N",
        help="try again, up to N times, what failed for a reason that may pass: a full disk, no "
        "memory, a killed process, a lost node (default: 0, on a cluster 3)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and why; write nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the summary or plan as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the batch, or plan it.

    Args:
        options: Parsed options.

    Returns:
        The exit status, see `batch_run.run`.

    Raises:
        InputError: See `batch_run.run`.
        LutFuseError: See `batch_run.run`.
        OSError: See `batch_run.run`.
    """
    if options.ray is None and not options.dry_run:
        prepare()
    # Imported while the processes' own imports have begun.
    from lut_fuse_core.cli.batch_run import run as run_batch

    return run_batch(options)
