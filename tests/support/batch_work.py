"""Tasks of a batch and work on them; worker processes import this file, so it brings in little."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.task import FileSettings, Task
from lut_fuse_core.pipeline.config import PipelineConfig


def task(name: str) -> Task:
    source = BatchInput("bag", (Path(name),), Path(name))
    return Task(source, Path(name), PipelineConfig(), FileSettings())


def dies_or_tells(given: Task) -> Outcome:
    name = given.input.paths[0].name
    if name == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome("fused", pairs=len(name))


def fails_at_first(given: Task) -> Outcome:
    mark = given.input.paths[0]
    if mark.exists():
        return Outcome("fused")
    mark.touch()
    return Outcome("failed", error="no room", passing=True)


def in_this_process(
    tasks: Any, work: Any, *, started: Any, **_: Any
) -> Iterator[tuple[Task, Outcome]]:
    """In place of `lut_fuse_core.batch.workers.run_tasks`, where no processes are tested."""
    for each in tasks:
        started(each)
        yield each, work(each)
