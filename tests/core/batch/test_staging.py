"""Outputs that were complete when their worker or the batch was killed are not made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bags
import foreign_bags as foreign
import pytest

from lut_fuse_core.bag import BagOptions
from lut_fuse_core.batch import staging, work
from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.batch.manifest import Manifest
from lut_fuse_core.batch.receipt import read_receipt
from lut_fuse_core.batch.task import BagSettings, Task
from lut_fuse_core.batch.work import fuse_input
from lut_fuse_core.cli import main
from lut_fuse_core.cli.batch_job import job_of, make_tasks
from lut_fuse_core.pipeline.config import PipelineConfig


class KilledError(BaseException):
    """Ends a worker as a kill does: nothing that follows is done."""


def write_bag(path: Path, pairs: int = 2) -> Path:
    entries = []
    for index in range(pairs):
        stamp = bags.START + index * foreign.STEP
        entries += [
            bags.image(foreign.VISIBLE, foreign.color(index), "rgb8", stamp),
            bags.image(foreign.INFRARED, foreign.counts(index), "16UC1", stamp),
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    return bags.write(path, entries)


@pytest.fixture
def given(tmp_path: Path, model_file: Path) -> Task:
    """A bag to be fused."""
    bag = write_bag(tmp_path / "bag")
    return Task(
        BatchInput("bag", (bag,), Path("bag")),
        tmp_path / "out" / "bag",
        PipelineConfig(model=str(model_file), backend="reference"),
        BagSettings(BagOptions(overwrite=True)),
        receipt=tmp_path / "out" / ".batch" / "0123456789abcdef.json",
    )


def kill_at(monkeypatch: pytest.MonkeyPatch, name: str, *, after: bool) -> None:
    """Have the worker killed when it comes to a step, before or after it."""
    step: Callable[..., None] = getattr(staging, name)

    def killed(*arguments: object) -> None:
        if after:
            step(*arguments)
        raise KilledError

    monkeypatch.setattr(staging, name, killed)
    # What is killed tidies nothing up.
    monkeypatch.setattr(staging.shutil, "rmtree", lambda *_, **__: None)
    monkeypatch.setattr(staging, "remove_receipt", lambda *_: None)


@pytest.mark.parametrize(
    ("step", "after"), [("write_receipt", True), ("_put", False), ("_put", True)]
)
def test_an_output_that_was_complete_when_its_worker_was_killed_is_put_in_its_place(
    given: Task, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    with monkeypatch.context() as patched:
        kill_at(patched, step, after=after)
        with pytest.raises(KilledError):
            fuse_input(given)

    def unexpected(*_: object) -> None:
        raise AssertionError("fused again")

    with monkeypatch.context() as patched:
        patched.setattr(work, "_fuse", unexpected)
        outcome = fuse_input(given)
    assert (outcome.state, outcome.pairs) == ("fused", 2)
    assert outcome.thumbnail[:2] == b"\xff\xd8"
    assert len(bags.read_mcap(given.target)["/fused/image"]) == 2
    assert list(given.target.parent.glob(".bag.*")) == []


def test_an_output_that_was_not_complete_is_made_again(
    given: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        kill_at(patched, "write_receipt", after=False)
        with pytest.raises(KilledError):
            fuse_input(given)
    assert list(given.target.parent.glob(".bag.*.partial"))
    assert not given.target.exists()
    assert fuse_input(given).pairs == 2
    assert given.target.exists()
    assert list(given.target.parent.glob(".bag.*")) == []


def test_an_output_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    target, place = tmp_path / "bag", tmp_path / ".bag.0123.partial" / "bag"
    target.mkdir()
    place.parent.mkdir()
    with pytest.raises(FileNotFoundError):
        staging._put(place, target)
    assert target.is_dir()


def test_what_is_there_and_no_bag_is_not_replaced(given: Task) -> None:
    given.target.mkdir(parents=True)
    (given.target / "notes.txt").write_text("mine")
    outcome = fuse_input(given)
    assert (outcome.state, outcome.passing) == ("failed", False)
    assert "is no bag" in outcome.error
    assert (given.target / "notes.txt").read_text() == "mine"


def test_an_output_is_replaced_as_a_whole(given: Task, tmp_path: Path) -> None:
    fuse_input(replace(given, receipt=None))
    bag = write_bag(tmp_path / "longer", 3)
    source = BatchInput("bag", (bag,), Path("bag"))
    assert fuse_input(replace(given, input=source, receipt=None)).pairs == 3
    assert len(bags.read_mcap(given.target)["/fused/image"]) == 3


def test_a_killed_batch_takes_over_what_its_workers_finished(
    tmp_path: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bag(tmp_path / "recordings" / "a")
    path = tmp_path / "job.yaml"
    settings = {"model": str(model_file), "backend": "reference"}
    content = {"inputs": "recordings", "output": "out", "workers": 1, "settings": settings}
    path.write_text(json.dumps(content))
    from lut_fuse_core.cli import build_parser

    job = job_of(build_parser("batch").parse_args(["batch", str(path)]))
    source = BatchInput("bag", (tmp_path / "recordings" / "a",), Path("a"))
    (made,), recipes = make_tasks(job, [source])
    made = replace(made, receipt=tmp_path / "out" / ".batch" / "00112233.json")
    with Manifest(tmp_path / "out") as manifest:  # as far as the killed one came
        manifest.start(made, "a", recipes["bag"])
    fuse_input(made)
    assert read_receipt(made.receipt) is not None
    before = made.target.stat().st_ino
    assert main(["batch", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["fused"], report["unchanged"]) == (0, 1)
    assert made.target.stat().st_ino == before
    assert not (tmp_path / "out" / ".batch").exists()
    page = (tmp_path / "out" / "batch.html").read_text()
    assert "1 fused" in page
    assert "data:image/jpeg" in page
