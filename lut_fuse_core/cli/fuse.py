"""`lut-fuse fuse`: fuse two images, two folders or two videos."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.cores import pipeline_beside_codecs, pipelines_side_by_side
from lut_fuse_core.cli.pipeline_options import add_pipeline_arguments, pipeline_config
from lut_fuse_core.cli.progress import note, progress_bar
from lut_fuse_core.cli.termination import tidy_termination
from lut_fuse_core.cli.time_options import add_time_arguments, say_clock_offset, timed
from lut_fuse_core.errors import InputError
from lut_fuse_core.files.folders import FolderOptions
from lut_fuse_core.files.fusing import fuse_files
from lut_fuse_core.files.one_file import fuse_one_file
from lut_fuse_core.files.report import FilesReport, Progress
from lut_fuse_core.io.video_reader import VIDEO_SUFFIXES
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.sync.clock_offset import ClockOffset

DESCRIPTION = """\
Fuse a visible and an infrared (thermal) image, two folders of them, or two videos; or the image
and the photo that one file of a thermal camera holds.

The images of a pair show the same scene; infrared is gray, in false colors or temperatures (PNG,
TIFF, JPEG, .npy, .csv), or a thermal camera's file (FLIR, DJI, Fluke, InfiRay, Telops, HIKMICRO).
In folders, images with the same name belong together, whatever their suffix; those that cannot be
used are reported and the others fused. Videos may be of any container and codec that FFmpeg reads;
they are matched by the times of their frames, and a truncated one is fused as far as it goes, with
exit status 1.
"""

EXAMPLES = """\
examples:
  lut-fuse fuse visible.png infrared.png -o fused.png
  lut-fuse fuse dataset/visible dataset/infrared -o fused
  lut-fuse fuse FLIR_0001.jpg -o fused.png
      the file holds the infrared image, the photo, and where the one lies in the other
  lut-fuse fuse rgb.mp4 thermal.mp4 -o fused.mp4 --resize
      --resize scales infrared images of another size; both must show the same field of view
  lut-fuse fuse rgb.mp4 thermal.mp4 -o fused.mp4 --resize --clock-offset auto --reuse-alignment warp
      videos that were not started together, infrared at a lower rate
"""

NAMES_SHOWN = 3
"""Most names of images without a partner in the summary."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser(
        "fuse",
        help=SUBCOMMANDS["fuse"],
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("visible", metavar="VISIBLE", type=Path, help="image, folder or video")
    parser.add_argument(
        "infrared",
        metavar="INFRARED",
        type=Path,
        nargs="?",
        help="the same, of infrared; without it VISIBLE is a thermal camera's file with both, or a "
        "folder of them",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        required=True,
        help="image or video to write; a folder for folders",
    )
    parser.add_argument(
        "--resize",
        action="store_true",
        help="scale infrared images to the size of the visible ones (otherwise another size is "
        "an error)",
    )
    parser.add_argument(
        "--sequence",
        action="store_true",
        help="the folders hold the frames of one recording in order: keep the infrared "
        "normalization steady across them",
    )
    parser.add_argument(
        "--format",
        choices=("png", "jpg", "tif"),
        default="png",
        help="of images written to a folder (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_time_arguments(parser)
    add_pipeline_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fuse as the options say.

    Args:
        options: Parsed options.

    Returns:
        The exit status: 1 if some pairs of a folder or a part of a video could not be used, or no
        frame was fused; otherwise 0.

    Raises:
        InputError: For options or input that cannot be used.
        LutFuseError: If a video cannot be written, or a package is not installed.
        OSError: If an image cannot be written.
    """
    config = timed(
        pipeline_config(options, resize=options.resize),
        options,
        lambda: _video_offset(options.visible, options.infrared),
    )
    independent = options.visible.is_dir() and not options.sequence
    if independent:
        pipeline, *others = pipelines_side_by_side(config)
    else:
        pipeline, others = pipeline_beside_codecs(config), []
    start = time.perf_counter()
    with tidy_termination(), progress_bar("fuse", "pairs") as show:
        report = _fuse(options, pipeline, others, show)
    seconds = time.perf_counter() - start
    say_clock_offset(pipeline)
    for name, reason in report.failed.items():
        note(f"{name}: {reason}")
    for sentence in (*report.damaged, *report.notes):
        note(sentence)
    if report.rate is not None:
        note(
            "the frames of the visible video are not evenly spaced in time; the fused ones are, at "
            f"{report.rate:.3g} per second, as AVI holds no times; .mp4 and .mkv keep them"
        )
    if options.json:
        print(json.dumps({**report.as_json(), "seconds": round(seconds, 3)}, indent=2))
    else:
        print(summary(report, seconds))
    return 1 if report.failed or report.damaged or not report.pairs else 0


def _fuse(
    options: argparse.Namespace,
    pipeline: FusionPipeline,
    others: list[FusionPipeline],
    show: Progress,
) -> FilesReport:
    suffix = f".{options.format}"
    if options.infrared is None:
        return fuse_one_file(
            options.visible, options.output, pipeline, suffix=suffix, progress=show
        )
    return fuse_files(
        options.visible,
        options.infrared,
        options.output,
        pipeline,
        FolderOptions(options.sequence, suffix),
        show,
        others,
    )


def _video_offset(visible: Path, infrared: Path | None) -> ClockOffset:
    if infrared is None or visible.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError("--clock-offset auto is for videos; images have no times")
    from lut_fuse_core.files.video_pairs import find_video_offset

    return find_video_offset(visible, infrared)


def summary(report: FilesReport, seconds: float) -> str:
    """One line on what was done.

    Args:
        report: What became of the files.
        seconds: Duration in seconds, above 0.
    """
    if report.kind == "image":
        return f"fused image: {report.output}"
    parts = [f"{report.pairs} pairs fused at {report.pairs / seconds:.1f} per second"]
    if report.visible_only:
        parts.append(f"{report.visible_only} frames shown without infrared")
    if report.left:
        parts.append(f"{report.left} visible frames left after the infrared video ended")
    if report.failed:
        parts.append(f"{len(report.failed)} failed")
    for role, names in (
        ("visible", report.unmatched_visible),
        ("infrared", report.unmatched_infrared),
    ):
        if names:
            more = ", ..." if len(names) > NAMES_SHOWN else ""
            shown = ", ".join(names[:NAMES_SHOWN])
            parts.append(f"{len(names)} {role} without a partner ({shown}{more})")
    codec = f" ({report.codec})" if report.codec else ""
    return f"{', '.join(parts)}: {report.output}{codec}"
