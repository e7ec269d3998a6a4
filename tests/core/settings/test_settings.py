"""A setting is declared once; its check, its option and its name in groups follow."""

from __future__ import annotations

import argparse
import functools
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest

from lut_fuse_core.cli.setting_options import SettingOptions
from lut_fuse_core.errors import InputError
from lut_fuse_core.settings import (
    check_settings,
    from_values,
    inherited,
    setting,
    settings_of,
    values_of,
)


@dataclass(frozen=True)
class Filter:
    method: Literal["none", "temporal"] = setting("none", "Noise filter.", live=True)
    seconds: float = setting(
        0.5, "Time constant of 63 % of a change.", unit="s", minimum=0.0, maximum=10.0
    )
    low: float = setting(1.0, "Lower end.", unit="%", minimum=0.0, maximum=100.0)
    high: float = setting(99.0, "Upper end.", unit="%", minimum=0.0, maximum=100.0)
    frames: int | None = setting(None, "Frames that are kept.", minimum=1, maximum=99)
    repair: bool = setting(True, "Repair dead pixels.")
    reach: float = setting(2.0, "Reach.", unit="m", minimum=0.5, maximum=math.inf)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class Whole:
    filter: Filter = field(default_factory=Filter)
    delay: float = inherited(Filter, "seconds", default=0.25)
    name: str = setting("front", "Name of the rig.")
    extra: object = None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "magic"}, "method is 'magic'; it must be one of none, temporal"),
        ({"method": 3}, "method must be a string, not 3"),
        ({"seconds": 10.5}, "seconds is 10.5; it must be between 0 and 10 s"),
        ({"seconds": math.nan}, "seconds is nan; it must be between 0 and 10 s"),
        ({"seconds": "1"}, "seconds must be a decimal number, not '1'"),
        ({"seconds": True}, "seconds must be a decimal number, not True"),
        ({"frames": 0}, "frames is 0; it must be between 1 and 99"),
        ({"frames": 2.0}, "frames must be a whole number, not 2.0"),
        ({"repair": 1}, "repair must be a boolean, not 1"),
        ({"reach": 0.25}, "reach is 0.25; it must be 0.5 m or more"),
        ({"reach": math.nan}, "reach is nan; it must be 0.5 m or more"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        Filter(**values)
    assert str(refusal.value) == message


def test_ends_of_ranges_numbers_of_numpy_and_none_where_it_is_meant_are_accepted() -> None:
    Filter("temporal", 0, 0.0, 100, 99, False, math.inf)
    Filter(seconds=np.float32(0.5), frames=np.int64(3))
    Filter(frames=None)


def test_settings_of_groups_have_names_with_dots() -> None:
    assert [each.name for each in settings_of(Whole)] == [
        *(f"filter.{each.name}" for each in settings_of(Filter)),
        "delay",
        "name",
    ]


def test_an_inherited_setting_differs_in_what_it_says_only() -> None:
    settings = {each.name: each for each in settings_of(Whole)}
    delay, seconds = settings["delay"], settings["filter.seconds"]
    assert (delay.default, Whole().delay) == (0.25, 0.25)
    assert (delay.unit, delay.maximum, delay.description) == (
        seconds.unit,
        seconds.maximum,
        seconds.description,
    )


def test_values_go_into_a_flat_table_and_back() -> None:
    whole = Whole(Filter("temporal", frames=4), name="rear")
    table = values_of(whole)
    assert (table["filter.method"], table["filter.frames"], table["name"]) == (
        "temporal",
        4,
        "rear",
    )
    assert from_values(Whole, table) == whole
    assert from_values(Whole, {"filter.low": 3.0}) == Whole(Filter(low=3.0))
    with pytest.raises(InputError, match=r"no setting 'filter\.lo'"):
        from_values(Whole, {"filter.lo": 3.0})


def test_a_number_without_a_range_is_a_mistake_of_the_declaration() -> None:
    @dataclass(frozen=True)
    class Careless:
        seconds: float = setting(1.0, "Without a range.", minimum=0.0)

    with pytest.raises(TypeError, match="'seconds'"):
        settings_of(Careless)


OPTIONS = SettingOptions(Filter, flags={"method": "--filter"}, pairs={"--limits": ("low", "high")})


def parsed(*arguments: str) -> Filter:
    parser = argparse.ArgumentParser()
    OPTIONS.add(parser)
    return OPTIONS.read(parser.parse_args(arguments))


def test_options_read_what_the_dataclass_declares() -> None:
    assert parsed() == Filter()
    given = ["--filter", "temporal", "--limits", "2", "98", "--frames", "3", "--no-repair"]
    assert parsed(*given) == Filter("temporal", low=2.0, high=98.0, frames=3, repair=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "11"], "--seconds is 11.0; it must be between 0 and 10 s"),
        (["--limits", "1", "101"], "--limits is 101.0; it must be between 0 and 100 %"),
        (["--frames", "0"], "--frames is 0; it must be between 1 and 99"),
    ],
)
def test_a_bad_value_on_the_command_line_is_refused_by_the_option(
    arguments: list[str], message: str
) -> None:
    with pytest.raises(InputError) as refusal:
        parsed(*arguments)
    assert str(refusal.value) == message


def test_help_teaches_unit_range_and_default() -> None:
    wide = functools.partial(argparse.HelpFormatter, max_help_position=60, width=300)
    parser = argparse.ArgumentParser(formatter_class=wide)
    OPTIONS.add(parser)
    lines = [" ".join(line.split()) for line in parser.format_help().splitlines()]
    for line in (
        "--filter {none,temporal} noise filter (default: none)",
        "--seconds S time constant of 63 % of a change (0 to 10 s, default: 0.5)",
        "--limits LOW HIGH LOW: lower end (0 to 100 %, default: 1); "
        "HIGH: upper end (0 to 100 %, default: 99)",
        "--frames N frames that are kept (1 to 99)",
        "--reach M reach (0.5 m or more, default: 2)",
    ):
        assert line in lines
