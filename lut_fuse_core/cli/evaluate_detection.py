"""`lut-fuse evaluate --boxes`: what detectors find on fused images and on each camera's own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tqdm import tqdm

from lut_fuse_core.cli.compared_methods import (
    compared_methods,
    note_left_out,
    note_orphans,
    of_one_name,
    print_json,
    print_text,
)
from lut_fuse_core.cli.detector_options import (
    add_detector_options,
    detector_names,
    label_classes,
)
from lut_fuse_core.cli.progress import note
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.detector import Detector
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.evaluation.detection.page import render_detection_page
from lut_fuse_core.evaluation.detection.study import (
    DetectionStudy,
    study_detection,
)
from lut_fuse_core.evaluation.detection.tables import as_json, as_text
from lut_fuse_core.evaluation.evaluate import FuseFiles
from lut_fuse_core.evaluation.image_kinds import image_kinds, labeled_pairs
from lut_fuse_core.evaluation.report.document import write_page
from lut_fuse_core.evaluation.report.page import Subject
from lut_fuse_core.io.dataset import PairFiles

DEFAULT_HEIGHTS = (20.0, 40.0, 80.0)
"""Bounds of the ranges of height, pixels."""


def add_detection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a detection study.

    Args:
        parser: Parser of `lut-fuse evaluate`.
    """
    group = parser.add_argument_group("what detectors find (instead of the metrics)")
    add_detector_options(group, detector="; may be given several times", use="measure")
    group.add_argument(
        "--heights",
        type=float,
        nargs="+",
        default=list(DEFAULT_HEIGHTS),
        metavar="PX",
        help="bounds of the ranges of height to tell apart; objects below the first do not count "
        "(default: 20 40 80)",
    )


def check_detection_options(options: argparse.Namespace) -> None:
    """Check options that belong together.

    Args:
        options: Parsed options of `lut-fuse evaluate`.

    Raises:
        InputError: For options that exclude each other, or need another one.
    """
    if options.boxes is None:
        given = [
            name
            for name, value in (
                ("--detector", options.detector),
                ("--detector-classes", options.detector_classes),
                ("--classes", options.classes),
            )
            if value
        ]
        if given:
            raise InputError(f"{given[0]} goes with labeled objects; add --boxes LABELS")
        return
    if not options.detector:
        raise InputError("--boxes needs a detector; add --detector MODEL.onnx")
    if options.sequence:
        raise InputError("--boxes and --sequence are two measurements; run one after the other")
    heights = options.heights
    if min(heights) < 0 or sorted(set(heights)) != heights:
        raise InputError(f"--heights {' '.join(map('{:g}'.format, heights))} must increase, from 0")


def run_detection(
    options: argparse.Namespace, pairs: Sequence[PairFiles], subject: Subject, fuse: FuseFiles
) -> int:
    """Measure what detectors find, as the options say.

    Args:
        options: Parsed options of `lut-fuse evaluate`.
        pairs: The pairs.
        subject: What is measured.
        fuse: Fuses a pair, or reads its fused image.

    Returns:
        The exit status, 0.

    Raises:
        InputError: For input that cannot be used.
        ModuleNotFoundError: If ONNX Runtime or pycocotools is not installed.
    """
    labels = read_labels(options.boxes)
    chosen, orphans = labeled_pairs(pairs, labels.boxes)
    kinds = image_kinds({**compared_methods(options), "fused": fuse})
    detectors = _detectors(options)

    def progress(files: object) -> tqdm[PairFiles]:
        return tqdm(chosen, "detecting", unit=" pairs", disable=None, leave=False)

    study = study_detection(
        *(chosen, labels, detectors, kinds, tuple(options.heights)),
        label_classes(options),
        progress,
    )
    if options.html:
        page = render_detection_page(study, subject, kinds)
        write_page(options.html, page)
    if options.json:
        print_json(subject, as_json(study), orphans)
    else:
        print_text(subject, as_text(study))
    _report_problems(study)
    note_orphans(orphans, options)
    return 0


def _detectors(options: argparse.Namespace) -> list[Detector]:
    names = detector_names(options)
    detectors = [Detector(path, names, options.jobs) for path in options.detector]
    of_one_name("detectors", [detector.name for detector in detectors])
    return detectors


def _report_problems(study: DetectionStudy) -> None:
    note_left_out(study.left_out)
    for detector, names in study.unknown.items():
        if names:
            note(f"{detector} has no class for {', '.join(names)}: not measured; see --classes")
