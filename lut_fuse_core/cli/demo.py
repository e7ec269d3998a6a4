"""`lut-fuse demo`: a synthetic street recorded as a bag, fused, and shown."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.bag import BagOptions, fuse_bag
from lut_fuse_core.bag.demo_recording import INFRARED_TOPIC, VISIBLE_TOPIC, record_street
from lut_fuse_core.bag.image_messages import infrared_images, visible_images
from lut_fuse_core.bag.writer import DEMO_MARK
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.contact_sheet import contact_sheet, side_by_side
from lut_fuse_core.cli.pipeline_options import add_pipeline_arguments, pipeline_config
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.cli.termination import tidy_termination
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.image_files import write_image
from lut_fuse_core.io.pyav import MISSING, has_pyav
from lut_fuse_core.io.video_writer import write_video
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.synthetic import SceneConfig

DESCRIPTION = """\
Show the fusion at work on a synthetic night street: nothing else is needed.

Writes the street as a rosbag2 (MCAP) with a visible and a 16-bit infrared camera, fuses it into a
second bag exactly as 'lut-fuse bag' does, and shows both: a contact sheet and a video with the
visible, infrared and fused images side by side.
"""

HEADINGS = ("visible", "infrared", "fused")

RATE = 15.0
"""Frames per second of the recording."""

MOMENTS = 4
"""Rows of the contact sheet."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the parser of `lut-fuse`.

    Args:
        subparsers: Subparsers of `lut-fuse`.
    """
    parser = subparsers.add_parser(
        "demo",
        help=SUBCOMMANDS["demo"],
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("demo"),
        help="folder to write to (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=_size,
        default=(640, 480),
        metavar="WxH",
        help="of the images in pixels (default: 640x480)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=90,
        metavar="N",
        help=f"length of the recording at {RATE:g} frames per second (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="another street (default: %(default)s)")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace bags called street and fused that no demo made",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_pipeline_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record a street, fuse it and show both.

    Args:
        options: Parsed options.

    Returns:
        The exit status, 0.

    Raises:
        InputError: For options that cannot be used, or files in the folder that no demo made.
        LutFuseError: If the video cannot be written.
        OSError: If another file cannot be written.
    """
    if options.frames < 1:
        raise InputError(f"--frames is {options.frames}; at least 1 is needed")
    width, height = options.size
    if options.seed < 0:
        raise InputError(f"--seed is {options.seed}; it must be 0 or more")
    scene = SceneConfig(width=width, height=height, seed=options.seed, rate=RATE)
    config = pipeline_config(options, resize=True)
    pipeline = FusionPipeline(config)
    folder: Path = options.output
    street, fused = folder / "street", folder / "fused"
    sheet, video = folder / "contact_sheet.png", folder / "street.mp4"
    if not options.overwrite:
        _check_ours((street, fused), (sheet, video))
    folder.mkdir(parents=True, exist_ok=True)
    with tidy_termination():
        with progress_bar("recording the street", "frames") as show:
            record_street(street, scene, options.frames, overwrite=True, progress=show)
        (street / DEMO_MARK).touch()
        with progress_bar("fusing the bag", "messages") as show:
            report = fuse_bag(street, fused, pipeline, BagOptions(overwrite=True), show)
        (fused / DEMO_MARK).touch()
        codec = _show(street, fused, config, options.frames, sheet, video)
    if codec is None:
        print(f"lut-fuse: no video is made: {MISSING}", file=sys.stderr)
    if options.json:
        made = None if codec is None else str(video)
        shown = {"contact_sheet": str(sheet), "video": made, "video_codec": codec}
        print(json.dumps({**report.as_json(), "input": str(street), **shown}, indent=2))
    else:
        print(
            f"{report.pairs} pairs fused at {report.rate:.1f} per second: bags {street} and "
            f"{fused}, contact sheet {sheet}"
            + (f", video {video} ({codec})" if codec is not None else "")
        )
    return 0


def _check_ours(bags: tuple[Path, Path], files: tuple[Path, Path]) -> None:
    """Raises InputError if somebody else's bags or files would be lost."""
    ours = {bag: (bag / DEMO_MARK).exists() for bag in bags}
    ours |= dict.fromkeys(files, any(ours.values()))  # a demo writes all of them
    for path, made_here in ours.items():
        if path.exists() and not made_here:
            raise InputError(
                f"{path} is there already, and no demo made it; choose another --output, or "
                "--overwrite it"
            )


def _show(
    street: Path, fused: Path, config: PipelineConfig, frames: int, sheet: Path, video: Path
) -> str | None:
    """Write the contact sheet and the video; returns the video's codec, None without PyAV."""
    step = max(1, frames // MOMENTS)
    rows: list[tuple[str, tuple[UInt8Array, ...]]] = []
    moments = _moments(street, fused, config)
    first = next(moments)
    strip = side_by_side(first, HEADINGS)
    size = (strip.shape[1], strip.shape[0])
    with (
        progress_bar("showing", "frames") as show,
        write_video(video, size, RATE) if has_pyav() else nullcontext() as writer,
    ):
        for number, images in enumerate(chain([first], moments)):
            if writer is not None:
                writer.write(side_by_side(images, HEADINGS), number / RATE)
            if number % step == step // 2 and len(rows) < MOMENTS:
                # The normalizer writes every frame into the same array.
                rows.append((f"{number / RATE:.1f} s", tuple(image.copy() for image in images)))
            show(number + 1, frames)
    write_image(sheet, contact_sheet(rows, HEADINGS))
    return None if writer is None else writer.codec


def _moments(
    street: Path, fused: Path, config: PipelineConfig
) -> Iterator[tuple[UInt8Array, UInt8Array, UInt8Array]]:
    """Visible, normalized infrared and fused image of each moment, read back from the bags."""
    normalizer = InfraredNormalizer(config.normalization)
    yield from (
        (visible, normalizer(infrared), result)
        for visible, infrared, result in zip(
            visible_images(street, VISIBLE_TOPIC),
            infrared_images(street, INFRARED_TOPIC),
            visible_images(fused, BagOptions().fused),
            strict=False,
        )
    )


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 640x480")
    return int(found[1]), int(found[2])
