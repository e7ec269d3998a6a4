"""What is known of a parameter: type, range, unit, description."""

from __future__ import annotations

import math
from dataclasses import Field, dataclass, field
from typing import Any, cast

from lut_fuse_core.errors import InputError

Value = str | bool | int | float


@dataclass(frozen=True)
class Spec:
    """What is known about one parameter besides its default.

    name: of the ROS parameter. minimum, maximum: inclusive. choices: allowed words.
    dynamic: may change while the node runs; the others are fixed when the process starts.
    """

    name: str
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    dynamic: bool = False

    def check(self, value: Value, kind: type) -> None:
        """Raise InputError, naming the parameter, unless the value is of this kind and in range."""
        if type(value) is not kind:
            hint = f"; write {value}.0" if kind is float and type(value) is int else ""
            raise InputError(
                f"parameter '{self.name}' must be a {KINDS[kind]}, not {value!r}{hint}"
            )
        if self.choices and value not in self.choices:
            raise InputError(
                f"parameter '{self.name}' is '{value}'; it must be one of {', '.join(self.choices)}"
            )
        if self.minimum is None or self.maximum is None:
            return
        if not (math.isfinite(value) and self.minimum <= value <= self.maximum):  # type: ignore[arg-type,operator]
            raise InputError(
                f"parameter '{self.name}' is {value}; it must be between {self.minimum:g} and "
                f"{self.maximum:g}"
            )


KINDS = {str: "string", bool: "boolean", int: "whole number", float: "decimal number"}
"""What users call the types of parameters."""


def _parameter(name: str, default: Value, description: str, **facts: Any) -> Any:
    spec = Spec(name, description, **facts)
    return field(default=default, metadata={"spec": spec})


def spec_of(each: Field[Any]) -> Spec:
    """The facts attached to a field of `NodeParameters`."""
    return cast(Spec, each.metadata["spec"])
