"""What a worker does with a task; the process that hands them out imports none of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from lut_fuse_core.batch.contents import content_hash, sizes_of
from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.sample import SampledPipeline
from lut_fuse_core.batch.staging import commit, finished, staged
from lut_fuse_core.batch.storage import UnreachableError, fetch, is_remote, scratch_folder
from lut_fuse_core.batch.task import BagSettings, FileSettings, Task
from lut_fuse_core.errors import InputError, LutFuseError, describe
from lut_fuse_core.fuser import Fuser
from lut_fuse_core.pipeline.config import PipelineConfig


def fuse_input(task: Task) -> Outcome:
    """Fuse one input, whole or not at all.

    A task that was finished by a worker that was lost afterwards is not run again.

    Args:
        task: The task.

    Returns:
        The outcome, also of input or a machine that something is wrong with.
    """
    start = time.perf_counter()
    try:
        done = finished(task.target, task.receipt)
        if done is not None:
            return done
        _check_target(task)
        with _nearby(task.input) as near, staged(task.target, task.receipt) as place:
            outcome = _fuse(replace(task, input=near, target=place))
            outcome = replace(
                outcome,
                digest=content_hash(near.paths),
                files=sizes_of(place),
                seconds=time.perf_counter() - start,
            )
            commit(place, task.target, task.receipt, outcome)
        return outcome
    except UnreachableError as error:
        outcome = Outcome("failed", error=str(error), passing=True)
    except InputError as error:
        outcome = Outcome("failed", error=str(error))
    except (LutFuseError, MemoryError) as error:
        outcome = Outcome("failed", error=str(error) or "no memory left", passing=True)
    except ModuleNotFoundError as error:
        outcome = Outcome("failed", error=f"the worker lacks the Python package '{error.name}'")
    except OSError as error:
        outcome = Outcome("failed", error=describe(error), passing=True)
    return replace(outcome, seconds=time.perf_counter() - start)


@contextmanager
def _nearby(source: BatchInput) -> Iterator[BatchInput]:
    """The input, with local copies of what is remote."""
    if not any(map(is_remote, source.paths)):
        yield source
        return
    with scratch_folder() as folder:
        paths = []
        for number, path in enumerate(source.paths):
            own = folder / str(number)
            own.mkdir()
            paths.append(fetch(path, own) if is_remote(path) else path)
        yield replace(source, paths=tuple(paths))


def _check_target(task: Task) -> None:
    """Raises InputError where something else than an output of the same kind would be replaced."""
    target = task.target
    if is_remote(target):
        return
    if task.input.kind == "bag":
        from lut_fuse_core.bag.writer import check_target

        source = task.input.paths[0]
        own = None if is_remote(source) else source
        check_target(target, own, overwrite=True, earlier=task.earlier)
    elif task.input.kind == "videos":
        if target.is_dir():
            raise InputError(f"{target} is a folder, but a video is a file; choose another output")
    elif target.exists():
        _check_folder(target)


def _check_folder(target: Path) -> None:
    from lut_fuse_core.io.image_files import IMAGE_SUFFIXES

    if not target.is_dir():
        raise InputError(f"{target} is a file; for folders the output must be a folder")
    names = (path.name for path in target.iterdir() if path.suffix.lower() not in IMAGE_SUFFIXES)
    if more := sorted(names):
        raise InputError(
            f"{target} holds more than images ({', '.join(more[:3])}); choose another output"
        )


def _fuse(task: Task) -> Outcome:
    config = task.config
    if task.auto_offset:
        config = replace(config, clock_offset=_offset(task))
    pipeline = SampledPipeline(config, _fuser(config))
    kinds: dict[str, Callable[[Task, SampledPipeline], Outcome]] = {
        "bag": _fuse_bag,
        "videos": _fuse_videos,
        "folders": _fuse_folders,
    }
    outcome = kinds[task.input.kind](task, pipeline)
    return replace(outcome, metrics=pipeline.metrics(), thumbnail=pipeline.thumbnail())


def _fuser(config: PipelineConfig) -> Fuser:
    """What fuses with these settings: that of the task before, as long as nothing became of it."""
    asked = config.model, config.backend, config.threads, config.gpu
    fuser = _made_fuser(*asked)
    if fuser.replaced:
        _made_fuser.cache_clear()
        fuser = _made_fuser(*asked)
    return fuser


_made_fuser = lru_cache(maxsize=1)(Fuser)


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
    if not report.pairs:
        raise InputError(
            f"no frame of {visible} has an infrared frame near it in time; check clock_offset"
        )
    return _outcome(report.pairs, list(report.damaged))


def _fuse_folders(task: Task, pipeline: SampledPipeline) -> Outcome:
    from lut_fuse_core.files.folders import FolderOptions
    from lut_fuse_core.files.fusing import fuse_files

    assert isinstance(task.settings, FileSettings)
    visible, infrared = task.input.paths
    options = FolderOptions(task.settings.sequence, task.settings.suffix)
    report = fuse_files(visible, infrared, task.target, pipeline, options)
    if not report.pairs:
        raise InputError("; ".join(report.failed.values()) or "no pair could be fused")
    return _outcome(report.pairs, [f"{name}: {why}" for name, why in report.failed.items()])


def _outcome(pairs: int, problems: list[str]) -> Outcome:
    return Outcome("partly" if problems else "fused", pairs, error="; ".join(problems))
