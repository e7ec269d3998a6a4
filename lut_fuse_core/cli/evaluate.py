"""`lut-fuse evaluate`: how well a method fuses, as a table, JSON and an HTML page."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from lut_fuse_core import Fuser, __version__
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.evaluate_detection import (
    add_detection_arguments,
    check_detection_options,
    run_detection,
)
from lut_fuse_core.cli.evaluate_segmentation import (
    add_segmentation_arguments,
    check_segmentation_options,
    run_segmentation,
)
from lut_fuse_core.cli.pipeline_options import BACKEND_OPTION, MODEL_OPTION
from lut_fuse_core.cli.progress import note
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import (
    METHODS,
    Evaluation,
    FuseFiles,
    SequenceMeters,
    SequenceReport,
    evaluate,
    fused_by,
    fused_in,
    select,
)
from lut_fuse_core.evaluation.flicker import BoolArray
from lut_fuse_core.evaluation.metrics import METRIC_MEANINGS, METRIC_NAMES
from lut_fuse_core.evaluation.report.document import write_page
from lut_fuse_core.evaluation.report.page import Subject, render_page
from lut_fuse_core.io.dataset import SPLITS, Dataset, PairFiles, find_dataset, read_visible
from lut_fuse_core.parallel import usable_cores

NAMED_PROBLEMS = 5
"""Most names of pairs that are listed on the terminal."""

_DESCRIPTION = """\
Measure how well a model, or any other method, fuses a folder of registered pairs.

DATASET holds the folders 'visible' and 'infrared' (or vi and ir, Vis and Ir, rgb and thermal),
either directly or in test, val or train; files of the same name are a pair. MSRS, LLVIP, M3FD, FMB,
TNO and RoadScene work as they are published.

The metrics follow the conventions of published tables; higher is better in all of them:
"""

_EPILOG = """\
examples:
  lut-fuse evaluate RoadScene/test --html report.html       the default model, with a page to read
  lut-fuse evaluate MSRS --model mine.safetensors --json    your model, for a script
  lut-fuse evaluate MSRS --fused results/tardal             images that another method fused
  lut-fuse evaluate street --sequence                       flicker, too: frames of a fixed camera
  lut-fuse evaluate FLIR --boxes coco.json --detector yolo.onnx    what a detector finds
  lut-fuse evaluate MSRS --labels MSRS/test/Segmentation_labels --segmenter segformer.onnx
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    meanings = "\n".join(f"  {name:6}{meaning}" for name, meaning in METRIC_MEANINGS.items())
    parser = subparsers.add_parser(
        "evaluate",
        help=SUBCOMMANDS["evaluate"],
        description=_DESCRIPTION + meanings,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="folder of pairs")
    _add_method_arguments(parser)
    _add_choice_arguments(parser)
    add_detection_arguments(parser)
    add_segmentation_arguments(parser)
    _add_output_arguments(parser)
    parser.set_defaults(run=run)


def _add_method_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to measure")
    method = group.add_mutually_exclusive_group()
    method.add_argument("--model", **MODEL_OPTION)
    method.add_argument(
        "--fused",
        type=Path,
        metavar="DIR",
        help="measure the images in this folder instead, fused by any method, matched by name",
    )
    group.add_argument("--backend", **BACKEND_OPTION)
    group.add_argument(
        "--compare",
        action="append",
        default=[],
        metavar="NAME=MODEL|DIR",
        help="with --boxes or --labels: measure another model, or the images in a folder, as well; "
        "may be given several times",
    )


def _add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which pairs")
    group.add_argument("--only", metavar="PATTERN", help="only names like this, e.g. '0100*'")
    group.add_argument("--limit", type=_count, metavar="N", help="only the first N pairs")
    group.add_argument(
        "--sequence",
        action="store_true",
        help="the pairs are consecutive frames of a fixed camera, in the order of their names: "
        "measure flicker, too",
    )
    group.add_argument(
        "--untouched",
        type=Path,
        metavar="MASK",
        help="with --sequence: image that is white where nothing happens in the scene; measure how "
        "much the fused image changes there against the first frame",
    )


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("results")
    group.add_argument("--json", action="store_true", help="print JSON, with every pair's numbers")
    group.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write one self-contained page: distributions, best and worst pairs, every number",
    )
    group.add_argument(
        "--jobs",
        type=_count,
        default=usable_cores(),
        metavar="N",
        help="threads that compute metrics (default: one per usable core)",
    )


def run(options: argparse.Namespace) -> int:
    """Evaluate as the options say.

    Args:
        options: Parsed options.

    Returns:
        The exit status, 0.

    Raises:
        InputError: For input that cannot be used.
        OSError: If the page cannot be written.
    """
    _check_options(options)
    dataset = find_dataset(options.dataset)
    pairs = select(dataset.pairs, options.only, options.limit)
    subject, fuse = _method(options, dataset)
    if options.boxes:
        return run_detection(options, pairs, subject, fuse)
    if options.labels:
        return run_segmentation(options, pairs, subject, fuse)
    meters = None
    if options.sequence:
        meters = SequenceMeters(_untouched(options.untouched, pairs[0]))
    progress = tqdm(
        pairs, "measuring", unit=" pairs", disable=None, dynamic_ncols=True, leave=False
    )
    evaluation = evaluate(progress, fuse, meters, options.jobs)
    if options.html:
        page = render_page(evaluation, subject, pairs, fuse)
        write_page(options.html, page)
    if options.json:
        print(json.dumps(as_json(evaluation, subject, dataset), indent=2, allow_nan=False))
    else:
        print(as_text(evaluation, subject))
    _report_problems(evaluation, dataset)
    return 0


def _check_options(options: argparse.Namespace) -> None:
    check_detection_options(options)
    check_segmentation_options(options)
    if options.compare and not (options.boxes or options.labels):
        raise InputError("--compare goes with labels; add --boxes LABELS or --labels DIR")
    if options.untouched and not options.sequence:
        raise InputError("--untouched measures consecutive frames; add --sequence")
    if options.html and not options.html.absolute().parent.is_dir():
        raise InputError(f"no folder {options.html.parent} to write {options.html.name} in")
    if options.html and options.html.is_dir():
        raise InputError(f"--html {options.html} is a folder; give a file")


def _method(options: argparse.Namespace, dataset: Dataset) -> tuple[Subject, FuseFiles]:
    name = "/".join(options.dataset.absolute().parts[-2:])
    inside = dataset.visible.relative_to(options.dataset).parts
    name = "/".join([name, *(part for part in inside if part in SPLITS)])
    if options.fused:
        return Subject(name, f"the images in {options.fused}", __version__), fused_in(options.fused)
    fuser = Fuser(options.model, options.backend)
    method = f"model {options.model} ({fuser.backend.name} backend)"
    return Subject(name, method, __version__), fused_by(fuser)


def _untouched(path: Path | None, first: PairFiles) -> BoolArray | None:
    if path is None:
        return None
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise InputError(f"{path} is not a readable image")
    shape = read_visible(first.visible).shape[:2]
    if mask.shape != shape:
        raise InputError(
            f"{path} is {mask.shape[1]}x{mask.shape[0]}, the images {shape[1]}x{shape[0]}"
        )
    if not (mask > 127).any():
        raise InputError(f"{path} is black all over; what nobody touches must be white")
    return mask > 127


def as_json(evaluation: Evaluation, subject: Subject, dataset: Dataset) -> dict[str, Any]:
    """Everything that was measured, for `json.dumps`.

    Args:
        evaluation: The results.
        subject: What was measured.
        dataset: Its folder.

    Returns:
        The results; a ratio that is not finite is None.
    """
    result: dict[str, Any] = {
        **asdict(subject),
        "visible": str(dataset.visible),
        "infrared": str(dataset.infrared),
        "pairs": len(evaluation.pairs),
        "mean": {method: evaluation.mean(method) for method in METHODS},
        "median": {method: evaluation.median(method) for method in METHODS},
        "per_image": {pair.name: pair.scores for pair in evaluation.pairs},
        "left_out": {problem.name: problem.reason for problem in evaluation.problems},
        "unmatched": list(dataset.unmatched),
    }
    if evaluation.sequence:
        result["flicker"] = {
            method: {
                **asdict(report),
                "ratio": report.ratio if math.isfinite(report.ratio) else None,
            }
            for method, report in evaluation.sequence.flicker.items()
        }
        if evaluation.sequence.untouched:
            result["untouched"] = asdict(evaluation.sequence.untouched)
    return result


def as_text(evaluation: Evaluation, subject: Subject) -> str:
    """The table for the terminal.

    Args:
        evaluation: The results.
        subject: What was measured.
    """
    means = {method: evaluation.mean(method) for method in METHODS}
    medians = {method: evaluation.median(method) for method in METHODS}
    lines = [
        f"{subject.dataset}: {_counted(len(evaluation.pairs), 'pair')}, fused by {subject.method}",
        "",
        "      " + "".join(f"{label:>18}" for label in ("fused", "maximum rule", "average rule")),
        "      " + f"{'mean':>9}{'median':>9}" * len(METHODS),
    ]
    for name in METRIC_NAMES:
        numbers = "".join(f"{means[m][name]:9.3f}{medians[m][name]:9.3f}" for m in METHODS)
        lines.append(f"{name:6}{numbers}   {METRIC_MEANINGS[name]}")
    if evaluation.sequence:
        lines += ["", *_sequence_lines(evaluation.sequence)]
    return "\n".join(lines)


def _sequence_lines(report: SequenceReport) -> list[str]:
    flicker = report.flicker["fused"]
    skipped = f" ({flicker.skipped} more had too few still pixels)" if flicker.skipped else ""
    lines = [
        f"Flicker over {flicker.steps} steps{skipped}, in the {flicker.still_share:.0%} of the "
        "pixels that stood still (gray levels per frame):",
        f"  visible {flicker.visible:.2f}   infrared {flicker.infrared:.2f}   fused "
        f"{flicker.fused:.2f}   ratio {flicker.ratio:.2f} (1 or less: calmer than the inputs)",
    ]
    rules = (f"{method} rule {report.flicker[method].ratio:.2f}" for method in METHODS[1:])
    lines.append(f"  ratios of the {', '.join(rules)}")
    if report.untouched:
        region = report.untouched
        lines += [
            f"Untouched region ({region.share:.0%} of the picture), against the first frame:",
            *(
                f"  {name:8} mean {change.mean:.2f}   worst frame {change.worst:.2f}   "
                f"shift of the mean {change.shift:.2f}"
                for name, change in (
                    ("visible", region.visible),
                    ("infrared", region.infrared),
                    ("fused", region.fused),
                )
            ),
        ]
    return lines


def _report_problems(evaluation: Evaluation, dataset: Dataset) -> None:
    for problem in evaluation.problems[:NAMED_PROBLEMS]:
        note(f"left out {problem.name}: {problem.reason}")
    if len(evaluation.problems) > NAMED_PROBLEMS:
        more = len(evaluation.problems) - NAMED_PROBLEMS
        note(f"left out {_counted(more, 'more pair')}; --json names all")
    if dataset.unmatched:
        count = _counted(len(dataset.unmatched), "image")
        note(f"{count} without a partner of the same name: {_shortened(dataset.unmatched)}")


def _shortened(names: Sequence[str]) -> str:
    rest = ", ..." if len(names) > NAMED_PROBLEMS else ""
    return ", ".join(names[:NAMED_PROBLEMS]) + rest


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 up")
    return int(text)
