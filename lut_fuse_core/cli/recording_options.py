"""The options of `lut-fuse export` and `lut-fuse view`, which read recordings pair by pair."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from lut_fuse_core.bag import BagOptions, find_clock_offset
from lut_fuse_core.batch.inputs import BatchInput, Source, find_inputs
from lut_fuse_core.cli.bag import read_bag_config
from lut_fuse_core.cli.pipeline_options import add_pipeline_arguments
from lut_fuse_core.cli.setting_options import SettingOptions
from lut_fuse_core.cli.time_options import add_time_arguments
from lut_fuse_core.errors import InputError
from lut_fuse_core.export.frames import recording_name
from lut_fuse_core.export.recordings import Selection
from lut_fuse_core.files.video_pairs import find_video_offset
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.sync.clock_offset import ClockOffset

_USED = {"visible", "infrared", "tolerance", "reuse_infrared", "stamps"}
BAG = SettingOptions(
    BagOptions,
    left_out=frozenset(each.name for each in fields(BagOptions)) - _USED,
    metavars=dict.fromkeys(("visible", "infrared"), "TOPIC"),
)


def add_recording_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of how recordings are read and fused.

    Args:
        parser: Parser of the subcommand.
    """
    parser.add_argument(
        "--rate",
        type=float,
        metavar="HZ",
        help="pairs per second of recording, at most (default: all)",
    )
    BAG.add(parser.add_argument_group("bags", "How the images of a bag are paired."))
    add_time_arguments(parser, BagOptions)
    add_pipeline_arguments(parser)


def read_recording_options(
    options: argparse.Namespace, sources: Sequence[BatchInput]
) -> tuple[Selection, PipelineConfig]:
    """What the parsed options ask for.

    Args:
        options: What a parser with `add_recording_arguments` returned.
        sources: The recordings; for ``--clock-offset auto`` it must be one.

    Returns:
        What is read of the recordings, and the settings of the pipeline.

    Raises:
        InputError: For values that cannot be used.
    """
    if options.rate is not None and not 0 < options.rate <= 1000:
        raise InputError(f"--rate is {options.rate:g}; it must be above 0 and at most 1000")
    bag = BAG.read(options, max_infrared_age=options.max_infrared_age)
    config = read_bag_config(options, bag, lambda: _offset(sources, bag))
    return Selection(bag, options.rate), config


def _offset(sources: Sequence[BatchInput], bag: BagOptions) -> ClockOffset:
    if len(sources) != 1 or sources[0].kind == "folders":
        raise InputError("--clock-offset auto is for one bag, or one pair of videos")
    paths = sources[0].paths
    if sources[0].kind == "bag":
        return find_clock_offset(paths[0], bag.visible, bag.infrared)
    return find_video_offset(*paths)


def recordings(inputs: Sequence[str], partner: str | None, output: Path) -> list[BatchInput]:
    """Find the recordings that inputs name.

    Args:
        inputs: Bags, folders with bags, patterns; data sets with a folder of visible and one of
            infrared images; or, with ``partner``, visible videos or folders.
        partner: Pattern of the infrared videos or folders; None for none.
        output: Output; what lies in it is no input.

    Returns:
        The recordings, sorted by their names.

    Raises:
        InputError: If nothing is found, a recording is found twice, or two have one name.
    """
    found: list[BatchInput] = []
    patterns = []
    for each in inputs:
        dataset = None if partner is not None else _dataset(Path(each))
        if dataset is None:
            patterns.append(Source(each, partner))
        else:
            found.append(dataset)
    if patterns:
        found += find_inputs(patterns, output.absolute(), Path())
    named: dict[str, BatchInput] = {}
    for recording in found:
        # WebDataset has no points in names, so those with and without them must differ, too.
        name = recording_name(recording)
        other = named.setdefault(name.replace(".", "_"), recording)
        if other is not recording:
            raise InputError(
                f"the recordings {other} and {recording} would have the name {name} in common; "
                "export them one by one"
            )
    return sorted(found, key=lambda recording: recording.target)


def _dataset(folder: Path) -> BatchInput | None:
    """A data set of pairs as one recording; None if the folder is none."""
    if not folder.is_dir() or (folder / "metadata.yaml").exists():
        return None
    try:
        pairs = find_dataset(folder)
    except InputError:
        return None
    return BatchInput("folders", (pairs.visible, pairs.infrared), Path(folder.absolute().name))
