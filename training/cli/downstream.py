"""`lut-fuse-train downstream`: the paper's Tables 2 and 3 on your data."""

from __future__ import annotations

import argparse
from pathlib import Path

from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.classes import read_class_names
from lut_fuse_core.evaluation.segmentation.classes import MFNET_CLASSES

from ..config import read_config
from .run_options import add_run_options, run_options

_EPILOG = """\
Every kind of image (visible, infrared, maximum, average, fused, and each of --compare) gets a
network of its own with the same budget and seed, in a folder of its own under --out. With --resume,
kinds that are finished are not trained again, and the one that was interrupted goes on.

examples:
  Table 2, SegFormer-B0 on MSRS:
    lut-fuse-train downstream segment --data MSRS --labels MSRS/train/Segmentation_labels \\
        --test-labels MSRS/test/Segmentation_labels --out runs/table2 --steps 20000
  Table 3, a detector on LLVIP, compared with the published model:
    lut-fuse-train downstream detect --data LLVIP --boxes train.json --test-boxes test.json \\
        --compare published=published.safetensors --out runs/table3 --steps 20000
  with public weights to begin with, in a quarter of the time:
    ... --set weights=PekingU/rtdetr_r18vd

It needs pip install 'lut_fuse_ros[downstream]': the networks of transformers (Apache-2.0). Public
weights have licenses of their own; those of NVIDIA for SegFormer forbid commercial use.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "downstream",
        help="train a detector or a segmenter on each kind of image, and print the paper's "
        "Tables 2 and 3",
        description="Train the same network on every kind of image and measure it on that kind.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", choices=("detect", "segment"))
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="LABELS",
        help="detect: labeled objects, as for 'lut-fuse evaluate': a COCO file, a JSON object of "
        "pair names with their 'boxes', or a folder of YOLO text files",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="segment: label maps as in MFNet and MSRS, 8-bit images with the number of a class in "
        "every pixel, named like the pairs",
    )
    parser.add_argument(
        "--label-classes",
        type=Path,
        metavar="FILE",
        help="segment: names of the classes, one per line, from number 0 on (default: MFNet's "
        "nine)",
    )
    parser.add_argument(
        "--test",
        type=Path,
        metavar="FOLDER",
        help="pairs to measure on (default: the test split of --data, or, where it has none, the "
        "share 'test_share' of its pairs, by name)",
    )
    parser.add_argument(
        "--test-boxes", type=Path, metavar="LABELS", help="detect: of these, if others"
    )
    parser.add_argument(
        "--test-labels", type=Path, metavar="DIR", help="segment: of these, if others"
    )
    parser.add_argument(
        "--model", default="default", metavar="NAME|FILE", help="model that makes 'fused' images"
    )
    parser.add_argument(
        "--compare",
        action="append",
        default=[],
        metavar="NAME=MODEL|DIR",
        help="train on the images of another model or folder, too; may be given several times",
    )
    parser.add_argument(
        "--kinds", nargs="+", default=[], metavar="KIND", help="train on these kinds only"
    )
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    add_run_options(parser, "downstream")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, measure and print."""
    from ..recipes.downstream import DownstreamConfig, Source, downstream

    config = read_config(DownstreamConfig, options.config, options.overrides)
    detects = options.task == "detect"
    labels, test_labels = (
        (options.boxes, options.test_boxes) if detects else (options.labels, options.test_labels)
    )
    if labels is None:
        raise InputError(
            f"'{options.task}' needs {'--boxes LABELS' if detects else '--labels DIR'}"
        )
    models = {"fused": options.model}
    for text in options.compare:
        name, _, path = text.partition("=")
        if not name or not path or name in models:
            raise InputError(f"--compare {text} is not NAME=MODEL or NAME=FOLDER with a new name")
        models[name] = path
    classes = read_class_names(options.label_classes) if options.label_classes else MFNET_CLASSES
    source = Source(
        options.data,
        labels,
        options.test,
        test_labels,
        classes,
        models,
        tuple(options.kinds),
    )
    table = downstream(options.task, source, config, run_options(options))
    print(table.show(options.format))
    return 0
