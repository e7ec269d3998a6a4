"""Configuration: YAML files and ``--set key=value`` into frozen dataclasses; nothing is guessed."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.unique_keys import load_yaml

T = TypeVar("T")


def read_config(kind: type[T], path: str | Path | None, overrides: Sequence[str] = ()) -> T:
    """A configuration from a YAML file and overrides such as ``student.width=8``.

    Args:
        kind: A frozen dataclass whose fields are numbers, strings, booleans, tuples or dataclasses.
        path: None for the defaults.
        overrides: ``KEY=VALUE`` each.

    Raises:
        InputError: For a missing file, unknown keys and values of a wrong type; names the key.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _read_yaml(Path(path))
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator:
            raise InputError(f"--set {override} has no value; write --set {override}=VALUE")
        _put(values, key.strip().split("."), _parse(text, override))
    return _build(kind, values, "")


def from_plain(kind: type[T], values: dict[str, Any]) -> T:
    """The configuration that `to_plain` made these values of; what they lack has its default.

    Raises:
        InputError: As `read_config` does.
    """
    return _build(kind, values, "")


def to_plain(config: Any) -> dict[str, Any]:
    """A configuration as nested dictionaries of plain values, as YAML and JSON take it."""
    return typing.cast("dict[str, Any]", _plain(dataclasses.asdict(config)))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no configuration file {path}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = str(error).replace("\n", " ")
        raise InputError(f"{path} is not valid YAML: {where}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold keys and values, not a {type(values).__name__}")
    return values


def _parse(text: str, override: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"the value in --set {override} is not valid YAML") from None


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InputError(f"'{key}' holds a value, so it has no key '{keys[-1]}'")
        values = inner
    values[keys[-1]] = value


def _build(kind: type[T], values: dict[str, Any], prefix: str) -> T:
    hints = typing.get_type_hints(kind)
    for key in values:
        if key not in hints:
            close = difflib.get_close_matches(str(key), hints, n=1)
            advice = (
                f"did you mean '{prefix}{close[0]}'?" if close else f"known: {', '.join(hints)}"
            )
            raise InputError(f"unknown configuration key '{prefix}{key}'; {advice}")
    arguments = {
        key: _convert(hints[key], value, f"{prefix}{key}") for key, value in values.items()
    }
    missing = [
        f"'{prefix}{field.name}'"
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
        if field.name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InputError(f"the configuration lacks {', '.join(missing)}")
    return kind(**arguments)


def _convert(hint: Any, value: Any, key: str) -> Any:
    """The value as its field's type wants it; YAML has lists for tuples and ints for floats."""
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise InputError(f"'{key}' must hold keys and values, not {value!r}")
        return _build(typing.cast("type[Any]", hint), value, f"{key}.")
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        if value not in inner:
            raise InputError(
                f"'{key}' is {value!r}; it must be one of {', '.join(map(str, inner))}"
            )
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in inner:
            return None
        return _convert(next(t for t in inner if t is not type(None)), value, key)
    if origin is tuple:
        return _convert_tuple(inner, value, key)
    if hint is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3, without a dot, as text
        except ValueError:
            pass
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise InputError(f"'{key}' is {value!r}; it must be a {hint.__name__}")
    return value


def _convert_tuple(inner: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
    if isinstance(value, str):
        value = [_parse(part, f"{key}={value}") for part in value.split(",")]
    if not isinstance(value, list | tuple):
        raise InputError(f"'{key}' is {value!r}; it must be a list")
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        raise InputError(f"'{key}' has {len(value)} values; it needs {len(kinds)}")
    return tuple(
        _convert(kind, item, f"{key}[{i}]")
        for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
