"""What a worker keeps from one task to the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bags
import cv2
import foreign_bags as foreign
import pytest
from test_staging import write_bag

from lut_fuse_core import __version__, fuser, load_model
from lut_fuse_core.bag import BagOptions
from lut_fuse_core.batch import cluster, work, workers
from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.batch.sample import SampledPipeline
from lut_fuse_core.batch.task import BagSettings, Task
from lut_fuse_core.batch.work import fuse_input
from lut_fuse_core.pipeline.config import PipelineConfig

Fuse = Callable[[str, int], None]


@pytest.fixture
def fuse(tmp_path: Path, model_file: Path) -> Fuse:
    """Fuses a bag to an output of a name, on so many threads."""
    entries = []
    for index in range(2):
        stamp = bags.START + index * foreign.STEP
        entries += [
            bags.image(foreign.VISIBLE, foreign.color(index), "rgb8", stamp),
            bags.image(foreign.INFRARED, foreign.counts(index), "16UC1", stamp),
        ]
    source = BatchInput("bag", (bags.write(tmp_path / "bag", entries),), Path("bag"))

    def run(name: str, threads: int) -> None:
        config = PipelineConfig(model=str(model_file), backend="reference", threads=threads)
        settings = BagSettings(BagOptions(overwrite=True))
        outcome = fuse_input(Task(source, tmp_path / "out" / name, config, settings))
        assert (outcome.state, outcome.pairs) == ("fused", 2)

    return run


def test_the_model_is_loaded_once_for_tasks_with_the_same_settings(
    fuse: Fuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    load = fuser.load_model
    monkeypatch.setattr(fuser, "load_model", lambda name: loaded.append(name) or load(name))
    fuse("a", 3)
    fuse("b", 3)
    assert len(loaded) == 1
    fuse("c", 4)
    assert len(loaded) == 2


def test_a_backend_that_was_given_up_for_one_input_is_tried_again_for_the_next(
    fuse: Fuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipelines: list[SampledPipeline] = []

    def kept(*arguments: Any) -> SampledPipeline:
        pipelines.append(SampledPipeline(*arguments))
        return pipelines[-1]

    monkeypatch.setattr(work, "SampledPipeline", kept)
    fuse("a", 5)
    pipelines[0].fuser.replaced = "'cuda' failed while running"
    fuse("b", 5)
    assert pipelines[1].fuser is not pipelines[0].fuser
    assert not pipelines[1].fuser.replaced


def test_a_model_that_comes_with_each_task_as_on_a_cluster_is_made_ready_once(
    tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(cv2, "setNumThreads", lambda count: None)
    monkeypatch.setattr(cluster, "_MODELS", {})
    made = []
    create = fuser.create_backend
    monkeypatch.setattr(
        fuser, "create_backend", lambda *asked: made.append(asked) or create(*asked)
    )
    bag = BatchInput("bag", (write_bag(tmp_path / "bag"),), Path("bag"))
    config = PipelineConfig(model=str(model_file), backend="reference", threads=1)
    settings = BagSettings(BagOptions(overwrite=True))
    for name in ("a", "b"):
        task = Task(bag, tmp_path / "out" / name, config, settings)
        model = load_model(model_file)
        outcome = cluster._attempt(task, model, workers.fuse_input, 1, __version__)
        assert (outcome.state, outcome.pairs) == ("fused", 2)
    assert len(made) == 1
