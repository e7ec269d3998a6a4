"""The job of a batch, from a job file or the command line, and its tasks."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from lut_fuse_core import __version__
from lut_fuse_core.batch.inputs import BatchInput, Source
from lut_fuse_core.batch.manifest import Recipe
from lut_fuse_core.batch.storage import is_remote, location
from lut_fuse_core.batch.task import BagSettings, FileSettings, Task
from lut_fuse_core.cli.pipeline_options import pipeline_config
from lut_fuse_core.cli.time_options import timed
from lut_fuse_core.errors import InputError
from lut_fuse_core.model.file import model_path
from lut_fuse_core.pipeline.config import PipelineConfig

_KEYS = ("inputs", "output", "manifest", "workers", "retry", "ray", "settings", "bag", "fuse")
_NOT_SETTINGS = {"bag": ("json", "overwrite", "help"), "fuse": ("json", "output", "help")}


@dataclass(frozen=True)
class Job:
    """What a batch is to do.

    Attributes:
        sources: Where inputs are looked for.
        output: Folder of the outputs; absolute.
        manifest: Folder of the manifest and the page, on this machine.
        base: Folder that relative paths of the job start from.
        workers: Number of processes of this machine; None for one per usable core.
        retries: How often a task is run again if its failure may pass; None for the default.
        ray: Address of a Ray cluster; None for processes of this machine.
        settings: Options and values by section: ``settings``, ``bag``, ``fuse``.
    """

    sources: tuple[Source, ...]
    output: Path
    manifest: Path
    base: Path
    workers: int | None = None
    retries: int | None = None
    ray: str | None = None
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


def job_of(options: argparse.Namespace) -> Job:
    """The job that parsed options ask for.

    Args:
        options: What the parser of `lut-fuse batch` returned.

    Returns:
        The job of the job file, or of the inputs that are named, with the other options.

    Raises:
        InputError: If it cannot be run.
    """
    files = [each for each in options.inputs if Path(each).suffix in (".yaml", ".yml")]
    if files and len(options.inputs) > 1:
        raise InputError("pass one job file, or inputs, not both")
    output = None if options.output is None else location(options.output, Path())
    if files:
        job = read_job(Path(files[0]), output)
    elif output is None:
        raise InputError("there is no folder for the outputs; pass -o DIR, or a job file with one")
    else:
        sources = tuple(Source(each) for each in options.inputs)
        job = Job(sources, output, _manifest(output, Path(output.name)), Path())
    job = replace(
        job,
        workers=job.workers if options.workers is None else options.workers,
        retries=job.retries if options.retry is None else options.retry,
        ray=job.ray if options.ray is None else options.ray,
    )
    if job.workers is not None and not 1 <= job.workers <= 1024:
        raise InputError(f"the number of workers is {job.workers}; it must be 1 to 1024")
    if job.retries is not None and job.retries < 0:
        raise InputError(f"the number of retries is {job.retries}; it must be 0 or more")
    return job


def _manifest(output: Path, near: Path) -> Path:
    """Default folder of the manifest: that of the outputs, of remote ones a local folder."""
    return near.with_suffix(".batch").absolute() if is_remote(output) else output


def read_job(path: Path, output: Path | None = None) -> Job:
    """Read a job file.

    Args:
        path: The file.
        output: Folder of the outputs; None for the one that the file names.

    Returns:
        The job.

    Raises:
        InputError: If the file cannot be used; names the key.
    """
    import yaml

    from lut_fuse_core.io.unique_keys import load_yaml

    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
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
    output = output or location(str(content["output"]), base)
    manifest = content.get("manifest")
    return Job(
        tuple(_source(each, path) for each in _listed(content["inputs"])),
        output,
        _manifest(output, path) if manifest is None else (base / str(manifest)).absolute(),
        base,
        numbers["workers"],
        numbers["retry"],
        None if content.get("ray") is None else str(content["ray"]),
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


def make_tasks(job: Job, inputs: Sequence[BatchInput]) -> tuple[list[Task], dict[str, Recipe]]:
    """Make a task for every input.

    Args:
        job: The job.
        inputs: The inputs.

    Returns:
        The tasks in the order of the inputs, and by kind of input what the outputs depend on.

    Raises:
        InputError: For settings or a model that cannot be used.
    """
    makers: dict[str, Callable[[BatchInput], Task]] = {}
    recipes: dict[str, Recipe] = {}
    for kind in {each.kind for each in inputs}:
        command = "bag" if kind == "bag" else "fuse"
        settings = {**job.settings.get("settings", {}), **job.settings.get(command, {})}
        options, files = _parsed(command, settings, job.base)
        makers[kind], config = _maker(command, options, job)
        facts = {**settings, "files": files} if files else settings
        recipes[kind] = Recipe(
            json.dumps(facts, sort_keys=True, default=str), _model_hash(config), __version__
        )
    return [makers[each.kind](each) for each in inputs], recipes


def _maker(
    command: str, options: argparse.Namespace, job: Job
) -> tuple[Callable[[BatchInput], Task], PipelineConfig]:
    """How inputs of a kind become tasks, and the pipeline's settings. Raises InputError."""
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
        return Task(source, job.output / str(source.target), config, made, automatic)

    return make, config


def _never() -> NoReturn:
    raise AssertionError("the offset is estimated where the input is fused")


def _parsed(
    command: str, settings: dict[str, Any], base: Path
) -> tuple[argparse.Namespace, dict[str, str]]:
    """Settings of a job as parsed options of a subcommand, and hashes of the files they name.

    Raises:
        InputError: For an unknown setting, or a value that cannot be used.
    """
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
    files: dict[str, str] = {}
    for key, value in settings.items():
        name = str(key).replace("-", "_")
        if name not in known:
            guess = _guess(name, sorted(known))
            raise InputError(f"'{key}' is no setting of 'lut-fuse {command}'{guess}")
        flag = f"--{name.replace('_', '-')}"
        is_path = subparser._option_string_actions[flag].type is Path or name == "gpu_cache"
        # A model may be a name or a path.
        if is_path or (name == "model" and (base / str(value)).is_file()):
            paths = [(base / Path(str(each)).expanduser()).absolute() for each in _listed(value)]
            files |= {str(path): _hash(path) for path in paths if path.is_file()}
            words += [flag, *map(str, paths)]
        elif isinstance(value, bool):
            words += [flag] if value else []
        elif isinstance(value, list):
            words += [flag, *map(str, value)]
        else:
            words.append(f"{flag}={value}")
    words += ["IN", "OUT"] if command == "bag" else ["VISIBLE", "INFRARED", "-o", "OUT"]

    def refuse(message: str) -> NoReturn:
        raise InputError(f"settings of 'lut-fuse {command}': {message}")

    subparser.error = refuse  # type: ignore[method-assign]
    return subparser.parse_args(words), files


def _model_hash(config: PipelineConfig) -> str:
    """Hash of the model's file. Raises InputError."""
    assert isinstance(config.model, str)
    return _hash(model_path(config.model))


def _hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises InputError."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
