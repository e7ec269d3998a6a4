"""Options of `lut-fuse` made of settings, and settings made of parsed options."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from lut_fuse_core.settings import Setting, Value, settings_of
from lut_fuse_core.settings.declaration import number

Config = TypeVar("Config")

METAVARS = {"s": "S", "m": "M", "%": "PERCENT", "pixels": "PX", "visible pixels": "PX"}
"""What stands for a value in the help, by its unit."""


@dataclass(frozen=True)
class SettingOptions(Generic[Config]):
    """The options for the settings of one dataclass, without those of groups in it.

    A setting ``local_contrast`` becomes ``--local-contrast``; one that is true by default becomes
    ``--no-...``. A new field of the dataclass becomes an option without further code.

    Attributes:
        owner: The dataclass.
        flags: Flag by field, where it has another name.
        pairs: The two fields (of numbers) that a flag sets together, by flag.
        left_out: Fields without an option.
        metavars: What stands for the value in the help, by field, where unit and kind are unclear.
        remarks: What the help adds, by field.
    """

    owner: type[Config]
    flags: Mapping[str, str] = field(default_factory=dict)
    pairs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    metavars: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)

    def add(self, parser: argparse._ActionsContainer) -> None:
        """Add the options in the order of the fields, each with its help.

        Args:
            parser: A parser, or a group of one.
        """
        paired = {names[0]: flag for flag, names in self.pairs.items()}
        seconds = {names[1] for names in self.pairs.values()}
        for each in self._settings():
            if each.name in paired:
                self._add_pair(parser, paired[each.name])
            elif each.name not in seconds:
                self._add_one(parser, each)

    def values(self, options: argparse.Namespace) -> dict[str, Value | None]:
        """The values of the settings.

        Args:
            options: What the parser returned.

        Returns:
            Values by field.

        Raises:
            InputError: For a value that may not be used; names the option.
        """
        paired = {name: flag for flag, names in self.pairs.items() for name in names}
        found: dict[str, Value | None] = {}
        for each in self._settings():
            flag = paired.get(each.name) or self._flag(each)
            value = getattr(options, self._destination(flag))
            if each.name in paired:
                value = value[self.pairs[flag].index(each.name)]
            each.check(value, flag)
            found[each.name] = value
        return found

    def read(self, options: argparse.Namespace, **others: Any) -> Config:
        """Make the dataclass.

        Args:
            options: What the parser returned.
            **others: Values of the fields without an option.

        Returns:
            The dataclass.

        Raises:
            InputError: For values that cannot be used, alone or together.
        """
        return self.owner(**self.values(options), **others)

    def _settings(self) -> list[Setting]:
        return [
            each
            for each in settings_of(self.owner)
            if "." not in each.name and each.name not in self.left_out
        ]

    def _flag(self, each: Setting) -> str:
        prefix = "no-" if each.default is True else ""
        return self.flags.get(each.name, f"--{prefix}{each.name.replace('_', '-')}")

    def _destination(self, flag: str) -> str:
        return f"{self.owner.__name__}.{flag.lstrip('-')}"

    def _add_one(self, parser: argparse._ActionsContainer, each: Setting) -> None:
        flag = self._flag(each)
        changes = {"metavar": self.metavars[each.name]} if each.name in self.metavars else {}
        arguments = _arguments(each, self.remarks.get(each.name, ""))
        parser.add_argument(flag, dest=self._destination(flag), **{**arguments, **changes})

    def _add_pair(self, parser: argparse._ActionsContainer, flag: str) -> None:
        pair = [each for each in self._settings() if each.name in self.pairs[flag]]
        names = tuple(each.name.split("_")[0].upper() for each in pair)
        parser.add_argument(
            flag,
            dest=self._destination(flag),
            type=float,
            nargs=2,
            default=tuple(each.default for each in pair),
            metavar=names,
            help="; ".join(
                f"{name}: {sentence(each)}{facts(each)}"
                for name, each in zip(names, pair, strict=True)
            ),
        )


def option_of(owner: type, name: str, **changes: Any) -> dict[str, Any]:
    """The arguments of `add_argument` for a single setting.

    Args:
        owner: Dataclass of the setting.
        name: Name of its field.
        **changes: Arguments that differ.
    """
    (each,) = (each for each in settings_of(owner) if each.name == name)
    return {**_arguments(each), **changes}


def _arguments(each: Setting, remark: str = "") -> dict[str, Any]:
    text = f"{sentence(each)} {remark}".rstrip()
    if each.kind is bool:
        action = "store_false" if each.default else "store_true"
        return {"action": action, "help": f"do not {text}" if each.default else text}
    named = {"choices": each.choices} if each.choices else {"metavar": metavar(each)}
    return {"default": each.default, "type": each.kind, "help": text + facts(each), **named}


def sentence(each: Setting) -> str:
    """The description of a setting as the beginning of its help.

    Args:
        each: The setting.
    """
    text = each.description.rstrip(".").replace("%", "%%")
    is_word = text[1:2].islower() or text[1:2] == " "
    return text[0].lower() + text[1:] if is_word else text


def facts(each: Setting) -> str:
    """Range, unit and default of a setting as the end of its help, in parentheses.

    Args:
        each: The setting.

    Returns:
        Empty for a setting without range and default.
    """
    said = [each.range] if each.range else []
    if each.default not in (None, ""):
        default = number(each.default) if isinstance(each.default, float) else each.default
        said.append(f"default: {default}")
    return f" ({', '.join(said)})".replace("%", "%%") if said else ""


def metavar(each: Setting) -> str:
    """What stands for the value of a setting in the help: its unit or its kind.

    Args:
        each: The setting.
    """
    kinds = {str: "TEXT", int: "N", float: "X"}
    return METAVARS.get(each.unit, kinds.get(each.kind, "X"))
