"""The parameters as documentation: `python -m lut_fuse_ros.parameter_docs [markdown | yaml]`.

Tests hold `docs/ros.md` and `config/lut_fuse.yaml` against what this prints.
"""

from __future__ import annotations

import sys
import textwrap

from lut_fuse_ros.parameters import KINDS, Spec, Value, specs


def markdown_table() -> str:
    """The parameters as the table in `docs/ros.md`."""
    rows = ["| Parameter | Default | Allowed | Changes | Meaning |", "|---|---|---|---|---|"]
    for spec, default in specs():
        changes = "while running" if spec.dynamic else "at start"
        rows.append(
            f"| `{spec.name}` | `{_yaml(default)}` | {_allowed(spec, default)} | {changes} "
            f"| {spec.description} |"
        )
    return "\n".join(rows)


def yaml_text() -> str:
    """All parameters with their defaults and meaning, as `config/lut_fuse.yaml`."""
    lines = ["# Parameters of fusion_node. Those marked * may also change while it runs:"]
    lines += ["#   ros2 param set /fusion_node strength 0.7", "/**:", "  ros__parameters:"]
    group = ""
    for spec, default in specs():
        prefix, _, name = spec.name.rpartition(".")
        if prefix != group:
            lines += [f"    {prefix}:"] if prefix else []
            group = prefix
        indent = " " * (6 if prefix else 4)
        mark = "* " if spec.dynamic else ""
        text = f"{mark}{spec.description} ({_allowed(spec, default).replace('`', '')})"
        lines += textwrap.wrap(
            text, 96, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        lines.append(f"{indent}{name}: {_yaml(default)}")
    return "\n".join(lines) + "\n"


def _allowed(spec: Spec, default: Value) -> str:
    if spec.choices:
        return ", ".join(f"`{choice}`" for choice in spec.choices)
    if spec.minimum is not None and spec.maximum is not None:
        return f"{spec.minimum:g} to {spec.maximum:g}"
    return KINDS[type(default)]


def _yaml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value != "" else "''"


if __name__ == "__main__":
    print(yaml_text() if sys.argv[1:] == ["yaml"] else markdown_table(), end="")
