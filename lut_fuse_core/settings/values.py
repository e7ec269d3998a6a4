"""Values of settings: checked, and as a flat table of names and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from lut_fuse_core.errors import InputError
from lut_fuse_core.settings.declaration import Value, settings_of

Config = TypeVar("Config")


def check_settings(config: Any) -> None:
    """Check the values of a dataclass of settings, but not of the groups in it.

    Args:
        config: The dataclass.

    Raises:
        InputError: For the first value that may not be used.
    """
    for each in settings_of(type(config)):
        if "." not in each.name:
            each.check(getattr(config, each.name))


def values_of(config: Any) -> dict[str, Value]:
    """The values of all settings, in the order of declaration.

    Args:
        config: A dataclass of settings.

    Returns:
        Values by name; the names of groups come first, separated by dots.
    """
    found: dict[str, Value] = {}
    for each in settings_of(type(config)):
        value = config
        for part in each.name.split("."):
            value = getattr(value, part)
        found[each.name] = value
    return found


def from_values(owner: type[Config], values: Mapping[str, Value]) -> Config:
    """Make a dataclass of settings from values.

    Args:
        owner: The dataclass.
        values: Values by name, as `values_of` returns them; what is missing keeps its default.

    Returns:
        The dataclass.

    Raises:
        InputError: For a name that does not exist, or values that cannot be used.
    """
    known = {each.name for each in settings_of(owner)}
    for name in values:
        if name not in known:
            raise InputError(f"there is no setting '{name}'")
    return _from_values(owner, values, "")


def _from_values(owner: type[Config], values: Mapping[str, Value], prefix: str) -> Config:
    hints = _hints_of(cast(Any, owner))
    arguments: dict[str, Any] = {}
    for each in dataclasses.fields(owner):  # type: ignore[arg-type]
        name = prefix + each.name
        if "setting" in each.metadata:
            if name in values:
                arguments[each.name] = values[name]
        elif dataclasses.is_dataclass(hints[each.name]):
            inner = {key: value for key, value in values.items() if key.startswith(f"{name}.")}
            if inner:
                arguments[each.name] = _from_values(hints[each.name], inner, f"{name}.")
    return owner(**arguments)


@cache  # compiled from text each time otherwise, which is most of what a change costs
def _hints_of(owner: Any) -> dict[str, Any]:
    return get_type_hints(owner)
