"""`lut-fuse export`: recordings as data sets of other tools."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.cli.recording_options import (
    add_recording_arguments,
    read_recording_options,
    recordings,
)
from lut_fuse_core.cli.termination import tidy_termination
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.export.coco import write_coco
from lut_fuse_core.export.examples import (
    Example,
    ExportReport,
    ImageSettings,
    examples,
    whole_folder,
)
from lut_fuse_core.export.frames import KINDS
from lut_fuse_core.export.lerobot import write_lerobot
from lut_fuse_core.export.shards import write_shards
from lut_fuse_core.export.split import Split, parse_shares
from lut_fuse_core.export.yolo import write_yolo

FORMATS = ("coco", "yolo", "webdataset", "lerobot")

DESCRIPTION = """\
Fuse recordings and write the images as a data set of another tool: COCO or YOLO folders,
WebDataset shards (pip install 'lut_fuse_ros[webdataset]') or a LeRobot data set ([lerobot]).

Fused, visible and infrared images have one pixel grid, so that labels fit all of them. Each
recording is in one part of the split as a whole, chosen by its name alone: near-duplicates stay
together, and it stays there when others are added.
"""

EXAMPLES = """\
examples:
  lut-fuse export recordings -o dataset --format coco --rate 1
      one image per second of every bag
  lut-fuse export recordings -o labeled --format yolo --rate 1 --labels annotations.json
      the same frames with the labels that they were given; frames without are left out
  lut-fuse export RoadScene/train -o shards --format webdataset --labels boxes.json
  lut-fuse export 'clips/*/rgb.mp4' --partner 'clips/*/thermal.mp4' -o lerobot \\
      --format lerobot --rate 10
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser(
        "export",
        help=SUBCOMMANDS["export"],
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="bags, folders with bags, patterns; data sets of pairs; visible videos or folders",
    )
    parser.add_argument(
        "--partner",
        metavar="PATTERN",
        help="infrared videos or folders; its wildcards stand for what those of INPUT stand for",
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, required=True, help="new folder"
    )
    parser.add_argument("--format", choices=FORMATS, required=True, help="whose data set")
    parser.add_argument(
        "--images",
        nargs="+",
        choices=KINDS,
        default=list(KINDS),
        help="which images are written (default: all)",
    )
    parser.add_argument(
        "--image-format",
        choices=("png", "jpg"),
        default="png",
        help="of the images; LeRobot stores PNG (default: png)",
    )
    parser.add_argument(
        "--labels",
        metavar="FILE|DIR",
        type=Path,
        help="boxes by a frame's name or its file's stem: COCO JSON, JSON of names with 'boxes', "
        "or a folder of YOLO files; frames without labels are left out",
    )
    parser.add_argument(
        "--split",
        default="train=0.8,val=0.2",
        metavar="SHARES",
        help="parts of the data set and their shares of the recordings (default: %(default)s)",
    )
    parser.add_argument(
        "--split-by",
        choices=("recording", "folder"),
        default="recording",
        help="what stays together: a recording, or all recordings of a folder, such as the pieces "
        "of one drive (default: recording)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_recording_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export as the options say.

    Args:
        options: Parsed options.

    Returns:
        The exit status: 1 if something could not be used, otherwise 0.

    Raises:
        InputError: For options or input that cannot be used; then nothing was written.
        ModuleNotFoundError: If the package of the format is not installed.
        OSError: If a file cannot be written.
    """
    split = Split(parse_shares(options.split), options.split_by)
    if options.format == "lerobot" and options.rate is None:
        raise InputError("LeRobot's frames are evenly spaced; say how many per second with --rate")
    if options.format == "lerobot" and options.labels is not None:
        raise InputError("a LeRobot data set has no place for boxes; leave out --labels")
    labels = None if options.labels is None else read_labels(options.labels)
    sources = recordings(options.inputs, options.partner, options.output)
    selection, config = read_recording_options(options, sources)
    report = ExportReport()
    with (
        tidy_termination(),
        progress_bar("export", "recordings") as show,
        whole_folder(options.output) as folder,
    ):
        _write(
            folder,
            examples(sources, selection, config, split, labels, report, show),
            options,
            labels.classes if labels else (),
        )
        _require_frames(report, sources)
    _say(report, options)
    return 1 if report.problems else 0


def _write(
    folder: Path, given: Iterator[Example], options: argparse.Namespace, classes: tuple[str, ...]
) -> None:
    images = ImageSettings(tuple(dict.fromkeys(options.images)), f".{options.image_format}")
    if options.format == "coco":
        write_coco(folder, given, images, classes)
    elif options.format == "yolo":
        write_yolo(folder, given, images, classes)
    elif options.format == "webdataset":
        write_shards(folder, given, images)
    else:
        write_lerobot(folder, given, images, options.rate)


def _require_frames(report: ExportReport, sources: list[BatchInput]) -> None:
    if sum(report.frames.values()):
        return
    if report.unlabeled:
        raise InputError(
            f"none of the {report.unlabeled} frames has labels; they are looked up by names such "
            "as those of the exported images, or by the stems of the files"
        )
    first = next(iter(report.problems.items()), None)
    reason = f": {first[0]}: {first[1][0]}" if first else ""
    raise InputError(f"no frame of {len(sources)} recordings could be exported{reason}")


def _say(report: ExportReport, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps({**vars(report), "output": str(options.output)}, indent=2))
        return
    for name, problems in report.problems.items():
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        print(f"lut-fuse: {name}: {problems[0]}{more}", file=sys.stderr)
    parts = ", ".join(
        f"{part}: {count} frames of {report.recordings[part]} recordings"
        for part, count in report.frames.items()
    )
    labels = f"; {report.boxes} boxes, {report.unlabeled} frames left out without labels"
    print(f"{parts}{labels if options.labels else ''}: {options.output}")
