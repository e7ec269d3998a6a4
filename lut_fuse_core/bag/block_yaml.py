"""YAML in block style, as rosbag2 writes it."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML


def as_yaml(content: Any) -> str:
    """Write YAML.

    Args:
        content: Dictionaries, lists and scalars.

    Returns:
        The document.
    """
    stream, yaml = StringIO(), YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.dump(content, stream)
    return stream.getvalue()
