"""What `lut-fuse batch` does with its options."""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.batch.cluster import RETRIES_ON_A_CLUSTER, connected, run_on_ray
from lut_fuse_core.batch.contents import extent
from lut_fuse_core.batch.inputs import find_inputs
from lut_fuse_core.batch.manifest import Manifest, Recipe, open_to_read, why
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.page import cause, render
from lut_fuse_core.batch.receipt import RECEIPTS, remove_receipt, remove_receipts
from lut_fuse_core.batch.staging import finished, remove_leftovers
from lut_fuse_core.batch.storage import MANIFEST, check_writable, deliver, is_remote, list_once
from lut_fuse_core.batch.task import Task
from lut_fuse_core.batch.workers import fuse_input, run_tasks
from lut_fuse_core.cli.batch_job import Job, job_of, make_tasks
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.cli.termination import tidy_termination
from lut_fuse_core.parallel import usable_cores

Execute = Callable[..., Iterator[tuple[Task, Outcome]]]
Started = Callable[[Task], None]


def run(options: argparse.Namespace) -> int:
    """Run the batch, or plan it.

    Args:
        options: Parsed options.

    Returns:
        The exit status: 1 if anything failed or could be used in part only, otherwise 0.

    Raises:
        InputError: For a job that cannot be run; then nothing was written.
        LutFuseError: If the manifest cannot be written.
        OSError: If the page or a folder cannot be written.
    """
    job = job_of(options)
    inputs = find_inputs(job.sources, job.output, job.base)
    tasks, recipes = make_tasks(job, inputs)
    if is_remote(job.output):
        list_once(job.output)
    if options.dry_run:
        return _say_plan(job, tasks, recipes, options.json)
    if is_remote(job.output):
        check_writable(job.output)
    with _executor(job, tasks) as execute, Manifest(job.manifest) as manifest:
        with tidy_termination():
            results = _fuse_all(job, tasks, recipes, manifest, execute)
        page = _write_page(job, manifest)
    _say(results, page, options.json)
    return 1 if results.failed or results.partly else 0


@contextmanager
def _executor(job: Job, tasks: Sequence[Task]) -> Iterator[Execute]:
    """What runs the tasks: processes of this machine, or a cluster."""
    if job.ray is not None:
        retries = RETRIES_ON_A_CLUSTER if job.retries is None else job.retries
        with connected(job.ray, tasks) as ray:
            yield partial(run_on_ray, ray, work=fuse_input, retries=retries)
        return

    def run_here(given: Sequence[Task], started: Started) -> Iterator[tuple[Task, Outcome]]:
        workers = min(job.workers or usable_cores(), max(1, len(given)))
        threads = max(1, usable_cores() // workers)
        return run_tasks(
            [_with_threads(task, threads) for task in given],
            fuse_input,
            workers=workers,
            threads=threads,
            retries=job.retries or 0,
            started=started,
        )

    yield run_here


def _fuse_all(
    job: Job,
    tasks: Sequence[Task],
    recipes: dict[str, Recipe],
    manifest: Manifest,
    execute: Execute,
) -> _Results:
    """Run the tasks that are to be run, and note their outcomes."""
    _adopt(job, manifest)
    remove_leftovers(task.target for task in tasks)
    waiting = [
        replace(
            task,
            receipt=job.output / RECEIPTS / f"{uuid.uuid4().hex}.json",
            earlier=frozenset(manifest.files(_name(task))),
        )
        for task in tasks
        if manifest.why(task, _name(task), recipes[task.input.kind]) is not None
    ]
    results = _Results(len(tasks) - len(waiting))
    sizes = {_name(task): extent(task.input.paths)[0] for task in waiting}

    def started(task: Task) -> None:
        manifest.start(task, _name(task), recipes[task.input.kind])

    with progress_bar("batch", "bytes") as show:
        done, total = 0, sum(sizes.values())
        show(0, total)
        for task, outcome in execute(waiting, started=started):
            name = _name(task)
            manifest.finish(name, outcome)
            if task.receipt is not None and outcome.state != "failed":
                remove_receipt(task.receipt)
            results.add(name, outcome)
            done += sizes[name]
            show(done, total)
    remove_leftovers(task.target for task in waiting)  # of workers that were killed
    remove_receipts(job.output)
    return results


def _adopt(job: Job, manifest: Manifest) -> None:
    """Note what was finished by an earlier run that was killed before it noted it."""
    for output, receipt in manifest.under_way():
        outcome = finished(job.output / output, receipt)
        if outcome is not None:
            manifest.finish(output, outcome)
            remove_receipt(receipt)


def _write_page(job: Job, manifest: Manifest) -> Path:
    """Write the page; of remote outputs also copy it and the manifest to them."""
    page = job.manifest / "batch.html"
    text = render(manifest.rows(), f"Batch: {job.output.name}", manifest.thumbnail)
    with atomic_write(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    if is_remote(job.output):
        manifest.flush()
        for path in (page, job.manifest / MANIFEST):
            deliver(path, job.output / path.name)
    return page


class _Results:
    """What became of the tasks of this run."""

    def __init__(self, unchanged: int) -> None:
        self.unchanged, self.fused, self.pairs = unchanged, 0, 0
        self.failed: dict[str, str] = {}
        self.partly: dict[str, str] = {}

    def add(self, name: str, outcome: Outcome) -> None:
        self.pairs += outcome.pairs
        if outcome.state == "failed":
            self.failed[name] = outcome.error
        else:
            self.fused += 1
            if outcome.state == "partly":
                self.partly[name] = outcome.error


def _say(results: _Results, page: Path, as_json: bool) -> None:
    if as_json:
        facts = {**vars(results), "page": str(page)}
        print(json.dumps(facts, indent=2))
        return
    for what, problems in (("failed", results.failed), ("fused in part", results.partly)):
        groups = Counter(cause(words) for words in problems.values())
        for words, count in groups.most_common():
            names = [name for name, error in problems.items() if cause(error) == words]
            more = f" and {count - 3} more" if count > 3 else ""
            first = problems[names[0]]
            print(f"lut-fuse: {what}: {', '.join(names[:3])}{more}: {first}", file=sys.stderr)
    print(
        f"{results.fused} inputs fused ({results.pairs} pairs), {len(results.failed)} failed, "
        f"{results.unchanged} unchanged: {page}"
    )


def _say_plan(job: Job, tasks: Sequence[Task], recipes: dict[str, Recipe], as_json: bool) -> int:
    opened = open_to_read(job.manifest)
    plan = []
    with nullcontext() if opened is None else closing(opened) as database:
        for task in tasks:
            reason = why(database, task, _name(task), recipes[task.input.kind])
            if reason is not None:
                given = [str(path) for path in task.input.paths]
                plan.append({"input": given, "output": str(task.target), "reason": reason})
    unchanged = len(tasks) - len(plan)
    if as_json:
        print(json.dumps({"to_fuse": plan, "unchanged": unchanged}, indent=2))
        return 0
    for each in plan:
        print(f"{' + '.join(each['input'])} -> {each['output']} ({each['reason']})")
    print(f"{len(plan)} inputs to fuse, {unchanged} unchanged; nothing was done")
    return 0


def _name(task: Task) -> str:
    return str(task.input.target)


def _with_threads(task: Task, threads: int) -> Task:
    if task.config.threads is not None:
        return task
    return replace(task, config=replace(task.config, threads=threads))
