"""Topics, parameters and counters as documentation.

`python -m lut_fuse_ros.parameters.docs --write`, in the repository, writes `config/lut_fuse.yaml`
and the tables of `docs/ros.md`; without ``--write`` it prints them.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError
from lut_fuse_core.settings import Setting, Value, settings_of
from lut_fuse_ros.meters import Statistics
from lut_fuse_ros.parameters.node_parameters import NodeParameters

TYPES = {str: "string", bool: "bool", int: "int", float: "double"}
"""What ROS calls the types of parameters."""

REPOSITORY = Path(__file__).parents[2]

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
    rows = [
        "| Parameter | Type | Default | Allowed | Changes | Meaning |",
        "|---|---|---|---|---|---|",
    ]
    for each in settings_of(NodeParameters):
        choices = ", ".join(f"`{choice}`" for choice in each.choices)
        changes = "while running" if each.live else "at start"
        rows.append(
            f"| `{each.name}` | {TYPES[each.kind]} | `{_yaml(each.default)}` "
            f"| {choices or each.range or 'any'} | {changes} | {each.description} |"
        )
    return "\n".join(rows)


def yaml_text() -> str:
    """All parameters with their defaults and meaning, as `config/lut_fuse.yaml`."""
    lines = ["# Parameters of fusion_node. Those marked * may also change while it runs:"]
    lines += ["#   ros2 param set /fusion_node strength 0.7", "/**:", "  ros__parameters:"]
    group = ""
    for each in settings_of(NodeParameters):
        prefix, _, name = each.name.rpartition(".")
        if prefix != group:
            lines += [f"    {prefix}:"] if prefix else []
            group = prefix
        indent = " " * (6 if prefix else 4)
        lines += textwrap.wrap(
            _comment(each), 96, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        lines.append(f"{indent}{name}: {_yaml(each.default)}")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The text of `docs/ros.md` with its tables as they should be, between their marks."""
    for name, table in (
        ("topics", topic_table()),
        ("parameters", markdown_table()),
        ("counters", counter_table()),
    ):
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->\n")
        if not begin or not end:
            raise InputError(f"the page lacks the marks around the table of {name}")
        text = f"{before}{begin}{table}\n{end}{after}"
    return text


def write(repository: Path) -> None:
    """Write both files of a repository."""
    yaml, markdown = repository / "config" / "lut_fuse.yaml", repository / "docs" / "ros.md"
    for path, text in (
        (yaml, yaml_text()),
        (markdown, page(markdown.read_text(encoding="utf-8"))),
    ):
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _comment(each: Setting) -> str:
    allowed = ", ".join(each.choices) or each.range or TYPES[each.kind]
    return f"{'* ' if each.live else ''}{each.description} ({allowed})"


def _yaml(value: Value | None) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # Without quotes YAML reads off as false.
    return f"'{value}'" if value in ("", "off") else str(value)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write(REPOSITORY)
    else:
        print(yaml_text(), topic_table(), markdown_table(), counter_table(), sep="\n\n")
