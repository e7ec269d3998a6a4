"""The layout is the architecture: which folder may import which, and what stands once only."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest

REPOSITORY = Path(__file__).parents[2]

FLOORS = (
    {"arrays", "errors", "atomic", "libraries", "parallel", "settings"},
    {"model", "native", "io", "infrared", "registration", "sync", "synthetic"},
    {"backends"},
    {"fuser", ""},  # "": the face of the package, `lut_fuse_core` itself
    {"pipeline"},
    {"files", "bag", "calibration", "evaluation"},
    {"batch"},
    {"export"},
    {"cli"},
)
"""Folders and modules of `lut_fuse_core`, lowest first. None imports from a floor above its own."""

ROOT_MODULES = {"__init__", "arrays", "atomic", "errors", "fuser"}
"""All else of the core has a folder."""

PACKAGES = {
    "lut_fuse_core": REPOSITORY / "lut_fuse_core",
    "lut_fuse_ros": REPOSITORY / "lut_fuse_ros",
    "lut_fuse_training": REPOSITORY / "training",
}
NOT_IN_CORE = {
    *("lut_fuse_ros", "lut_fuse_training", "training", "torch", "rclpy", "launch", "cv_bridge"),
    *("message_filters", "tf2_ros", "diagnostic_updater", "rcl_interfaces", "sensor_msgs"),
    *("std_msgs", "std_srvs", "diagnostic_msgs", "geometry_msgs", "lifecycle_msgs"),
}
LONGEST_REPEATED = 5
"""Lines of a function's signature; one that is longer may not stand twice."""


@dataclass(frozen=True)
class Import:
    """One import of a module: by which module, of which, at which line."""

    by: str
    of: str
    line: int


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """Everything in a file."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def modules(package: str) -> dict[str, Path]:
    """Names and files of all modules of a package."""
    folder = PACKAGES[package]
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join((package, *parts))] = path
    return found


@functools.cache
def imports(package: str) -> tuple[Import, ...]:
    """All imports in a package, those inside functions too; of a name from a module: the module."""
    return tuple(_imports(modules(package)))


def _imports(known: dict[str, Path]) -> Iterator[Import]:
    for name, path in known.items():
        for node in nodes(path):
            if isinstance(node, ast.Import):
                yield from (Import(name, each.name, node.lineno) for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = node.module or ""
                if node.level:
                    base = name.split(".")
                    is_package = path.name == "__init__.py"
                    base = base[: len(base) - node.level + is_package]
                    source = ".".join([*base, *filter(None, [node.module])])
                for each in node.names:
                    inner = f"{source}.{each.name}"
                    yield Import(name, inner if inner in known else source, node.lineno)


def floor_of(module: str) -> int:
    """Number of the floor on which a module of the core is; 0 is the lowest."""
    room = module.split(".")[1] if "." in module else ""
    (floor,) = (number for number, rooms in enumerate(FLOORS) if room in rooms)
    return floor


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """A cycle in a graph, its first node again at the end; empty if there is none."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for other in sorted(edges.get(node, ())):
            if found := visit(other, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(edges) if (found := visit(node, []))), [])


def test_the_core_has_a_folder_for_everything_but_its_vocabulary_and_its_face():
    assert {path.stem for path in PACKAGES["lut_fuse_core"].glob("*.py")} == ROOT_MODULES


def test_every_folder_of_the_core_is_on_a_floor():
    rooms = {name.split(".")[1] for name in modules("lut_fuse_core") if "." in name}
    assert rooms == set().union(*FLOORS) - {""}


def test_nothing_in_the_core_imports_from_a_floor_above():
    upward = [
        f"{each.by}:{each.line} imports {each.of}"
        for each in imports("lut_fuse_core")
        if each.of.split(".")[0] == "lut_fuse_core" and floor_of(each.of) > floor_of(each.by)
    ]
    assert upward == []


@pytest.mark.parametrize("unit", ["module", "folder"])
@pytest.mark.parametrize("package", PACKAGES)
def test_no_imports_go_round_in_a_circle(package: str, unit: str):
    edges: dict[str, set[str]] = defaultdict(set)
    for each in imports(package):
        if each.of.split(".")[0] != package:
            continue
        by, of = each.by, each.of
        if unit == "folder":
            by, of = (".".join(name.split(".")[:2]) for name in (by, of))
        if by != of:
            edges[by].add(of)
    assert cycle(edges) == []


def test_neither_the_node_nor_training_imports_the_other():
    for package, other in (
        ("lut_fuse_ros", "lut_fuse_training"),
        ("lut_fuse_training", "lut_fuse_ros"),
    ):
        assert [each for each in imports(package) if each.of.split(".")[0] == other] == []


def test_the_core_names_neither_ros_nor_training_nor_torch_in_an_import():
    found = [each for each in imports("lut_fuse_core") if each.of.split(".")[0] in NOT_IN_CORE]
    assert found == []


def test_no_module_of_the_core_brings_in_ros_training_or_torch():
    names = [name for name in modules("lut_fuse_core") if "." in name]
    program = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
print(sorted({NOT_IN_CORE!r} & {{name.split(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def long_signatures(path: Path) -> Iterator[tuple[str, str]]:
    """Arguments and place of every function in a file whose signature takes too many lines."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            place = f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}"
            ends = [each.end_lineno for each in ast.walk(node.args) if hasattr(each, "end_lineno")]
            ends += [node.returns.end_lineno] if node.returns else []
            lines = max(ends, default=node.lineno) - node.lineno + 1
            if lines > LONGEST_REPEATED:
                yield ast.unparse(node.args), place


def test_no_long_signature_stands_twice():
    places: dict[str, list[str]] = defaultdict(list)
    for folder in (*PACKAGES.values(), REPOSITORY / "tests"):
        for path in sorted(folder.rglob("*.py")):
            for arguments, place in long_signatures(path):
                places[arguments].append(place)
    assert [found for found in places.values() if len(found) > 1] == []


def parameters_at_run_time(path: Path) -> Iterator[str]:
    """Places in a file where a type of NumPy's is given parameters by code that is run."""
    annotations = [
        annotation
        for node in nodes(path)
        for field in ("annotation", "returns")
        if (annotation := getattr(node, field, None)) is not None
    ]
    not_run = {id(each) for annotation in annotations for each in ast.walk(annotation)}
    for node in nodes(path):
        if not isinstance(node, ast.Subscript) or id(node) in not_run:
            continue
        of, _, name = ast.unparse(node.value).rpartition(".")
        if of in ("np", "numpy") and isinstance(getattr(numpy, name, None), type):
            yield f"{path}:{node.lineno} {ast.unparse(node)}"


def test_types_of_numpy_are_given_parameters_in_annotations_only():
    """Those of NumPy 1.21 take none (`np.ndarray[...]`); `npt.NDArray[...]` does."""
    files = [path for package in PACKAGES for path in modules(package).values()]
    assert [place for path in files for place in parameters_at_run_time(path)] == []


def test_the_checks_of_this_file_notice_what_they_are_for(tmp_path: Path):
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}}) == []
    assert floor_of("lut_fuse_core.cli.fuse") > floor_of("lut_fuse_core.model.file")
    by_relative_import = {each.of for each in imports("lut_fuse_training")}
    assert "lut_fuse_training.config" in by_relative_import
    assert "torch" in by_relative_import
    (tmp_path / "numbers.py").write_text("a: np.dtype[X] = np.r_[0]\nb = T(x=np.ndarray[X])\n")
    places = list(parameters_at_run_time(tmp_path / "numbers.py"))
    assert [place.rpartition(":")[2] for place in places] == ["2 np.ndarray[X]"]
