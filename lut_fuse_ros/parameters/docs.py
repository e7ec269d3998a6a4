"""Topics, parameters and counters as documentation: `python -m lut_fuse_ros.parameters.docs`.

Tests hold `docs/ros.md` and `config/lut_fuse.yaml` (argument ``yaml``) against what this prints.
"""

from __future__ import annotations

import sys
import textwrap

from lut_fuse_ros.diagnostics.meters import Statistics
from lut_fuse_ros.parameters.node_parameters import specs
from lut_fuse_ros.parameters.spec import KINDS, Spec, Value

SUBSCRIBED = {
    "visible/image_raw": ("sensor_msgs/msg/Image", "Images of the visible camera."),
    "visible/camera_info": ("sensor_msgs/msg/CameraInfo", "Republished beside the fused image."),
    "infrared/image_raw": ("sensor_msgs/msg/Image", "Images of the infrared (thermal) camera."),
    "infrared/camera_info": (
        "sensor_msgs/msg/CameraInfo",
        "Needed for `registration.source: tf` only.",
    ),
}
PUBLISHED = {
    "fused/image": (
        "sensor_msgs/msg/Image",
        "The fused image, with stamp and frame of the visible one.",
    ),
    "fused/image/compressed": (
        "sensor_msgs/msg/CompressedImage",
        "The same as JPEG or PNG; compressed only while somebody subscribes.",
    ),
    "fused/camera_info": (
        "sensor_msgs/msg/CameraInfo",
        "That of the visible camera, with the stamp of the fused image.",
    ),
    "/diagnostics": ("diagnostic_msgs/msg/DiagnosticArray", "Once a second, in every state."),
}


def topic_table() -> str:
    """The topics as the table in `docs/ros.md`."""
    rows = ["| Topic | Type | Direction | Meaning |", "|---|---|---|---|"]
    for direction, topics in (("in", SUBSCRIBED), ("out", PUBLISHED)):
        rows += [
            f"| `{name}` | {kind} | {direction} | {meaning} |"
            for name, (kind, meaning) in topics.items()
        ]
    return "\n".join(rows)


def counter_table() -> str:
    """The counters in the diagnostics as the table in `docs/ros.md`."""
    rows = ["| Counter | Counts |", "|---|---|"]
    rows += [f"| `{name}` | {meaning} |" for name, meaning in Statistics.COUNTERS.items()]
    return "\n".join(rows)


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
    tables = (topic_table(), markdown_table(), counter_table())
    print(yaml_text() if sys.argv[1:] == ["yaml"] else "\n\n".join(tables), end="")
