"""`lut-fuse demo`: a synthetic street recorded as a bag, fused, and shown."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.cli import SUBCOMMANDS
from lut_fuse_core.cli.contact_sheet import contact_sheet, side_by_side
from lut_fuse_core.cli.demo_folders import DemoFolders
from lut_fuse_core.cli.extras import EXTRAS, how_to_install
from lut_fuse_core.cli.pipeline_options import add_pipeline_arguments, pipeline_config
from lut_fuse_core.cli.progress import progress_bar
from lut_fuse_core.cli.termination import tidy_termination
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.demo_mark import DEMO_MARK
from lut_fuse_core.io.image_files import write_image
from lut_fuse_core.io.pyav import has_pyav
from lut_fuse_core.io.video_writer import write_video
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.synthetic import SceneConfig

if TYPE_CHECKING:
    from lut_fuse_core.cli.demo_bags import DemoBags

DESCRIPTION = """\
Show the fusion at work on a synthetic night street: nothing else is needed.

Writes the street as a visible and a 16-bit infrared camera would record it, fuses it, and shows a
contact sheet of visible, infrared and fused images. With the extra 'bags' the recording and what is
fused of it are rosbag2 (MCAP), fused exactly as 'lut-fuse bag' does; without it they are folders of
PNG images, fused as 'lut-fuse fuse' does. With the extra 'video' there is also a video of the three
side by side.
"""

HEADINGS = ("visible", "infrared", "fused")

RATE = 15.0
"""Frames per second of the recording."""

MOMENTS = 4
"""Rows of the contact sheet."""

MORE = {"bags": "bags", "video": "a video"}
"""What the demo makes with more packages, by the extra that brings them."""


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
        help="replace what no demo made",
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
    sheet, video = folder / "contact_sheet.png", folder / "street.mp4"
    recording = _recording(folder)
    if not options.overwrite:
        _check_ours(folder, recording.made, (sheet, video))
    folder.mkdir(parents=True, exist_ok=True)
    with tidy_termination():
        recording.record(scene, options.frames)
        report = recording.fuse(pipeline)
        codec = _show(recording, config, options.frames, sheet, video)
    missing = [
        *(["bags"] if isinstance(recording, DemoFolders) else []),
        *([] if codec else ["video"]),
    ]
    if missing:
        more = " and ".join(MORE[extra] for extra in missing)
        print(f"lut-fuse: to make {more}, too, {how_to_install(*missing)}", file=sys.stderr)
    if options.json:
        made = None if codec is None else str(video)
        shown = {"contact_sheet": str(sheet), "video": made, "video_codec": codec}
        print(json.dumps({**report, "input": str(recording.input), **shown}, indent=2))
    else:
        print(
            f"{report['pairs']} pairs fused at {report['fps']:.1f} per second: "
            f"{recording.summary}, contact sheet {sheet}"
            + (f", video {video} ({codec})" if codec is not None else "")
        )
    return 0


def _recording(folder: Path) -> DemoBags | DemoFolders:
    """What holds the street and what is fused of it, by the packages that are here."""
    if any(importlib.util.find_spec(module) is None for module in EXTRAS["bags"]):
        return DemoFolders(folder)
    from lut_fuse_core.cli.demo_bags import DemoBags

    return DemoBags(folder)


def _check_ours(folder: Path, recordings: Sequence[Path], files: Sequence[Path]) -> None:
    """Raises InputError if somebody else's recordings or files would be lost."""
    ours = {path: (path / DEMO_MARK).exists() for path in recordings}
    ours |= dict.fromkeys(files, any(folder.glob(f"*/{DEMO_MARK}")))  # a demo writes all of them
    for path, made_here in ours.items():
        if path.exists() and not made_here:
            raise InputError(
                f"{path} is there already, and no demo made it; choose another --output, or "
                "--overwrite it"
            )


def _show(
    recording: DemoBags | DemoFolders, config: PipelineConfig, frames: int, sheet: Path, video: Path
) -> str | None:
    """Write the contact sheet and the video; returns the video's codec, None without PyAV."""
    step = max(1, frames // MOMENTS)
    rows: list[tuple[str, tuple[UInt8Array, ...]]] = []
    moments = _moments(recording, config)
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
    recording: DemoBags | DemoFolders, config: PipelineConfig
) -> Iterator[tuple[UInt8Array, UInt8Array, UInt8Array]]:
    """Visible, normalized infrared and fused image of each moment."""
    normalizer = InfraredNormalizer(config.normalization)
    for visible, infrared, fused in recording.moments():
        yield visible, normalizer(infrared), fused


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 640x480")
    return int(found[1]), int(found[2])
