"""`lut-fuse evaluate --labels`: what segmenters see on fused images and on each camera's own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from lut_fuse_core.cli.compared_methods import (
    compared_methods,
    note_left_out,
    note_orphans,
    of_one_name,
    print_json,
    print_text,
)
from lut_fuse_core.cli.progress import note
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.classes import read_class_names
from lut_fuse_core.evaluation.evaluate import FuseFiles
from lut_fuse_core.evaluation.image_kinds import image_kinds, labeled_pairs
from lut_fuse_core.evaluation.report.document import write_page
from lut_fuse_core.evaluation.report.page import Subject
from lut_fuse_core.evaluation.segmentation.classes import MFNET_CLASSES
from lut_fuse_core.evaluation.segmentation.page import render_segmentation_page
from lut_fuse_core.evaluation.segmentation.segmenter import INPUT_SCALES, Segmenter
from lut_fuse_core.evaluation.segmentation.study import study_segmentation
from lut_fuse_core.evaluation.segmentation.tables import as_json, as_text
from lut_fuse_core.io.dataset import PairFiles, images_by_name


def add_segmentation_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a segmentation study.

    Args:
        parser: Parser of `lut-fuse evaluate`.
    """
    group = parser.add_argument_group("what segmenters see (instead of the metrics)")
    group.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="label maps as in MFNet and MSRS: 8-bit images with the number of a class in every "
        "pixel (255: not counted), named like the pairs; needs --segmenter",
    )
    group.add_argument(
        "--segmenter",
        type=Path,
        action="append",
        default=[],
        metavar="MODEL.onnx",
        help="network that takes one color image and answers scores or numbers of classes for "
        "every pixel; may be given several times",
    )
    group.add_argument(
        "--label-classes",
        type=Path,
        metavar="FILE",
        help="names of the labels' classes, one per line, from number 0 on (default: MFNet's nine)",
    )
    group.add_argument(
        "--segmenter-classes",
        type=Path,
        metavar="FILE",
        help="names of the segmenters' classes, where they are neither in the file nor those of "
        "the labels, of MFNet or of Cityscapes",
    )
    group.add_argument(
        "--segmenter-input",
        choices=INPUT_SCALES,
        default="imagenet",
        help="what the segmenters' RGB input is: with ImageNet's mean taken off and divided by "
        "its deviation, 0 to 1, or 0 to 255 (default: %(default)s)",
    )


def check_segmentation_options(options: argparse.Namespace) -> None:
    """Check options that belong together.

    Args:
        options: Parsed options of `lut-fuse evaluate`.

    Raises:
        InputError: For options that exclude each other, or need another one.
    """
    if options.labels is None:
        for name in ("segmenter", "label_classes", "segmenter_classes"):
            if getattr(options, name):
                raise InputError(
                    f"--{name.replace('_', '-')} goes with label maps; add --labels DIR"
                )
        return
    if not options.segmenter:
        raise InputError("--labels needs a segmenter; add --segmenter MODEL.onnx")
    for name in ("boxes", "sequence"):
        if getattr(options, name):
            raise InputError(f"--labels and --{name} are two measurements; run one after the other")


def run_segmentation(
    options: argparse.Namespace, pairs: Sequence[PairFiles], subject: Subject, fuse: FuseFiles
) -> int:
    """Measure what segmenters see, as the options say.

    Args:
        options: Parsed options of `lut-fuse evaluate`.
        pairs: The pairs.
        subject: What is measured.
        fuse: Fuses a pair, or reads its fused image.

    Returns:
        The exit status, 0.

    Raises:
        InputError: For input that cannot be used.
        ModuleNotFoundError: If ONNX Runtime is not installed.
    """
    classes = read_class_names(options.label_classes) if options.label_classes else MFNET_CLASSES
    maps = images_by_name(options.labels)
    chosen, orphans = labeled_pairs(pairs, maps)
    kinds = image_kinds({**compared_methods(options), "fused": fuse})
    names = read_class_names(options.segmenter_classes) if options.segmenter_classes else None
    segmenters = [
        Segmenter(path, classes, names, options.segmenter_input, options.jobs)
        for path in options.segmenter
    ]
    of_one_name("segmenters", [segmenter.name for segmenter in segmenters])

    def progress(files: object) -> tqdm[PairFiles]:
        return tqdm(chosen, "segmenting", unit=" pairs", disable=None, leave=False)

    study = study_segmentation(chosen, maps, classes, segmenters, kinds, progress)
    if options.html:
        by_name = {segmenter.name: segmenter for segmenter in segmenters}
        page = render_segmentation_page(study, subject, kinds, by_name, maps, classes)
        write_page(options.html, page)
    if options.json:
        print_json(subject, as_json(study), orphans)
    else:
        print_text(subject, as_text(study))
    note_left_out(study.left_out)
    for segmenter, missing in study.unknown.items():
        if missing:
            note(f"{segmenter} has no class for {', '.join(missing)}: not measured")
    note_orphans(orphans, options)
    return 0
