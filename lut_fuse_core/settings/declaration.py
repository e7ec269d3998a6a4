"""Settings, and the fields of dataclasses that declare them."""

from __future__ import annotations

import dataclasses
import math
import numbers
import types
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from lut_fuse_core.errors import InputError

Value = str | bool | int | float

KINDS: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "whole number",
    float: "decimal number",
}
"""What users call the types of settings."""


@dataclass(frozen=True)
class Setting:
    """A setting.

    Attributes:
        name: Name of the field, after the names of the groups it is in, separated by dots.
        kind: str, bool, int or float.
        default: Its default; None only where the annotation allows it.
        description: One sentence on what it does.
        unit: Unit of a number, such as ``s``, ``m``, ``pixels``, ``%``; empty for none.
        minimum: Least number that is allowed; None where ``kind`` is no number.
        maximum: Greatest number that is allowed, ``inf`` for any; None where ``kind`` is no number.
        choices: The words that are allowed; empty for any.
        live: Whether it may change while the node runs.
        others: Types besides ``kind`` whose values Python code may pass; they are not checked.
    """

    name: str
    kind: type
    default: Value | None
    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    others: tuple[type, ...] = ()

    @property
    def range(self) -> str:
        """The allowed numbers for users, such as ``0 to 60 s``; empty without a range."""
        if self.minimum is None or self.maximum is None:
            return ""
        unit = f" {self.unit}" if self.unit else ""
        if math.isinf(self.maximum):
            return f"{number(self.minimum)}{unit} or more"
        return f"{number(self.minimum)} to {number(self.maximum)}{unit}"

    def check(self, value: object, label: str | None = None) -> None:
        """Refuse a value that may not be used.

        Args:
            value: Any object.
            label: Name of the setting in the error message; None for its own.

        Raises:
            InputError: For a value of another type, or outside the range or the choices.
        """
        if isinstance(value, self.others):
            return
        label = label or self.name.replace("_", " ")
        if not _is_a(value, self.kind):
            raise InputError(f"{label} must be a {KINDS[self.kind]}, not {value!r}")
        if self.choices and value not in self.choices:
            raise InputError(f"{label} is '{value}'; it must be one of {', '.join(self.choices)}")
        if self.minimum is None or self.maximum is None:
            return
        if not self.minimum <= cast(float, value) <= self.maximum:
            wanted = self.range if math.isinf(self.maximum) else self.range.replace(" to ", " and ")
            between = "" if math.isinf(self.maximum) else "between "
            raise InputError(f"{label} is {value}; it must be {between}{wanted}")


def setting(
    default: Value | None,
    description: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    live: bool = False,
) -> Any:
    """A dataclass field that declares a setting.

    Args:
        default: See `Setting`, also for the other arguments.
        description: One sentence.
        unit: Unit of a number.
        minimum: Least number; needed for numbers.
        maximum: Greatest number; needed for numbers.
        choices: Allowed words; needed only where the annotation is no ``Literal``.
        live: Whether it may change while the node runs.

    Returns:
        What `dataclasses.field` returns.
    """
    facts = {
        "default": default,
        "description": description,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "live": live,
    }
    return dataclasses.field(default=default, metadata={"setting": facts})


def inherited(owner: type, name: str, **changes: Any) -> Any:
    """A dataclass field that takes over a setting of another class.

    Args:
        owner: Dataclass that declares the setting.
        name: Name of its field.
        **changes: Arguments of `setting` that differ here.

    Returns:
        What `dataclasses.field` returns.
    """
    (each,) = (each for each in dataclasses.fields(owner) if each.name == name)
    return setting(**{**each.metadata["setting"], **changes})


def settings_of(owner: type) -> tuple[Setting, ...]:
    """The settings of a dataclass and of the dataclasses in it, in the order of declaration.

    Args:
        owner: The dataclass.

    Raises:
        TypeError: For a field that cannot be a setting, or a number without a range.
    """
    return _settings_of(cast(Any, owner))


@cache
def _settings_of(owner: Any) -> tuple[Setting, ...]:
    found: list[Setting] = []
    hints = get_type_hints(owner)
    for each in dataclasses.fields(owner):
        hint = hints[each.name]
        if "setting" in each.metadata:
            found.append(_setting_of(each.name, hint, each.metadata["setting"]))
        elif dataclasses.is_dataclass(hint):
            found += [
                dataclasses.replace(inner, name=f"{each.name}.{inner.name}")
                for inner in settings_of(cast(type, hint))
            ]
    return tuple(found)


def _setting_of(name: str, hint: Any, facts: dict[str, Any]) -> Setting:
    kind, choices, others = _kind_of(hint)
    found = Setting(name, kind, **{**facts, "choices": facts["choices"] or choices}, others=others)
    is_number = kind in (int, float)
    if is_number != (found.minimum is not None) or is_number != (found.maximum is not None):
        raise TypeError(f"setting '{name}': numbers, and only these, need a minimum and a maximum")
    return found


def _kind_of(hint: Any) -> tuple[type, tuple[str, ...], tuple[type, ...]]:
    """The kind, the words of a ``Literal`` and the other types in a union, of an annotation."""
    if get_origin(hint) is Literal:
        return str, get_args(hint), ()
    if get_origin(hint) in (Union, types.UnionType):
        members = get_args(hint)
        (plain,) = (each for each in members if each in KINDS or get_origin(each) is Literal)
        kind, choices, _ = _kind_of(plain)
        return kind, choices, tuple(each for each in members if each is not plain)
    if hint not in KINDS:
        raise TypeError(f"a setting cannot be of type {hint}")
    return hint, (), ()


def number(value: float) -> str:
    """A number as users write it, with up to 12 digits.

    Args:
        value: The number.
    """
    return f"{value:.12g}"


def _is_a(value: object, kind: type) -> bool:
    if kind is float:
        return isinstance(value, numbers.Real) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return isinstance(value, kind)
