"""A batch that runs again makes an output again unless all of it is still there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import bags
import cv2
import foreign_bags as foreign
import numpy as np
import pytest
from batch_work import in_this_process, task
from test_staging import write_bag

from lut_fuse_core.bag import BagOptions
from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.batch.manifest import Manifest, Recipe
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.task import BagSettings, Task
from lut_fuse_core.batch.work import fuse_input
from lut_fuse_core.cli import batch_run as command
from lut_fuse_core.cli import main
from lut_fuse_core.io.video_writer import write_video
from lut_fuse_core.pipeline.config import PipelineConfig

Batch = Callable[..., dict[str, Any]]
Harm = Callable[[Path], None]


@pytest.fixture
def batch(
    tmp_path: Path, model_file: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Batch:  # fmt: skip
    """Run a job in this process; returns what it prints as JSON."""
    monkeypatch.setattr(command, "run_tasks", in_this_process)

    def run(*words: str, **keys: Any) -> dict[str, Any]:
        settings = {"model": str(model_file), "backend": "reference"}
        path = tmp_path / "job.yaml"
        path.write_text(json.dumps({"output": "out", "settings": settings, **keys}))
        main(["batch", str(path), "--json", *words])
        return json.loads(capsys.readouterr().out)

    return run


def remove(name: str) -> Harm:
    return lambda output: (output / name).unlink()


def truncate(name: str) -> Harm:
    def harm(output: Path) -> None:
        path = output / name if name else output
        path.write_bytes(path.read_bytes()[:-10])

    return harm


def replace_by_a_file(output: Path) -> None:
    shutil.rmtree(output)
    output.write_text("moved")


def empty(output: Path) -> None:
    for path in output.iterdir():
        path.unlink()


def content_of(output: Path) -> dict[str, bytes]:
    files = [output] if output.is_file() else sorted(output.iterdir())
    return {path.name: path.read_bytes() for path in files}


def check_it_is_made_again(run: Batch, keys: dict[str, Any], output: Path, reason: str) -> None:
    """The output is damaged; `run` with these keys says why it makes it again, and does."""
    (plan,) = run("--dry-run", **keys)["to_fuse"]
    assert plan["reason"] == reason
    report = run(**keys)
    assert (report["failed"], report["fused"], report["unchanged"]) == ({}, 1, 1)
    assert run(**keys)["unchanged"] == 2


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize(
    ("harm", "file", "reason"),
    [
        (remove, "metadata.yaml", "its output lacks metadata.yaml"),
        (truncate, "metadata.yaml", "its output has another metadata.yaml"),
        (remove, "a{suffix}", "its output lacks a{suffix}"),
        (truncate, "a{suffix}", "its output has another a{suffix}"),
    ],
)
def test_a_bag_that_lost_a_file_or_a_part_of_one_is_fused_again(
    batch: Batch, tmp_path: Path, storage: str, harm: Callable[[str], Harm], file: str, reason: str
) -> None:
    suffix = {"mcap": ".mcap", "sqlite3": ".db3"}[storage]
    for name in ("a", "b"):
        write_bag(tmp_path / "recordings" / name)
    keys = {"inputs": "recordings", "bag": {"storage": storage}}
    batch(**keys)
    output = tmp_path / "out" / "a"
    before = content_of(output)
    harm(file.format(suffix=suffix))(output)
    check_it_is_made_again(batch, keys, output, reason.format(suffix=suffix))
    assert {name: len(data) for name, data in content_of(output).items()} == {
        name: len(data) for name, data in before.items()
    }


@pytest.mark.parametrize("again", [False, True])
def test_an_emptied_folder_is_no_bag(batch: Batch, tmp_path: Path, again: bool) -> None:
    for name in ("a", "b"):
        write_bag(tmp_path / "recordings" / name)
    keys = {"inputs": "recordings"}
    batch(**keys)
    output = tmp_path / "out" / "a"
    for _ in range(1 + again):
        empty(output)
        check_it_is_made_again(batch, keys, output, "its output lacks a.mcap")
    assert len(bags.read_mcap(output)["/fused/image"]) == 2


def test_what_is_left_of_a_bag_is_not_replaced_where_something_else_lies_beside_it(
    batch: Batch, tmp_path: Path
) -> None:
    write_bag(tmp_path / "recordings" / "a")
    batch(inputs="recordings")
    output = tmp_path / "out" / "a"
    (output / "metadata.yaml").unlink()
    (output / "notes.txt").write_text("mine")
    assert "holds more than a bag (notes.txt)" in batch(inputs="recordings")["failed"]["a"]
    assert content_of(output).keys() == {"a.mcap", "notes.txt"}
    (output / "notes.txt").unlink()  # the failure has not made it forget what is its own
    assert batch(inputs="recordings")["fused"] == 1


def test_what_has_come_to_an_output_does_not_matter(batch: Batch, tmp_path: Path) -> None:
    write_bag(tmp_path / "recordings" / "a")
    batch(inputs="recordings")
    (tmp_path / "out" / "a" / "notes.txt").write_text("mine")
    assert batch(inputs="recordings")["unchanged"] == 1


def test_a_folder_of_another_bag_is_not_taken_for_the_rest_of_an_output(
    batch: Batch, tmp_path: Path
) -> None:
    write_bag(tmp_path / "recordings" / "a")
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "a.mcap").write_text("recorded, and not closed")
    assert "is no bag" in batch(inputs="recordings")["failed"]["a"]
    assert (tmp_path / "out" / "a" / "a.mcap").read_text() == "recorded, and not closed"


def write_folders(root: Path) -> dict[str, Any]:
    """Two pairs of folders, two pairs of images in each; the job that fuses them."""
    for site in ("x", "y"):
        for camera, image in (("rgb", foreign.color), ("thermal", foreign.counts)):
            folder = root / "sets" / site / camera
            folder.mkdir(parents=True)
            for index in range(2):
                cv2.imwrite(str(folder / f"{index}.png"), image(index))
    return {"inputs": [{"visible": "sets/*/rgb", "infrared": "sets/*/thermal"}]}


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (remove("1.png"), "its output lacks 1.png"),
        (truncate("0.png"), "its output has another 0.png"),
        (empty, "its output lacks 0.png"),
        (shutil.rmtree, "its output is missing"),
    ],
)
def test_a_folder_that_lost_an_image_is_fused_again(
    batch: Batch, tmp_path: Path, harm: Harm, reason: str
) -> None:
    keys = write_folders(tmp_path)
    batch(**keys)
    output = tmp_path / "out" / "x" / "rgb"
    before = content_of(output)
    harm(output)
    check_it_is_made_again(batch, keys, output, reason)
    assert content_of(output) == before


def test_a_folder_that_holds_more_than_images_is_not_replaced(batch: Batch, tmp_path: Path) -> None:
    keys = write_folders(tmp_path)
    batch(**keys)
    output = tmp_path / "out" / "x" / "rgb"
    (output / "0.png").unlink()
    (output / "labels.json").write_text("mine")
    assert "holds more than images (labels.json)" in batch(**keys)["failed"]["x/rgb"]
    assert (output / "labels.json").read_text() == "mine"


def test_a_file_in_place_of_a_folder_is_not_replaced(batch: Batch, tmp_path: Path) -> None:
    keys = write_folders(tmp_path)
    batch(**keys)
    output = tmp_path / "out" / "x" / "rgb"
    replace_by_a_file(output)
    assert "is a file; for folders" in batch(**keys)["failed"]["x/rgb"]
    assert output.read_text() == "moved"


@pytest.fixture
def videos(tmp_path: Path) -> dict[str, Any]:
    """Two pairs of videos; the job that fuses them."""
    pytest.importorskip("av")
    for site in ("x", "y"):
        for camera in ("rgb", "thermal"):
            with write_video(tmp_path / f"{site}_{camera}.mp4", (64, 48), 10) as writer:
                for number in range(4):
                    gray = foreign.color(number)[..., 0]
                    writer.write(np.dstack([gray] * 3), number / 10)
    return {"inputs": [{"visible": "*_rgb.mp4", "infrared": "*_thermal.mp4"}]}


@pytest.mark.parametrize(
    ("harm", "reason"),
    [(truncate(""), "its output is another file"), (Path.unlink, "its output is missing")],
)
def test_a_video_that_is_truncated_is_fused_again(
    batch: Batch, tmp_path: Path, videos: dict[str, Any], harm: Harm, reason: str
) -> None:
    batch(**videos)
    output = tmp_path / "out" / "x_rgb.mp4"
    before = len(output.read_bytes())
    harm(output)
    check_it_is_made_again(batch, videos, output, reason)
    assert len(output.read_bytes()) == before


def test_a_folder_in_place_of_a_video_is_not_replaced(
    batch: Batch, tmp_path: Path, videos: dict[str, Any]
) -> None:
    batch(**videos)
    output = tmp_path / "out" / "x_rgb.mp4"
    output.unlink()
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    assert "is a folder, but a video is a file" in batch(**videos)["failed"]["x_rgb.mp4"]
    assert (output / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["metadata.yaml", "a.mcap"])
def test_a_bag_in_object_storage_that_lost_a_file_is_fused_again(
    batch: Batch, tmp_path: Path, name: str
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="no fsspec: pip install universal-pathlib")
    pytest.importorskip("upath", reason="no UPath: pip install universal-pathlib")
    memory = fsspec.filesystem("memory")
    for bag in ("a", "b"):
        write_bag(tmp_path / "recordings" / bag)
    keys = {"inputs": "recordings", "output": "memory://whole"}
    try:
        batch(**keys)
        memory.rm(f"/whole/a/{name}")
        check_it_is_made_again(batch, keys, tmp_path, f"its output lacks {name}")
        assert memory.exists(f"/whole/a/{name}")
    finally:
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]


def test_a_run_that_is_killed_does_not_forget_which_files_are_its_own(tmp_path: Path) -> None:
    recipe = Recipe("{}", "model", "1")
    bag = write_bag(tmp_path / "bag")
    given = replace(task("bag"), input=BatchInput("bag", (bag,), Path("bag")))
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.files("bag") == {}
        manifest.start(given, "bag", recipe)
        manifest.finish("bag", Outcome("fused", files={"bag.mcap": 7}))
        manifest.start(given, "bag", recipe)
        assert manifest.files("bag") == {"bag.mcap": 7}
        manifest.finish("bag", Outcome("failed", error="no room"))
        assert manifest.files("bag") == {"bag.mcap": 7}


def test_the_outcome_of_a_task_names_the_files_of_its_output(
    tmp_path: Path, model_file: Path
) -> None:
    bag = write_bag(tmp_path / "bag")
    config = PipelineConfig(model=str(model_file), backend="reference")
    settings = BagSettings(BagOptions(overwrite=True))
    target = tmp_path / "out" / "bag"
    outcome = fuse_input(Task(BatchInput("bag", (bag,), Path("bag")), target, config, settings))
    assert outcome.files == {path.name: path.stat().st_size for path in target.iterdir()}
