"""The options about clocks and frame rates, for bags and videos."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lut_fuse_core.cli.progress import note
from lut_fuse_core.cli.setting_options import SettingOptions, facts, sentence
from lut_fuse_core.errors import InputError
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.settings import Setting, settings_of

if TYPE_CHECKING:
    from lut_fuse_core.pipeline.pipeline import FusionPipeline
    from lut_fuse_core.sync.clock_offset import ClockOffset

TIME = SettingOptions(
    PipelineConfig,
    left_out=frozenset(
        each.name
        for each in settings_of(PipelineConfig)
        if each.name not in ("clock", "reuse_alignment")
    ),
    remarks={"clock": "(--clock-offset)"},
)


def add_time_arguments(parser: argparse.ArgumentParser, age_of: type = PipelineConfig) -> None:
    """Add the options about clocks and frame rates.

    Args:
        parser: Parser of the subcommand.
        age_of: Dataclass whose setting ``max_infrared_age`` the option is for.
    """
    offset = _setting(PipelineConfig, "clock_offset")
    age = _setting(age_of, "max_infrared_age")
    group = parser.add_argument_group(
        "time", "Cameras whose clocks disagree or whose frame rates differ."
    )
    group.add_argument(
        "--clock-offset",
        default="0",
        metavar="S|auto",
        help=f"{sentence(offset)}; auto estimates it from motion in the first minute, to about "
        f"0.05 s, if the clocks are less than a second apart{facts(offset)}",
    )
    TIME.add(group)
    group.add_argument(
        "--max-infrared-age",
        type=float,
        metavar="S",
        help=f"{sentence(age)}{facts(age)}",
    )


def _setting(owner: type, name: str) -> Setting:
    (found,) = (each for each in settings_of(owner) if each.name == name)
    return found


def timed(
    config: PipelineConfig, options: argparse.Namespace, find_offset: Callable[[], ClockOffset]
) -> PipelineConfig:
    """Complete the settings of a pipeline by those about clocks and frame rates.

    Args:
        config: The other settings.
        options: What a parser with `add_time_arguments` returned.
        find_offset: Estimates the offset; called for ``--clock-offset auto``.

    Returns:
        The settings.

    Raises:
        InputError: For values that cannot be used, or an offset that cannot be estimated.
    """
    age = options.max_infrared_age
    changes: dict[str, Any] = TIME.values(options)
    if age is not None:
        changes["max_infrared_age"] = age
    changes["clock_offset"] = _clock_offset(options.clock_offset, find_offset)
    return replace(config, **changes)


def _clock_offset(wanted: str, find_offset: Callable[[], ClockOffset]) -> float:
    if wanted == "auto":
        from lut_fuse_core.sync.clock_offset import ACCURACY

        found = find_offset()
        _say(found)
        if abs(found.seconds) < ACCURACY:
            note("that is within the accuracy of the estimate: taken as 0")
            return 0.0
        return found.seconds
    try:
        return float(wanted)
    except ValueError:
        raise InputError(
            f"--clock-offset '{wanted}' is neither a number of seconds nor auto"
        ) from None


def say_clock_offset(pipeline: FusionPipeline) -> None:
    """Print the estimated clock offset on stderr, if ``--clock`` asks for an estimate.

    Args:
        pipeline: The pipeline, at the end.
    """
    if pipeline.config.clock == "fixed":
        return
    if pipeline.status.clock_offset is not None:
        _say(pipeline.status.clock_offset)
    else:
        note(
            "the clock offset cannot be estimated from these images: too little motion, or the "
            "recording is too short"
        )


def _say(found: ClockOffset) -> None:
    source = f"correlation {found.correlation:.2f}" if found.correlation else "by when both arrived"
    note(f"the infrared clock is {found.seconds:+.2f} s ahead ({source})")
