"""`lut-fuse bag`: fuse the images of a rosbag2 into a new one, without ROS."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lut_fuse_core.bag.options import BagOptions
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.pipeline_options import add_pipeline_arguments, pipeline_config
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.cli.setting_options import SettingOptions
from lut_fuse_core.cli.termination import tidy_termination
from lut_fuse_core.cli.time_options import add_time_arguments, say_clock_offset, timed
from lut_fuse_core.pipeline.config import PipelineConfig

if TYPE_CHECKING:
    from lut_fuse_core.bag.report import BagReport
    from lut_fuse_core.sync.clock_offset import ClockOffset

DESCRIPTION = """\
Fuse the visible and infrared (thermal) images of a rosbag2 into a new bag. No ROS is needed.

Images are paired by their stamps. The new bag holds everything the old one does, and
/fused/image with the stamps, frame ids, QoS and camera_info of the visible images. sqlite3 and
MCAP bags are read, whatever wrote them, and raw images in every encoding of sensor_msgs,
compressed ones (JPEG, PNG, TIFF, zstd, compressedDepth), video (H.264, H.265, AV1) and Foxglove's
messages. Infrared images of another size are scaled.
"""

EXAMPLES = """\
examples:
  lut-fuse bag recording fused
      the topics are recognized where that is unambiguous; otherwise the image topics are listed
  lut-fuse bag recording fused --visible /camera/image_raw --infrared /thermal/image_raw
  lut-fuse bag recording fused --no-copy --output jpeg
      only the fused images, compressed: a small bag to look at
  lut-fuse bag recording fused --reuse-infrared --max-infrared-age 0.2 --reuse-alignment warp
      a 30 Hz visible and a 9 Hz infrared camera, fused at 30 Hz; what moves is moved along
  lut-fuse bag recording fused --clock-offset auto --clock correct --tolerance 0.06
      cameras whose clocks are apart, and drift
"""


BAG = SettingOptions(
    BagOptions,
    left_out=frozenset({"max_infrared_age"}),  # see `add_time_arguments`
    metavars=dict.fromkeys(("visible", "infrared", "fused"), "TOPIC"),
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser(
        "bag",
        help=SUBCOMMANDS["bag"],
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="IN", type=Path, help="bag: folder, .mcap or .db3 file")
    parser.add_argument("target", metavar="OUT", type=Path, help="folder of the new bag")
    BAG.add(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_time_arguments(parser, BagOptions)
    add_pipeline_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fuse the bag.

    Args:
        options: Parsed options.

    Returns:
        The exit status: 2 if the bag is damaged, 1 if some of its messages could not be used,
        otherwise 0.

    Raises:
        InputError: See `fuse_bag`; also for options that cannot be used.
        LutFuseError: See `fuse_bag`.
        OSError: See `fuse_bag`.
    """
    # A batch takes its options from here, and fuses in other processes.
    from lut_fuse_core.bag import find_clock_offset, fuse_bag
    from lut_fuse_core.cli.cores import pipeline_beside_codecs

    bag_options = read_bag_options(options)
    config = read_bag_config(
        options,
        bag_options,
        lambda: find_clock_offset(options.source, bag_options.visible, bag_options.infrared),
    )
    pipeline = pipeline_beside_codecs(config)
    with tidy_termination(), progress_bar("bag", "messages") as show:
        report = fuse_bag(options.source, options.target, pipeline, bag_options, show)
    say_clock_offset(pipeline)
    warn(report)
    print(json.dumps(report.as_json(), indent=2) if options.json else summary(report))
    if report.damage:
        return 2
    return 1 if report.unusable else 0


def read_bag_options(options: argparse.Namespace) -> BagOptions:
    """The settings of the bag that parsed options ask for.

    Args:
        options: Parsed options of `lut-fuse bag`.

    Returns:
        The settings.

    Raises:
        InputError: For values that cannot be used.
    """
    return BAG.read(options, max_infrared_age=options.max_infrared_age)


def read_bag_config(
    options: argparse.Namespace, bag_options: BagOptions, find_offset: Callable[[], ClockOffset]
) -> PipelineConfig:
    """The settings of the pipeline that parsed options ask for.

    Args:
        options: What a parser with the options of the pipeline and of time returned.
        bag_options: The settings of the bag.
        find_offset: Estimates the clock offset; called for ``--clock-offset auto``.

    Returns:
        The settings.

    Raises:
        InputError: For values that cannot be used, or an offset that cannot be estimated.
    """
    config = timed(pipeline_config(options, resize=True), options, find_offset)
    # How far apart images may be is decided where they are paired; the pipeline allows as much.
    allowed = max(PipelineConfig().max_infrared_age, bag_options.reach)
    return replace(config, max_infrared_age=allowed)


def summary(report: BagReport) -> str:
    """One line on what was done.

    Args:
        report: What became of the bag.
    """
    unpaired = report.unpaired_visible + report.unpaired_infrared
    alone = ""
    if unpaired:
        alone = (
            f" ({report.unpaired_visible} visible and {report.unpaired_infrared} infrared images "
            "had no partner)"
        )
    return (
        f"{report.pairs} pairs fused{alone} at {report.rate:.1f} per second: "
        f"{report.output}, topic {report.fused}"
    )


def warn(report: BagReport) -> None:
    """Print on stderr what could not be used.

    Args:
        report: What became of the bag.
    """
    if report.damage:
        share = f"{report.messages_read} messages"
        if report.messages_recorded:
            percent = 100 * report.messages_read / report.messages_recorded
            share = (
                f"{report.messages_read} of {report.messages_recorded} messages ({percent:.0f} %)"
            )
        print(
            f"lut-fuse: the bag is damaged ({report.damage}); what could be read is fused: {share}",
            file=sys.stderr,
        )
    if report.left_out:
        print(
            f"lut-fuse: not copied, since a bag of {report.storage} cannot hold it: "
            f"{', '.join(report.left_out)}",
            file=sys.stderr,
        )
    for note in report.notes:
        print(f"lut-fuse: {note}", file=sys.stderr)
    if report.unusable:
        print(
            f"lut-fuse: {report.unusable} messages could not be used; the first: "
            f"{report.first_problem}",
            file=sys.stderr,
        )
