"""`lut-fuse model`: inspect, import and export model files, and prepare them for int8."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.extensions import load_extension
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import file_normalizer, load_pair
from lut_fuse_core.io.dataset import PairFiles, find_dataset
from lut_fuse_core.model.export import export_model, summary
from lut_fuse_core.model.file import load_model, model_path, save_model
from lut_fuse_core.model.int8_ranges import chosen_pairs, with_input_ranges

_IMPORT_DESCRIPTION = """\
Turn the two files that the authors of LUT-Fuse published (fine_tuned_lut.npy and
generator_context.pth) into one model file. The result fuses exactly as published; that includes
that every frame is normalized by itself, so it flickers in video. It runs on the 'cpu' backend.
Needs PyTorch.
"""

_EXPORT_DESCRIPTION = """\
Write a model's parts for other programs into a folder:
  encoder.onnx   the context encoder, for ONNX Runtime, TensorRT and the like
  lattices.npy   the tables, float32, axes: scene, luma, infrared, gradient, context
  model.json     axes, gradient and encoder input: what is needed to use the others, and the ambient
                 level at which each table serves alone (scenes.levels); in between mixtures of two
                 neighbors serve, linear in the level
"""

_RANGES_DESCRIPTION = """\
Make a model ready for int8 (--backend tensorrt --gpu-precision int8): find how large the numbers in
its context encoder get on pairs of images, and write the model with these ranges. Nothing else in
it changes. Newly trained models have the ranges of the pairs they were trained on; do this where
your cameras show something else.

PAIRS is a folder as for 'lut-fuse evaluate'; of a data set with splits, train is taken.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser("model", help=SUBCOMMANDS["model"])
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    info = actions.add_parser("info", help="check a model file and show what is in it")
    info.add_argument("model", nargs="?", default="default", metavar="NAME|FILE")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(run=run_info)

    importer = actions.add_parser(
        "import",
        help="make a model file from the files the authors of LUT-Fuse published",
        description=_IMPORT_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    importer.add_argument("lattice", type=Path, metavar="LUT.npy")
    importer.add_argument("encoder", type=Path, metavar="CONTEXT.pth")
    importer.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.safetensors")
    importer.set_defaults(run=run_import)

    exporter = actions.add_parser(
        "export",
        help="write a model as ONNX, NumPy and JSON for other programs",
        description=_EXPORT_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    exporter.add_argument("model", metavar="NAME|FILE")
    exporter.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    exporter.set_defaults(run=run_export)

    ranges = actions.add_parser(
        "ranges",
        help="make a model ready for int8, with a folder of your pairs",
        description=_RANGES_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ranges.add_argument("model", metavar="NAME|FILE")
    ranges.add_argument("pairs", type=Path, metavar="PAIRS")
    ranges.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.safetensors")
    ranges.set_defaults(run=run_ranges)


def run_info(options: argparse.Namespace) -> int:
    """Show what is in a model file.

    Args:
        options: Parsed options.

    Returns:
        The exit status, 0.

    Raises:
        ModelError: If it cannot be used.
    """
    facts = {"file": str(model_path(options.model)), **summary(load_model(options.model))}
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        print("\n".join(_lines(facts)))
    return 0


def run_import(options: argparse.Namespace) -> int:
    """Make a model file of the published files.

    Args:
        options: Parsed options.

    Returns:
        The exit status, 0.

    Raises:
        InputError: If the files cannot be used, or there is no folder for the model.
        MissingExtensionError: If PyTorch is not installed.
        OSError: If the model cannot be written.
    """
    if not options.output.parent.is_dir():
        raise InputError(f"there is no folder {options.output.parent} to write to")
    import_published = load_extension("import_published", "reading the published files")
    save_model(import_published(options.lattice, options.encoder), options.output)
    print(f"lut-fuse: wrote {options.output}", file=sys.stderr)
    return 0


def run_export(options: argparse.Namespace) -> int:
    """Write a model for other programs.

    Args:
        options: Parsed options.

    Returns:
        The exit status, 0.

    Raises:
        ModelError: If it cannot be used.
        OSError: If a file cannot be written.
    """
    for path in export_model(load_model(options.model), options.output):
        print(f"lut-fuse: wrote {path}", file=sys.stderr)
    return 0


def run_ranges(options: argparse.Namespace) -> int:
    """Write a model with the ranges that int8 needs.

    Args:
        options: Parsed options.

    Returns:
        The exit status, 0.

    Raises:
        InputError: For a model or pairs that cannot be used, or no folder for the model.
        OSError: If the model cannot be written.
    """
    if not options.output.parent.is_dir():
        raise InputError(f"there is no folder {options.output.parent} to write to")
    model = load_model(options.model)
    pairs = find_dataset(options.pairs, splits=("train", "val", "test")).pairs
    chosen = [pairs[index] for index in chosen_pairs(len(pairs))]
    save_model(with_input_ranges(model, _readable(chosen)), options.output)
    print(f"lut-fuse: wrote {options.output}", file=sys.stderr)
    return 0


def _readable(pairs: list[PairFiles]) -> Iterator[tuple[UInt8Array, UInt8Array]]:
    """The pairs that can be read; those that cannot are named on stderr."""
    normalizer = file_normalizer()
    for files in tqdm(pairs, "measuring", unit=" pairs", disable=None, leave=False):
        normalizer.reset()
        try:
            yield load_pair(files, normalizer)
        except InputError as error:
            tqdm.write(f"lut-fuse: {files.name} is left out: {error}", file=sys.stderr)


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in facts.items():
        label = f"{indent}{name.replace('_', ' ')}:"
        if isinstance(value, dict):
            lines += [label, *_lines(value, indent + "  ")]
        elif name == "axes":
            lines += [label, *(f"  {axis['name']:20} {_axis(axis)}" for axis in value)]
        else:
            lines.append(f"{label:22} {value}")
    return lines


def _axis(axis: dict[str, Any]) -> str:
    return f"{axis['nodes']} nodes from {axis['low']:g} to {axis['high']:g} gray levels"
