"""Parameter files whose node names match nothing: rcl passes over them without a word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml


def files_without_effect(arguments: Sequence[str], node: str) -> list[str]:
    """A sentence for each parameter file that says nothing to a node.

    Args:
        arguments: Of the process, as ``sys.argv`` has them.
        node: Its whole name, ``/namespace/name``.
    """
    from difflib import get_close_matches

    texts = []
    for file in _files(arguments):
        names = _node_names(file)
        if not names or any(_matches(name, node) for name in names):
            continue
        near = get_close_matches(node, names, n=1, cutoff=0.5)
        hint = f"; did you mean it by '{near[0]}'?" if near else ""
        texts.append(
            f"parameter file {file} is for {', '.join(names)} and says nothing to {node}{hint} "
            "('/**' stands for every node)"
        )
    return texts


def _files(arguments: Sequence[str]) -> list[Path]:
    following = pairwise(arguments)
    return [Path(value) for flag, value in following if flag == "--params-file"]


def _node_names(file: Path) -> list[str]:
    """The whole names of the nodes, or patterns of them, that a file has parameters for."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []  # rcl itself says what is wrong
    return list(_sections(content, ""))


def _sections(content: Any, above: str) -> list[str]:
    names = []
    for key, value in content.items() if isinstance(content, dict) else ():
        name = f"{above}/{str(key).strip('/')}"
        if isinstance(value, dict) and "ros__parameters" in value:
            names.append(name)
        else:
            names += _sections(value, name)
    return names


def _matches(pattern: str, node: str) -> bool:
    """Whether a name matches, ``*`` for one part of it and ``**`` for any number."""
    expression = re.escape(pattern).replace(r"/\*\*", "(/[^/]+)*").replace(r"\*", "[^/]+")
    return re.fullmatch(expression, node) is not None
