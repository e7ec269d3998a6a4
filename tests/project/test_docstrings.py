"""Public docstrings are Google style: one line for every field, argument, result and error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FOLDERS = ("lut_fuse_core", "lut_fuse_ros", "training")
HEADINGS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Example", "Examples", "Note")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def described(docstring: str, *headings: str) -> set[str]:
    """Names with a line of their own under these headings."""
    found: set[str] = set()
    heading = ""
    for line in docstring.splitlines():
        if line.rstrip(":") in HEADINGS and line.endswith(":"):
            heading = line.rstrip(":")
        elif heading in headings and (match := re.match(r" {4}\**(\w+):( |$)", line)):
            found.add(match[1])
    return found


def arguments(function: Function, method: bool) -> list[str]:
    """Names of a function's arguments, without that of the object or class."""
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    static = any(ast.unparse(each) == "staticmethod" for each in function.decorator_list)
    if method and not static:
        names = names[1:]
    names += [each.arg for each in (given.vararg, given.kwarg) if each is not None]
    return [name for name in names if not name.startswith("_")]


def run_on(docstring: str, names: list[str]) -> bool:
    """Whether fields, results or errors are sentences of the text instead of lines of their own."""
    text = "\n".join(line for line in docstring.splitlines() if not line.startswith("    "))
    if re.search(r"(?:^|[.;]\s+)(?:Returns|Raises) [`A-Z]?\w", text):
        return True
    return any(re.search(rf"(?:^|\. ){re.escape(name)}: ", text, re.MULTILINE) for name in names)


def of_function(function: Function, method: bool) -> str:
    docstring = ast.get_docstring(function) or ""
    names = arguments(function, method)
    if run_on(docstring, names):
        return "fields in the text"
    lines = described(docstring, "Args")
    missing = [name for name in names if name not in lines]
    return f"no line for {missing}" if lines and missing else ""


def of_class(found: ast.ClassDef) -> str:
    docstring = ast.get_docstring(found) or ""
    fields = [
        each.target.id
        for each in found.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and not each.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(each.annotation)
        # A setting has its sentence, range and unit where it is declared.
        and not re.match(r"(setting|inherited)\(", ast.unparse(each.value) if each.value else "")
    ]
    if any("dataclass" in ast.unparse(each) for each in found.decorator_list):
        lines = described(docstring, "Attributes")
        names = fields
    else:
        makers = [
            each for each in found.body if isinstance(each, Function) and each.name == "__init__"
        ]
        names = arguments(makers[0], True) if makers else []
        of_maker = (ast.get_docstring(makers[0]) or "") if makers else ""
        lines = described(docstring, "Args", "Attributes") | described(of_maker, "Args")
    if run_on(docstring, names):
        return "fields in the text"
    missing = [name for name in names if name not in lines]
    return f"no line for {missing}" if missing else ""


def complaints(source: str) -> Iterator[str]:
    """What is wrong with the docstrings of a module, a line each."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            checked = [(node.name, of_class(node))]
            checked += [
                (f"{node.name}.{each.name}", of_function(each, True))
                for each in node.body
                if isinstance(each, Function) and not each.name.startswith("_")
            ]
        elif isinstance(node, Function) and not node.name.startswith("_"):
            checked = [(node.name, of_function(node, False))]
        else:
            continue
        yield from (f"{name}: {problem}" for name, problem in checked if problem)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_field_and_argument_has_a_line(folder: str) -> None:
    found = [
        f"{path.relative_to(REPOSITORY)} {complaint}"
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
        for complaint in complaints(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("docstring", "found"),
    [
        ("Do it.\n\n    Args:\n        one: First.\n        two: Second.\n    ", []),
        ("Do it.\n\n    Args:\n        one, two: Both.\n    ", []),
        ("Do it.", []),
        ("Do it.\n\n    Args:\n        one: First.\n    ", ["f: no line for ['two']"]),
        ("Do it. Returns nothing.", ["f: fields in the text"]),
        ("Do it. one: the first.", ["f: fields in the text"]),
    ],
)
def test_a_missing_line_is_noticed(docstring: str, found: list[str]) -> None:
    source = f'def f(one, two):\n    """{docstring}"""\n'
    assert list(complaints(source)) == found
