"""`lut-fuse-train quantize`: the unlearned baseline, and the paper's Table 5."""

from __future__ import annotations

import argparse
from pathlib import Path

from lut_fuse_core import save_model
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.dataset import find_dataset

from ..config import read_config


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "quantize",
        help="sample a teacher into a look-up table without learning (a baseline)",
        description="Write a model whose lattice holds the teacher's answers to synthetic patches, "
        "and measure it beside the teacher and, if given, a distilled model.",
    )
    parser.add_argument("--teacher", type=Path, required=True, metavar="FILE")
    parser.add_argument("--distilled", type=Path, metavar="MODEL", help="to compare with")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="of 'distil', for the structure of the lattice"
    )
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="measured on")
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help=".safetensors")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Sample, write, measure and print."""
    from ..networks.teachers import open_teacher
    from ..recipes.distil_config import DistilConfig
    from ..recipes.paper_tables import Table, by_model, by_teacher, measure
    from ..recipes.quantize import quantize
    from ..run.options import device_from

    config = read_config(DistilConfig, options.config, options.overrides)
    device = device_from(options.device)
    source = open_teacher(options.teacher, device)
    if source.network is None:
        raise InputError(f"{options.teacher} is a folder; only a network can be asked for patches")
    find_dataset(options.data)
    distilled = by_model(options.distilled) if options.distilled else None
    facts = {"name": "quantized", "teacher": options.teacher.name}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_model(quantize(source.network, config.student, facts, device), options.out)
    methods = [
        ((options.teacher.stem, "teacher"), by_teacher(source, device)),
        (("", "quantized"), by_model(options.out)),
    ]
    if distilled is not None:
        methods.append((("", "distilled"), distilled))
    rows = tuple(measure(methods, options.data, options.quiet))
    title = f"Quantization and distillation on {options.data.resolve().name}"
    print(Table(title, ("method", "type"), rows).show(options.format))
    return 0
