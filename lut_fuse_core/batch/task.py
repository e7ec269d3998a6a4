"""One task of a batch: one input fused, whole or not at all. It is all that a worker must know."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.batch.sample import SampledPipeline
from lut_fuse_core.errors import InputError, LutFuseError, describe
from lut_fuse_core.pipeline.config import PipelineConfig

State = Literal["fused", "partly", "failed"]


@dataclass(frozen=True)
class BagSettings:
    """How bags are fused.

    Attributes:
        options: `BagOptions`, whose `overwrite` is always true here.
    """

    options: object


@dataclass(frozen=True)
class FileSettings:
    """How videos and folders are fused; see `fuse_files`.

    Attributes:
        sequence: Whether a folder holds consecutive frames.
        suffix: Of fused images.
    """

    sequence: bool = False
    suffix: str = ".png"


@dataclass(frozen=True)
class Task:
    """What to fuse, how, and where the result goes.

    Attributes:
        input: What.
        target: The output: a bag's folder, a video, a folder of images.
        config: Of the pipeline.
        settings: Of the kind of input.
        auto_offset: Whether the offset between the clocks is estimated from the input first.
    """

    input: BatchInput
    target: Path
    config: PipelineConfig
    settings: BagSettings | FileSettings
    auto_offset: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        state: ``fused``; ``partly`` where some of the input could not be used; ``failed``.
        pairs: Fused and written.
        seconds: It took.
        error: One sentence: why it failed, or what of the input was not used; empty otherwise.
        passing: Whether a failure may pass (a full disk, a process that was killed); bad input
            stays bad.
        digest: Hash of the input's content; empty if it was not read to its end.
        metrics: Of the fused images that were sampled, by name.
        thumbnail: A sampled pair and its fused image side by side, as JPEG; empty without any.
    """

    state: State
    pairs: int = 0
    seconds: float = 0.0
    error: str = ""
    passing: bool = False
    digest: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    thumbnail: bytes = b""


def fuse_input(task: Task) -> Outcome:
    """Fuse one input. Never raises for anything that is wrong with it, or with the machine."""
    start = time.perf_counter()
    try:
        outcome = _fuse(task)
    except InputError as error:
        outcome = Outcome("failed", error=str(error))
    except (LutFuseError, MemoryError) as error:
        outcome = Outcome("failed", error=str(error) or "no memory left", passing=True)
    except OSError as error:
        outcome = Outcome("failed", error=describe(error), passing=True)
    return replace(
        outcome, seconds=time.perf_counter() - start, digest=content_hash(task.input.paths)
    )


def _fuse(task: Task) -> Outcome:
    config = task.config
    if task.auto_offset:
        config = replace(config, clock_offset=_offset(task))
    pipeline = SampledPipeline(config)
    kinds: dict[str, Callable[[Task, SampledPipeline], Outcome]] = {
        "bag": _fuse_bag,
        "videos": _fuse_videos,
        "folders": _fuse_folders,
    }
    task.target.parent.mkdir(parents=True, exist_ok=True)
    outcome = kinds[task.input.kind](task, pipeline)
    return replace(outcome, metrics=pipeline.metrics(), thumbnail=pipeline.thumbnail())


def _offset(task: Task) -> float:
    if task.input.kind == "bag":
        from lut_fuse_core.bag import BagOptions, find_clock_offset

        assert isinstance(task.settings, BagSettings)
        options = task.settings.options
        assert isinstance(options, BagOptions)
        return find_clock_offset(task.input.paths[0], options.visible, options.infrared).seconds
    if task.input.kind == "videos":
        from lut_fuse_core.files.video_pairs import find_video_offset

        visible, infrared = task.input.paths
        return find_video_offset(visible, infrared).seconds
    raise InputError("--clock-offset auto is for bags and videos; images have no times")


def _fuse_bag(task: Task, pipeline: SampledPipeline) -> Outcome:
    from lut_fuse_core.bag import BagOptions, fuse_bag

    assert isinstance(task.settings, BagSettings)
    options = task.settings.options
    assert isinstance(options, BagOptions)
    report = fuse_bag(task.input.paths[0], task.target, pipeline, options)
    problems = [f"the bag is damaged: {report.damage}"] if report.damage else []
    if report.unusable:
        problems.append(f"{report.unusable} messages could not be used: {report.first_problem}")
    return _outcome(report.pairs, problems)


def _fuse_videos(task: Task, pipeline: SampledPipeline) -> Outcome:
    from lut_fuse_core.files.fusing import fuse_files

    visible, infrared = task.input.paths
    report = fuse_files(visible, infrared, task.target, pipeline)
    return _outcome(report.pairs, list(report.damaged))


def _fuse_folders(task: Task, pipeline: SampledPipeline) -> Outcome:
    from lut_fuse_core.files.folders import FolderOptions
    from lut_fuse_core.files.fusing import fuse_files

    assert isinstance(task.settings, FileSettings)
    aside = task.target.with_name(f".{task.target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        visible, infrared = task.input.paths
        options = FolderOptions(task.settings.sequence, task.settings.suffix)
        report = fuse_files(visible, infrared, aside, pipeline, options)
        if not report.pairs:
            raise InputError("; ".join(report.failed.values()) or "no pair could be fused")
        if task.target.exists():
            task.target.rename(aside / ".replaced")
        aside.rename(task.target)
        shutil.rmtree(task.target / ".replaced", ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return _outcome(report.pairs, [f"{name}: {why}" for name, why in report.failed.items()])


def _outcome(pairs: int, problems: list[str]) -> Outcome:
    return Outcome("partly" if problems else "fused", pairs, error="; ".join(problems))


def remove_leftovers(target: Path) -> None:
    """Remove what a killed process left beside a target."""
    for path in target.parent.glob(f".{glob_escape(target.name)}.*.partial"):
        shutil.rmtree(path, ignore_errors=True)


def glob_escape(name: str) -> str:
    """A name as a pattern that matches it alone."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def content_hash(paths: tuple[Path, ...]) -> str:
    """Hash of the content of files and folders; empty where they cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        for path in paths:
            for file in files_in(path):
                digest.update(str(file.relative_to(path.parent)).encode(errors="replace"))
                with file.open("rb") as stream:
                    while block := stream.read(1 << 20):
                        digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def files_in(path: Path) -> list[Path]:
    """A file, or the files in a folder, in order."""
    if path.is_file():
        return [path]
    return sorted(each for each in path.rglob("*") if each.is_file())
