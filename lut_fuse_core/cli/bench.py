"""`lut-fuse bench`: milliseconds per frame on this machine, stage by stage."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

from tqdm import tqdm

from lut_fuse_core import __version__
from lut_fuse_core.backends import BACKEND_NAMES, backend_statuses, create_backend
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.extensions import load_extension
from lut_fuse_core.cli.pipeline_options import MODEL_OPTION
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.benchmark import Subject, Timing, measure, processor_name, street_pair
from lut_fuse_core.evaluation.yardsticks import Copy, WeightedSum
from lut_fuse_core.model.file import load_model
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.parallel import usable_cores

SIZES = ((640, 480), (1280, 720), (1280, 1024))
BUSY = 1.6
"""Median divided by best time above which the machine is taken for busy."""

_DESCRIPTION = """\
Measure how long the fusion of a frame takes, from 8-bit arrays to an 8-bit array, and its stages:
  pooling   both images are averaged to the small input of the context encoder
  encoder   the convolutions that make the context map
  look-up   luma, gradient and context of each pixel, the 4-D table, and the color
Everything is warm, the input is a synthetic street at night, and what is compared takes turns, so
that other work on the machine slows all alike. 'total' is the median of all calls, 'best' the
fastest call; where they are far apart, the machine was busy with something else. To compare with:
  addWeighted   OpenCV's mean of both images, infrared converted to three channels before
  copy          the visible image copied, on one thread
"""

_EPILOG = """\
examples:
  lut-fuse bench                                            three sizes, all cores
  lut-fuse bench --size 640x512 --threads 1 2 4 --json
  lut-fuse bench --against published                        needs PyTorch; random numbers as weights
  lut-fuse bench --against published --published-files fine_tuned_lut.npy generator_context.pth
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser(
        "bench",
        help=SUBCOMMANDS["bench"],
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--size",
        nargs="+",
        type=_size,
        default=SIZES,
        metavar="WxH",
        help="sizes in pixels (default: 640x480 1280x720 1280x1024)",
    )
    parser.add_argument(
        "--backend",
        nargs="+",
        choices=BACKEND_NAMES,
        help="backends to measure (default: all that work here but 'reference', which takes "
        "a second per frame)",
    )
    parser.add_argument(
        "--threads",
        nargs="+",
        type=_positive,
        metavar="N",
        help="CPU threads, one or several numbers (default: all cores this process may use)",
    )
    parser.add_argument("--model", **MODEL_OPTION)
    parser.add_argument(
        "--against",
        choices=("published",),
        help="measure the authors' PyTorch method in the same run, too, and print how many times "
        "faster the backends are",
    )
    parser.add_argument(
        "--published-files",
        nargs=2,
        type=Path,
        metavar=("LUT.npy", "CONTEXT.pth"),
        help="the authors' model files; without them random numbers of the same shapes are used, "
        "which take the same time",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=4.0,
        metavar="S",
        help="how long to measure per size and number of threads (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure as the options say.

    Args:
        options: Parsed options.

    Returns:
        The exit status, 0.

    Raises:
        InputError: For options or a model that cannot be used.
        BackendUnavailableError: For a backend that does not run here.
        MissingExtensionError: If PyTorch is needed and not installed.
    """
    if not 0 < options.seconds < math.inf:
        raise InputError(f"--seconds is {options.seconds}; it must be above 0")
    model = load_model(options.model)
    timings: list[Timing] = []
    for (width, height), threads in _progress(options):
        subjects = _subjects(options, model, threads)
        timings += measure(
            subjects,
            *street_pair(width, height),
            seconds=options.seconds,
            baseline=0 if options.against else None,
        )
    if options.json:
        report = {
            "version": __version__,
            "processor": processor_name(),
            "cores": usable_cores(),
            "model": model.name,
            "published_weights": _published_weights(options),
            "timings": [asdict(timing) for timing in timings],
        }
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(_table(timings, options, model)))
    return 0


def _progress(options: argparse.Namespace) -> Iterator[tuple[tuple[int, int], int]]:
    cases = list(product(options.size, options.threads or [usable_cores()]))
    with tqdm(cases, unit="case", file=sys.stderr, leave=False, disable=None) as bar:
        for (width, height), threads in bar:
            bar.set_description(f"{width}x{height}, {threads} threads")
            yield (width, height), threads


def _subjects(options: argparse.Namespace, model: FusionModel, threads: int) -> list[Subject]:
    names: Sequence[str] = options.backend or [
        status.name
        for status in backend_statuses(model)
        if status.available and status.name != "reference"
    ]
    subjects = [Subject(create_backend(name, model, threads), threads) for name in names]
    if options.against:
        published = load_extension("published_backend", "measuring the published method")
        subjects.insert(0, Subject(published(options.published_files, threads), threads))
    return [*subjects, Subject(WeightedSum(threads), threads), Subject(Copy(), 1)]


def _published_weights(options: argparse.Namespace) -> str | None:
    if not options.against:
        return None
    return "published files" if options.published_files else "random numbers"


def _table(
    timings: Sequence[Timing], options: argparse.Namespace, model: FusionModel
) -> Iterator[str]:
    stages = list(dict.fromkeys(stage for timing in timings for stage in timing.stages))
    yield (
        f"lut-fuse {__version__}, model '{model.name}', {processor_name()}, "
        f"{usable_cores()} cores; median milliseconds"
    )
    ratio = f"{'speed':>11}" if options.against else ""
    columns = "".join(f"{stage:>9}" for stage in stages)
    columns += f"{'total':>9}{'best':>9}{'fps':>7}{ratio}"
    yield f"{'size':11}{'backend':11}{'threads':>7}{columns}"
    for timing in timings:
        cells = "".join(
            f"{timing.stages[stage]:9.2f}" if stage in timing.stages else f"{'':9}"
            for stage in stages
        )
        times = f"{timing.ratio:>9.1f} x" if timing.ratio is not None else ""
        yield (
            f"{f'{timing.width}x{timing.height}':11}{timing.backend:11}{timing.threads:7}"
            f"{cells}{timing.total:9.2f}{timing.best:9.2f}{1000 / timing.total:7.0f}{times}"
        )
    yield from _compared(timings)
    if options.against:
        weights = _published_weights(options)
        yield f"speed: times as fast as the published method in PyTorch (its weights: {weights})"
    if any(timing.total > BUSY * timing.best for timing in timings):
        yield "The machine was busy with something else; measure again when it is quiet."


def _compared(timings: Sequence[Timing]) -> Iterator[str]:
    """How many times a weighted sum and a copy the fastest fusion of each case takes."""
    yardsticks = (WeightedSum.name, Copy.name)
    case: list[Timing] = []
    for timing in timings:
        case.append(timing)
        if timing.backend != Copy.name:
            continue
        best = min((t for t in case if t.backend not in yardsticks), key=lambda t: t.total)
        weighted, copy = (next(t for t in case if t.backend == name) for name in yardsticks)
        yield (
            f"{best.width}x{best.height}, threads: {best.threads}: '{best.backend}' takes "
            f"{best.total / weighted.total:.1f} times OpenCV's addWeighted with color conversion, "
            f"{best.total / copy.total:.1f} times a copy"
        )
        case = []


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 640x480")
    return int(match[1]), int(match[2])


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return int(text)
