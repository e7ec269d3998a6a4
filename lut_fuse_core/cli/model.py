"""`lut-fuse model`: look into model files, import the published ones, export to other formats."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lut_fuse_core.errors import InputError
from lut_fuse_core.extensions import load_extension
from lut_fuse_core.model_export import export_model, summary
from lut_fuse_core.model_file import load_model, model_path, save_model

_IMPORT_DESCRIPTION = """\
Turn the two files that the authors of LUT-Fuse published (fine_tuned_lut.npy and
generator_context.pth) into one model file. The result fuses exactly as published; that includes
that every frame is normalised by itself, so it flickers in video. It runs on the 'cpu' backend.
Needs PyTorch.
"""

_EXPORT_DESCRIPTION = """\
Write a model's parts for other programs into a folder:
  encoder.onnx   the context encoder, for ONNX Runtime, TensorRT and the like
  lattice.npy    the table, float32, axes: luma, infrared, gradient, context
  model.json     axes, gradient and encoder input: what is needed to use the other two
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`."""
    parser = subparsers.add_parser("model", help="show, import and export model files")
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


def run_info(options: argparse.Namespace) -> int:
    """Show a model. Raises ModelError if it cannot be used."""
    facts = {"file": str(model_path(options.model)), **summary(load_model(options.model))}
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        print("\n".join(_lines(facts)))
    return 0


def run_import(options: argparse.Namespace) -> int:
    """Import the published files. Raises ModelError if they are not what they should be."""
    if not options.output.parent.is_dir():
        raise InputError(f"there is no folder {options.output.parent} to write to")
    import_published = load_extension("import_published", "reading the published files")
    save_model(import_published(options.lattice, options.encoder), options.output)
    print(f"lut-fuse: wrote {options.output}", file=sys.stderr)
    return 0


def run_export(options: argparse.Namespace) -> int:
    """Export a model. Raises ModelError if it cannot be used."""
    for path in export_model(load_model(options.model), options.output):
        print(f"lut-fuse: wrote {path}", file=sys.stderr)
    return 0


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
    return f"{axis['nodes']} nodes from {axis['low']:g} to {axis['high']:g} grey levels"
