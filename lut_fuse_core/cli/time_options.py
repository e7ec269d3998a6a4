"""The options of everything that has frames with times: bags and videos."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

from lut_fuse_core.errors import InputError
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.sync.clock_offset import ACCURACY, ClockOffset


def add_time_arguments(parser: argparse.ArgumentParser, infrared_age: str) -> None:
    """Add the options about clocks and frame rates. infrared_age: help of --max-infrared-age."""
    defaults = PipelineConfig()
    group = parser.add_argument_group(
        "time", "Cameras whose clocks disagree or whose frame rates differ."
    )
    group.add_argument(
        "--clock-offset",
        default="0",
        metavar="SECONDS|auto",
        help="how far the infrared camera's clock is ahead of the visible one's; auto finds out "
        "from what moves in the first minute, to about 0.05 s, if they are less than a second "
        "apart (default: %(default)s)",
    )
    group.add_argument(
        "--clock",
        choices=("fixed", "report", "correct"),
        default=defaults.clock,
        help="fixed takes --clock-offset as it is; report also estimates the offset all along and "
        "says it at the end; correct follows the estimate, for clocks that drift apart, and "
        "takes --clock-offset until there is one (default: %(default)s)",
    )
    group.add_argument(
        "--max-infrared-age",
        type=float,
        metavar="SECONDS",
        help=infrared_age,
    )
    group.add_argument(
        "--held",
        choices=("hold", "warp"),
        default=defaults.held,
        help="what an infrared image does that serves more than once: hold leaves it, warp moves "
        "it along with the visible image (default: %(default)s)",
    )


def timed(
    config: PipelineConfig, options: argparse.Namespace, find_offset: Callable[[], ClockOffset]
) -> PipelineConfig:
    """A pipeline's settings with those of the parsed options.

    find_offset: called for ``--clock-offset auto``. Raises InputError for impossible values.
    """
    age = options.max_infrared_age
    return replace(
        config,
        clock_offset=_clock_offset(options.clock_offset, find_offset),
        clock=options.clock,
        held=options.held,
        max_infrared_age=config.max_infrared_age if age is None else age,
    )


def _clock_offset(wanted: str, find_offset: Callable[[], ClockOffset]) -> float:
    if wanted == "auto":
        found = find_offset()
        _say(found)
        if abs(found.seconds) < ACCURACY:
            print("lut-fuse: that may as well be nothing: taken as 0", file=sys.stderr)
            return 0.0
        return found.seconds
    try:
        return float(wanted)
    except ValueError:
        raise InputError(
            f"--clock-offset '{wanted}' is neither a number of seconds nor auto"
        ) from None


def say_clock_offset(pipeline: FusionPipeline) -> None:
    """Say on stderr what was estimated, where `--clock` asked for it."""
    if pipeline.config.clock == "fixed":
        return
    if pipeline.status.clock_offset is not None:
        _say(pipeline.status.clock_offset)
    else:
        print(
            "lut-fuse: the offset between the clocks cannot be told from these images: too little "
            "moves in them, or the recording is too short",
            file=sys.stderr,
        )


def _say(found: ClockOffset) -> None:
    print(
        f"lut-fuse: the infrared clock is {found.seconds:+.2f} s ahead "
        f"(correlation {found.correlation:.2f})",
        file=sys.stderr,
    )
