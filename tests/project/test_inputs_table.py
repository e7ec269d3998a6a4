"""The table of inputs in the documentation names a result and a test for every kind."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TABLE = REPOSITORY / "docs" / "inputs.md"

Row = tuple[str, str, str]


def rows() -> list[Row]:
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("|") and not line.startswith(("| input", "| ---")):
            name, result, test = (cell.strip() for cell in line.strip("|").split(" | "))
            found.append((name, result, test))
    return found


@functools.cache
def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_input_is_read_or_refused() -> None:
    assert len(rows()) > 20
    for name, result, _ in rows():
        assert re.match(r"read\b|refused with \w+", result), f"{name}: {result}"


def test_every_input_has_a_test_that_is_there() -> None:
    for name, _, cell in rows():
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", cell)
        assert named, f"{name} names no test"
        for path, test in named:
            assert (REPOSITORY / path).is_file(), f"{name}: there is no {path}"
            assert test in functions_in(REPOSITORY / path), f"{name}: {path} has no {test}"


def test_no_input_is_named_twice() -> None:
    names = [name for name, _, _ in rows()]
    assert len(names) == len(set(names))
