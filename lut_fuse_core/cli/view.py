"""`lut-fuse view`: a recording along time in the Rerun viewer, or in a file for it."""

from __future__ import annotations

import argparse
from pathlib import Path

from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.progress import note
from lut_fuse_core.cli.recording_options import (
    add_recording_arguments,
    read_recording_options,
    recordings,
)
from lut_fuse_core.cli.termination import tidy_termination
from lut_fuse_core.errors import InputError
from lut_fuse_core.export.frames import frames_of
from lut_fuse_core.export.viewer import show, write_recording

DESCRIPTION = """\
Fuse a recording and show visible, infrared (normalized, on the visible grid) and fused image with
the diagnostics along time, in the Rerun viewer (pip install 'lut_fuse_ros[view]').
"""

EXAMPLES = """\
examples:
  lut-fuse view recording
  lut-fuse view recording -o recording.rrd --rate 5
      a file, without a display; 'rerun recording.rrd' shows it, and so does https://rerun.io/viewer
  lut-fuse view rgb.mp4 thermal.mp4 -o clip.rrd
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser(
        "view",
        help=SUBCOMMANDS["view"],
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="INPUT", help="bag, data set of pairs, or visible video")
    parser.add_argument("partner", metavar="INFRARED", nargs="?", help="infrared video or folder")
    parser.add_argument(
        "-o", "--output", metavar="FILE.rrd", type=Path, help="file to write instead of showing"
    )
    add_recording_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show a recording, or write it to a file.

    Args:
        options: Parsed options.

    Returns:
        The exit status: 1 if something could not be used, otherwise 0.

    Raises:
        InputError: For options or input that cannot be used, or where there is no display.
        ModuleNotFoundError: If Rerun is not installed.
        OSError: If the file cannot be written.
    """
    if options.output is not None and options.output.suffix != ".rrd":
        raise InputError(f"{options.output} does not end in .rrd, as recordings of Rerun do")
    sources = recordings([options.input], options.partner, Path(options.output or ".rrd"))
    if len(sources) > 1:
        raise InputError(f"{options.input} holds {len(sources)} recordings; name one of them")
    selection, config = read_recording_options(options, sources)
    problems: list[str] = []
    frames = frames_of(sources[0], selection, config, problems.append)
    name = sources[0].target.name
    with tidy_termination():
        if options.output is None:
            count = show(frames, name)
        else:
            count = write_recording(options.output, frames, name)
    if problems:
        note(f"{len(problems)} problems; the first: {problems[0]}")
    print(f"{count} frames: {options.output or 'the Rerun viewer'}")
    return 1 if problems else 0
