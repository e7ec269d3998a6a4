"""`lut-fuse batch`: fuse many recordings, and go on where it was left."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import yaml

from lut_fuse_core import __version__
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.batch.inputs import BatchInput, Source, find_inputs
from lut_fuse_core.batch.manifest import Manifest, Recipe, extent, open_to_read, why
from lut_fuse_core.batch.page import cause, render
from lut_fuse_core.batch.task import (
    BagSettings,
    FileSettings,
    Outcome,
    Task,
    fuse_input,
    remove_leftovers,
)
from lut_fuse_core.batch.workers import run_tasks
from lut_fuse_core.cli.pipeline_options import pipeline_config
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.cli.termination import tidy_termination
from lut_fuse_core.cli.time_options import timed
from lut_fuse_core.errors import InputError
from lut_fuse_core.model.file import model_path
from lut_fuse_core.parallel import usable_cores
from lut_fuse_core.pipeline.config import PipelineConfig

DESCRIPTION = """\
Fuse many bags, pairs of videos and pairs of image folders, in several processes of this machine.

The outputs mirror the inputs below the output folder; each is written whole or not at all.
Beside them are batch.sqlite, a manifest that can be read while it is written (input, its size and
hash, settings, model, version, result, pairs, metrics, seconds, error), and batch.html, a page
about all of it. Run again, it does what is new, changed, interrupted or failed, and nothing else.
A bad input stops no other. The exit status is 1 if anything failed or could be used in part only.
"""

EXAMPLES = """\
examples:
  lut-fuse batch recordings -o fused
      every bag in the folder 'recordings' and its folders
  lut-fuse batch 'site*/**/*.mcap' -o fused --dry-run
      what would be done, and why
  lut-fuse batch JOB.yaml

a job file:
  inputs:
    - recordings
    - visible: clips/*/rgb.mp4
      infrared: clips/*/thermal.mp4
  output: fused
  workers: 4
  settings: {strength: 0.8}              # options of both 'lut-fuse bag' and 'lut-fuse fuse'
  bag: {tolerance: 0.05, output: jpeg}   # of 'lut-fuse bag'
  fuse: {resize: true, format: jpg}      # of 'lut-fuse fuse'
Paths in it are relative to its folder.
"""

_KEYS = ("inputs", "output", "workers", "retry", "settings", "bag", "fuse")
_NOT_SETTINGS = {"bag": ("json", "overwrite", "help"), "fuse": ("json", "output", "help")}


@dataclass(frozen=True)
class Job:
    """What a batch is to do.

    Attributes:
        sources: Where inputs are looked for.
        output: Folder of the outputs.
        base: Folder that relative paths of inputs start from.
        workers: Processes; None for one per usable core.
        retries: How often a task is done again whose failure may pass.
        settings: Options by section: ``settings``, ``bag``, ``fuse``.
    """

    sources: tuple[Source, ...]
    output: Path
    base: Path
    workers: int | None = None
    retries: int = 0
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "batch",
        help="fuse many bags, videos and folders",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs",
        metavar="JOB|INPUT",
        nargs="+",
        help="job file (.yaml), or bags, folders with bags and patterns of them",
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="folder of the outputs, if no job file"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes (default: one per usable core)"
    )
    parser.add_argument(
        "--retry",
        type=int,
        metavar="N",
        help="do again, up to N times, what failed for a reason that may pass: no room on the "
        "disk, no memory, a killed process (default: 0)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and why; write nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do the batch; 1 when anything failed or could be used in part only."""
    job = _job(options)
    inputs = find_inputs(job.sources, job.output, job.base)
    tasks, recipes = _tasks(job, inputs)
    if options.dry_run:
        return _say_plan(job, tasks, recipes)
    workers = min(job.workers or usable_cores(), len(tasks))
    with Manifest(job.output) as manifest:
        names = {task: _name(task, job) for task in tasks}
        open_tasks = [
            task
            for task in tasks
            if manifest.why(task, names[task], recipes[task.input.kind]) is not None
        ]
        for task in open_tasks:
            remove_leftovers(task.target)
        results = _Results(len(tasks) - len(open_tasks))
        threads = max(1, usable_cores() // max(1, workers))
        sizes = {task: extent(task.input.paths)[0] for task in open_tasks}
        total = sum(sizes.values())
        with tidy_termination(), progress_bar("batch", "bytes") as show:
            done = 0
            show(0, total)
            for task, outcome in run_tasks(
                [_with_threads(task, threads) for task in open_tasks],
                fuse_input,
                workers=workers,
                threads=threads,
                retries=job.retries,
                started=lambda task: manifest.start(
                    task, _name(task, job), recipes[task.input.kind]
                ),
            ):
                name = _name(task, job)
                manifest.finish(name, outcome)
                results.add(name, outcome)
                done += extent(task.input.paths)[0]
                show(done, total)
        rows = manifest.rows()
    page = job.output / "batch.html"
    with atomic_write(page) as temporary:
        temporary.write_text(render(rows, f"Batch: {job.output.name}"), encoding="utf-8")
    _say(results, page, options.json)
    return 1 if results.failed or results.partly else 0


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


def _say_plan(job: Job, tasks: Sequence[Task], recipes: dict[str, Recipe]) -> int:
    database = open_to_read(job.output)
    count = 0
    for task in tasks:
        name = _name(task, job)
        reason = why(database, task, name, recipes[task.input.kind])
        if reason is not None:
            count += 1
            print(f"{task.input} -> {task.target} ({reason})")
    print(f"{count} inputs to fuse, {len(tasks) - count} unchanged; nothing was done")
    if database is not None:
        database.close()
    return 0


def _name(task: Task, job: Job) -> str:
    return str(task.target.relative_to(job.output))


def _with_threads(task: Task, threads: int) -> Task:
    if task.config.threads is not None:
        return task
    return replace(task, config=replace(task.config, threads=threads))


def _job(options: argparse.Namespace) -> Job:
    """The job file, or the inputs that are named instead, with what other options say."""
    files = [each for each in options.inputs if Path(each).suffix in (".yaml", ".yml")]
    if files and len(options.inputs) > 1:
        raise InputError("pass one job file, or inputs, not both")
    if files:
        job = read_job(Path(files[0]))
        if options.output is not None:
            job = replace(job, output=options.output)
    elif options.output is None:
        raise InputError("where to? pass -o DIR, or a job file that says it")
    else:
        sources = tuple(Source(each) for each in options.inputs)
        job = Job(sources, options.output, Path())
    workers = job.workers if options.workers is None else options.workers
    retries = job.retries if options.retry is None else options.retry
    if workers is not None and not 1 <= workers <= 1024:
        raise InputError(f"the number of workers is {workers}; it must be 1 to 1024")
    if retries < 0:
        raise InputError(f"the number of retries is {retries}; it must be 0 or more")
    return replace(job, workers=workers, retries=retries)


def read_job(path: Path) -> Job:
    """A job file.

    Raises:
        InputError: For one that cannot be used; names the key.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no job file {path}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as YAML ({reason})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is no job file: keys like 'inputs' and 'output' are expected")
    for key in content:
        if key not in _KEYS:
            raise InputError(f"{path}: unknown key '{key}'{_guess(str(key), _KEYS)}")
    for key in ("inputs", "output"):
        if not content.get(key):
            raise InputError(f"{path}: '{key}' is missing")
    base = path.parent
    numbers = {key: content.get(key) for key in ("workers", "retry")}
    for key, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise InputError(f"{path}: '{key}' is {value!r}; it must be a whole number")
    sections = {key: content.get(key) or {} for key in ("settings", "bag", "fuse")}
    for key, section in sections.items():
        if not isinstance(section, dict):
            raise InputError(f"{path}: '{key}' must hold options and values")
    return Job(
        tuple(_source(each, path) for each in _listed(content["inputs"])),
        base / str(content["output"]),
        base,
        numbers["workers"],
        numbers["retry"] or 0,
        sections,
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _source(value: Any, path: Path) -> Source:
    if isinstance(value, str):
        return Source(value)
    if isinstance(value, dict) and value.keys() == {"visible", "infrared"}:
        return Source(str(value["visible"]), str(value["infrared"]))
    raise InputError(
        f"{path}: an input is {value!r}; it must be a path, a pattern, or 'visible' and 'infrared'"
    )


def _guess(key: str, known: Sequence[str]) -> str:
    near = get_close_matches(key, known, 1)
    return f"; is '{near[0]}' meant?" if near else f"; known are {', '.join(known)}"


def _tasks(job: Job, inputs: Sequence[BatchInput]) -> tuple[list[Task], dict[str, Recipe]]:
    """A task for every input, and what the outputs of each kind depend on."""
    makers: dict[str, Callable[[BatchInput], Task]] = {}
    recipes: dict[str, Recipe] = {}
    for kind in {each.kind for each in inputs}:
        command = "bag" if kind == "bag" else "fuse"
        settings = {**_common(job, command), **job.settings.get(command, {})}
        makers[kind], config = _maker(kind, command, settings, job)
        recipes[kind] = Recipe(
            json.dumps(settings, sort_keys=True, default=str), _model_hash(config), __version__
        )
    return [makers[each.kind](each) for each in inputs], recipes


def _common(job: Job, command: str) -> dict[str, Any]:
    return dict(job.settings.get("settings", {}))


def _maker(
    kind: str, command: str, settings: dict[str, Any], job: Job
) -> tuple[Callable[[BatchInput], Task], PipelineConfig]:
    """How inputs of a kind become tasks, and the pipeline's settings. Raises InputError."""
    options = _parsed(command, settings)
    automatic = options.clock_offset == "auto"
    if automatic:
        options.clock_offset = "0"
    made: BagSettings | FileSettings
    if command == "bag":
        from lut_fuse_core.cli.bag import read_bag_config, read_bag_options

        bag_options = dataclasses.replace(read_bag_options(options), overwrite=True)
        made = BagSettings(bag_options)
        config = read_bag_config(options, bag_options, _never)
    else:
        made = FileSettings(options.sequence, f".{options.format}")
        config = timed(pipeline_config(options, resize=options.resize), options, _never)

    def make(source: BatchInput) -> Task:
        return Task(source, job.output / source.target, config, made, automatic)

    return make, config


def _never() -> NoReturn:
    raise AssertionError("the offset is estimated where the input is fused")


def _parsed(command: str, settings: dict[str, Any]) -> argparse.Namespace:
    """Settings of a job, checked as the options of a subcommand. Raises InputError."""
    from importlib import import_module

    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    import_module(f"lut_fuse_core.cli.{command}").add_parser(subparsers)
    subparser = subparsers.choices[command]
    known = {
        flag.removeprefix("--").replace("-", "_")
        for flag in subparser._option_string_actions
        if flag.startswith("--")
    } - set(_NOT_SETTINGS[command])
    words: list[str] = []
    for key, value in settings.items():
        name = str(key).replace("-", "_")
        if name not in known:
            guess = _guess(name, sorted(known))
            raise InputError(f"'{key}' is no setting of 'lut-fuse {command}'{guess}")
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] if value else []
        elif isinstance(value, list):
            words += [flag, *map(str, value)]
        else:
            words.append(f"{flag}={value}")
    words += ["IN", "OUT"] if command == "bag" else ["VISIBLE", "INFRARED", "-o", "OUT"]

    def refuse(message: str) -> NoReturn:
        raise InputError(f"settings of 'lut-fuse {command}': {message}")

    subparser.error = refuse  # type: ignore[method-assign]
    return subparser.parse_args(words)


def _model_hash(config: PipelineConfig) -> str:
    """Hash of the model's file.

    Raises:
        ModelError: If there is none.
    """
    assert isinstance(config.model, str)
    path = model_path(config.model)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"the model {path} cannot be read ({error.strerror})") from None
