"""The options that both modes of `lut-fuse calibrate` have: images in, a registration out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lut_fuse_core.atomic import keep_apart
from lut_fuse_core.calibration.recordings import Source
from lut_fuse_core.registration.file import check_registration_name


def add_mode(
    modes: Any, name: str, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    """Add a mode with the options that both have.

    Args:
        modes: Subparsers of `lut-fuse calibrate`.
        name: Name of the mode.
        summary: Its line in the help of the command.
        description: Beginning of its own help.
        epilog: End of its own help.

    Returns:
        The parser of the mode.
    """
    parser: argparse.ArgumentParser = modes.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "visible", metavar="VISIBLE", type=Path, help="image, folder of images, video, or a bag"
    )
    parser.add_argument(
        "infrared",
        metavar="INFRARED",
        type=Path,
        nargs="?",
        help="the same; same file names belong together; not with a bag, which holds both",
    )
    parser.add_argument(
        "--clock-offset",
        type=float,
        default=0.0,
        metavar="S",
        help="time by which the infrared clock of videos or a bag is ahead (default: 0)",
    )
    parser.add_argument("--visible-topic", metavar="TOPIC", help="of a bag; recognized by default")
    parser.add_argument("--infrared-topic", metavar="TOPIC", help="of a bag; recognized by default")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        required=True,
        help="registration to write, .json or .yaml",
    )
    parser.add_argument(
        "--picture", metavar="PNG", type=Path, help="also write a picture that shows the fit"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def source_of(options: argparse.Namespace) -> Source:
    """The images that the options name.

    Args:
        options: Parsed options of a mode.
    """
    return Source(
        options.visible,
        options.infrared,
        options.clock_offset,
        (options.visible_topic, options.infrared_topic),
    )


def check_outputs(options: argparse.Namespace, *more: Path | None) -> None:
    """Refuse outputs that would replace inputs, before anything is done.

    Args:
        options: Parsed options of a mode, with the registration to write.
        *more: Other files to write; None for none.

    Raises:
        InputError: For such an output, or a registration with a suffix that is not supported.
    """
    check_registration_name(options.output)
    inputs = [path for path in (options.visible, options.infrared) if path is not None]
    for path in more:
        if path is not None:
            keep_apart(path, inputs, ("is", "lies in"))
