"""`lut-fuse-train distil`: distil a teacher into a model file."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from lut_fuse_core.cli.detector_options import (
    add_detector_options,
    detector_names,
    label_classes,
)
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.tables import as_text

from ..config import read_config
from ..recipes.outputs import ENCODER, MODEL
from .run_options import add_run_options, run_options

if TYPE_CHECKING:
    from ..detection.adaptation import DetectorFiles

_EPILOG = """\
examples:
  a student from scratch:
    lut-fuse-train distil --config config/training/distil.yaml --teacher runs/teacher/mm_net.pt \\
        --data pairs --out runs/mine --minutes 60
  the default model, adapted to a detector; a fifth of the pairs is held out to measure the gain on:
    lut-fuse-train distil --config config/training/detector.yaml --detector yolo.onnx \\
        --boxes boxes.json --data pairs --out runs/mine --minutes 40
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "distil",
        help="distil a teacher into a look-up table and export the model",
        description=f"Distil a teacher into lattice and context encoder. Writes {MODEL} and "
        f"{ENCODER}, each checked against the core's reference. With --detector and --boxes, adapt "
        "a fusion to the detector that a robot has.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--teacher",
        metavar="PATH",
        help="mm_net.pt, a TorchScript or ONNX file (visible and infrared in, fused image out, all "
        "0 to 1), a model file or 'default', or a folder of fused images named like the pairs",
    )
    parser.add_argument(
        "--from",
        dest="start_from",
        metavar="MODEL",
        help="go on from a model file of the same structure, from 'default', or from the folder of "
        "an earlier run, instead of from scratch",
    )
    group = parser.add_argument_group("adapting to detectors")
    add_detector_options(
        group,
        detector=" that is to find more on the fused image; may be given several times, so that "
        "the gain carries over to others",
        use="adapt to",
    )
    add_run_options(parser, "distil")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Distil and print the validation scores beside the teacher's."""
    from ..recipes.distil import distil
    from ..recipes.distil_config import DistilConfig
    from ..run.distributed import is_chief

    config = read_config(DistilConfig, options.config, options.overrides)
    if options.teacher:
        config = replace(config, teacher=options.teacher)
    if options.start_from:
        config = replace(config, start_from=options.start_from)
    detectors = _detectors(options)
    result = distil(config, options.data, run_options(options), detectors)
    outcome, teacher_scores = result.outcome, result.teacher_scores
    if not is_chief():
        return 0
    print(f"{options.out / MODEL} after {outcome.steps} steps")
    for name, value in outcome.scores.items():
        share = f"   teacher {teacher_scores[name]:.3f}" if teacher_scores else ""
        share += f", {value / teacher_scores[name]:.0%}" if teacher_scores.get(name) else ""
        print(f"  {name:5} {value:.3f}{share}")
    if result.detection is not None:
        print(f"\non pairs that were held out:\n{as_text(result.detection)}")
    elif detectors is not None:
        print(
            "lut-fuse-train: no labeled pair was held out, so the gain is not measured; see "
            "data.validation_share",
            file=sys.stderr,
        )
    return 0


def _detectors(options: argparse.Namespace) -> DetectorFiles | None:
    from ..detection.adaptation import DetectorFiles

    if not options.detector:
        for name in ("boxes", "detector_classes", "classes"):
            if getattr(options, name):
                raise InputError(
                    f"--{name.replace('_', '-')} goes with a detector; add --detector MODEL.onnx"
                )
        return None
    if options.boxes is None:
        raise InputError("--detector needs labeled objects; add --boxes LABELS")
    files = tuple(options.detector)
    return DetectorFiles(files, options.boxes, label_classes(options), detector_names(options))
