"""The options of every command that runs detectors on labeled pairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from lut_fuse_core.evaluation.detection.classes import chosen_classes, read_class_names


def add_detector_options(group: argparse._ArgumentGroup, *, detector: str, use: str) -> None:
    """Add ``--boxes``, ``--detector``, ``--detector-classes`` and ``--classes``.

    Args:
        group: Group of the command's parser.
        detector: End of the help of ``--detector``.
        use: What is done with the classes of the labels, as a verb.
    """
    group.add_argument(
        "--boxes",
        type=Path,
        metavar="LABELS",
        help="labeled objects of the pairs: a COCO file, a JSON object of pair names with their "
        "'boxes', or a folder of YOLO text files; needs --detector",
    )
    group.add_argument(
        "--detector",
        type=Path,
        action="append",
        default=[],
        metavar="MODEL.onnx",
        help=f"detector of the YOLO family{detector}",
    )
    group.add_argument(
        "--detector-classes",
        type=Path,
        metavar="FILE",
        help="names of the detectors' classes, one per line, where they are neither in the file "
        "nor COCO's 80",
    )
    group.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME[=NAMES]",
        help=f"classes of the labels to {use}, such as person car=car,bus,truck: the names that "
        "the detector has for each (default: all that it knows)",
    )


def detector_names(options: argparse.Namespace) -> tuple[str, ...] | None:
    """The names of the detectors' classes.

    Args:
        options: Parsed options.

    Returns:
        The names in the file of ``--detector-classes``; None without it.

    Raises:
        InputError: If the file cannot be used.
    """
    return read_class_names(options.detector_classes) if options.detector_classes else None


def label_classes(options: argparse.Namespace) -> dict[str, tuple[str, ...]] | None:
    """The classes of the labels that are used.

    Args:
        options: Parsed options.

    Returns:
        For each class its names in the detectors; None for all classes that the detectors know.

    Raises:
        InputError: If they cannot be understood.
    """
    return chosen_classes(options.classes) if options.classes else None
