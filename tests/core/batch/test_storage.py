"""Inputs and outputs in object storage, tried on a file system in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bags
import pytest
from batch_work import in_this_process
from test_staging import write_bag

from lut_fuse_core.batch.storage import location
from lut_fuse_core.cli import main

fsspec = pytest.importorskip("fsspec", reason="no fsspec: pip install universal-pathlib")
pytest.importorskip("upath", reason="no UPath: pip install universal-pathlib")

Batch = Callable[..., tuple[int, str, str]]


@pytest.fixture
def memory() -> Iterator[Any]:
    """An empty file system in memory."""
    found = fsspec.filesystem("memory")
    found.store.clear()
    yield found
    found.store.clear()
    found.pseudo_dirs[:] = [""]


@pytest.fixture
def batch(
    memory: Any, tmp_path: Path, model_file: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Batch:  # fmt: skip
    """Run a job in this process, where the memory is; returns exit status, stdout and stderr."""
    from lut_fuse_core.cli import batch_run as command

    monkeypatch.setattr(command, "run_tasks", in_this_process)

    def run(**keys: Any) -> tuple[int, str, str]:
        settings = {"model": str(model_file), "backend": "reference"}
        path = tmp_path / "job.yaml"
        path.write_text(json.dumps({"settings": settings, **keys}))
        status = main(["batch", str(path), "--json"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def upload(memory: Any, tmp_path: Path, name: str, pairs: int = 2) -> None:
    memory.put(str(write_bag(tmp_path / "local" / name, pairs)), f"/fleet/{name}", recursive=True)


def test_bags_are_fused_from_object_storage_into_it(
    memory: Any, batch: Batch, tmp_path: Path
) -> None:
    for name in ("north/a", "south/b"):
        upload(memory, tmp_path, name)
    keys = {"inputs": "memory://fleet", "output": "memory://fused"}
    status, out, errors = batch(**keys)
    assert (status, errors) == (0, "")
    assert json.loads(out)["pairs"] == 4
    memory.get("/fused/north/a", str(tmp_path / "back"), recursive=True)
    assert len(bags.read_mcap(tmp_path / "back")["/fused/image"]) == 2
    assert memory.exists("/fused/batch.html")
    assert memory.exists("/fused/batch.sqlite")
    assert (tmp_path / "job.batch" / "batch.sqlite").exists()
    assert [path for path in memory.find("/fused") if ".batch/" in path] == []
    assert json.loads(batch(**keys)[1])["unchanged"] == 2
    upload(memory, tmp_path, "north/c", 3)
    memory.rm("/fused/south/b", recursive=True)
    report = json.loads(batch(**keys)[1])
    assert (report["unchanged"], report["pairs"]) == (1, 5)


def test_patterns_are_looked_up_in_object_storage(
    memory: Any, batch: Batch, tmp_path: Path
) -> None:
    for name in ("north/a", "north/b", "south/a"):
        upload(memory, tmp_path, name)
    status, out, _ = batch(inputs="memory://fleet/*/a", output="out")
    assert status == 0
    assert json.loads(out)["fused"] == 2
    assert (tmp_path / "out" / "north" / "a" / "metadata.yaml").exists()


def test_what_was_uploaded_is_removed_where_the_rest_cannot_be(
    memory: Any, batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(memory, tmp_path, "a")
    put = type(memory).put_file

    def full(self: Any, local: str, target: str, **options: Any) -> None:
        if target.endswith("metadata.yaml") and "fused" in target:
            raise RuntimeError("quota exceeded")
        put(self, local, target, **options)

    monkeypatch.setattr(type(memory), "put_file", full)
    status, out, _ = batch(inputs="memory://fleet", output="memory://fused")
    assert status == 1
    assert "quota exceeded" in json.loads(out)["failed"]["a"]
    assert [path for path in memory.find("/fused") if path.startswith("/fused/a")] == []


def test_storage_that_does_not_answer_is_named_and_nothing_is_done(
    memory: Any, batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(memory, tmp_path, "a")

    def silent(*_: Any, **__: Any) -> None:
        raise RuntimeError("Could not connect to the endpoint")

    monkeypatch.setattr(type(memory), "_open", silent)
    status, out, errors = batch(inputs="memory://fleet", output="memory://fused")
    assert (status, out) == (2, "")
    assert errors.count("\n") == 1
    assert "cannot be reached (Could not connect" in errors
    assert "memory://fused" in errors
    monkeypatch.setattr(type(memory), "find", silent)
    status, _, errors = batch(inputs="memory://fleet", output="out")
    assert status == 2
    assert errors.count("\n") == 1
    assert "memory://fleet cannot be reached (Could not connect" in errors
    assert not (tmp_path / "out").exists()


def test_an_address_of_no_known_kind_is_refused(batch: Batch) -> None:
    status, _, errors = batch(inputs="nowhere://fleet", output="out")
    assert status == 2
    assert errors.count("\n") == 1
    assert "nowhere" in errors


def test_a_library_that_is_not_installed_is_named(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from fsspec.registry import _registry

    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(_registry, "gs", raising=False)  # it may have been imported before
    status, _, errors = batch(inputs="gs://fleet", output="out")
    assert status == 1
    assert "lut_fuse_ros[gs]" in errors


def test_file_addresses_are_paths(tmp_path: Path) -> None:
    assert location(f"file://{tmp_path}/a%20b", Path()) == tmp_path / "a b"
