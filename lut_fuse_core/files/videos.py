"""Fuses two videos; decoding, fusing and encoding overlap, and only a few frames are in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lut_fuse_core.errors import InputError
from lut_fuse_core.files.report import FilesReport, Progress
from lut_fuse_core.files.video_pairs import (
    InfraredReader,
    VideoPair,
    infrared_reader,
    pairs_by_time,
)
from lut_fuse_core.io.video_pixels import VisiblePixels
from lut_fuse_core.io.video_planes import ColorFrame, ColorPlanes
from lut_fuse_core.io.video_reader import VideoReader, average_rate
from lut_fuse_core.io.video_writer import (
    EVENLY_SPACED,
    VideoWriter,
    check_video_name,
    write_video,
)
from lut_fuse_core.parallel import ordered_map, prefetch
from lut_fuse_core.pipeline.pipeline import FusionPipeline

if TYPE_CHECKING:
    import av

AHEAD = 8
"""Fused frames that may wait to be encoded."""


def fuse_videos(
    visible: Path,
    infrared: Path,
    target: Path,
    pipeline: FusionPipeline,
    progress: Progress | None = None,
) -> FilesReport:
    """Fuse two videos, whose frames are matched by their times.

    Args:
        visible: The visible video.
        infrared: The infrared video, or a thermal camera's recording.
        target: Video to write; its suffix says the format.
        pipeline: Fuses the pairs.
        progress: Called with the number of frames done so far and about how many there are; None
            for nothing.

    Returns:
        The report; a damaged video is fused as far as it can be read.

    Raises:
        InputError: For videos that cannot be read, or that have no time or size in common.
        LutFuseError: If the output cannot be written, or PyAV is not installed.
        ModuleNotFoundError: If the reader of the recording is not installed.
        OSError: If the output cannot be put in its place.
    """
    check_video_name(target)
    color = VideoReader(visible, _color_frames(pipeline))
    thermal = infrared_reader(infrared)
    frames = prefetch(color)
    pairs = pairs_by_time(frames, prefetch(thermal), thermal.rate, lambda: pipeline.clock_offset)
    first = next(pairs, None)
    if first is None:
        raise InputError(_why_nothing(color, thermal))
    height, width = first.visible.image.shape[:2]
    is_even = target.suffix.lower() in EVENLY_SPACED
    rate = average_rate(visible) if is_even else color.rate
    alone, count = pipeline.status.visible_only, 0
    with write_video(target, (width, height), rate) as writer:
        fused = _fused(chain([first], pairs), pipeline)
        write = partial(_write, writer)
        for _ in ordered_map(write, fused, workers=1, ahead=AHEAD):
            count += 1
            if progress is not None:
                progress(count, max(count, color.frame_count))
    alone = pipeline.status.visible_only - alone
    for _ in frames:
        pass
    return FilesReport(
        "video",
        str(target),
        count - alone,
        visible_only=alone,
        left=color.frames_read - count,
        codec=writer.codec,
        damaged=tuple(filter(None, (color.damage, thermal.damage))),
        notes=(*_notes(color), *_notes(thermal), *pipeline.status.notes),
        rate=rate if is_even and color.uneven else None,
    )


def _color_frames(pipeline: FusionPipeline) -> Callable[[av.VideoFrame], ColorFrame]:
    """What takes visible frames apart: models that see colors need RGB."""
    if pipeline.fuser.model.sees_luma_only:
        return ColorPlanes()
    rgb = VisiblePixels()
    return lambda frame: ColorFrame(rgb(frame))


def _fused(
    pairs: Iterable[VideoPair[ColorFrame]], pipeline: FusionPipeline
) -> Iterator[tuple[ColorFrame, float]]:
    for pair in pairs:
        image = pipeline.process(
            pair.visible.image,
            pair.infrared,
            visible_time=pair.visible_time,
            infrared_time=pair.infrared_time,
        )
        yield ColorFrame(image, pair.visible.chroma), pair.visible_time


def _write(writer: VideoWriter, frame: tuple[ColorFrame, float]) -> None:
    fused, time = frame
    if fused.chroma is None:
        writer.write(fused.image, time)
    else:
        writer.write_planes(fused.image[..., 0], fused.chroma, time)


def _why_nothing(color: VideoReader[Any], thermal: InfraredReader) -> str:
    for reader in (thermal, color):  # the visible frames are not asked for without infrared ones
        if not reader.frames_read:
            return f"{reader.path} holds no frames that can be read; it is truncated or damaged"
    return f"no frame of {thermal.path} is of a time that {color.path} shows; check --clock-offset"


def _notes(reader: VideoReader[Any] | InfraredReader) -> Iterator[str]:
    if reader.rotation:
        yield (
            f"{reader.path} asks players to rotate it by {reader.rotation % 360} degrees; its "
            "frames are used as the sensor saw them, so that the fused video is not rotated"
        )
    if reader.other_videos > 0:
        yield (
            f"{reader.path} holds {reader.other_videos + 1} videos, of which the one that players "
            "show is used; to use another, copy it out (ffmpeg -i IN -map 0:v:1 -c copy OUT)"
        )
    if reader.interlaced:
        yield (
            f"{reader.path} is interlaced: what moves is fused with combed edges; deinterlace it "
            "first (ffmpeg -i IN -vf bwdif -crf 12 OUT)"
        )
