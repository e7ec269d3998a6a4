"""Pairs the frames of two videos by their times, and estimates the offset between these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from lut_fuse_core.arrays import AnyInfrared
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.quantity import CountConverter
from lut_fuse_core.io.thermal.sequence import SEQUENCE_SUFFIXES, ThermalSequence
from lut_fuse_core.io.video_pixels import InfraredPixels, VisiblePixels
from lut_fuse_core.io.video_reader import VideoFrame, VideoReader
from lut_fuse_core.parallel import prefetch
from lut_fuse_core.pipeline.served import ServedInfrared
from lut_fuse_core.sync.clock_offset import ClockOffset, ClockOffsetEstimator

LONGEST = 60.0
"""Seconds at the start of the videos by which their offset is estimated."""


Visible = TypeVar("Visible")


@dataclass(frozen=True)
class VideoPair(Generic[Visible]):
    """A visible frame and the infrared frame nearest in time.

    Attributes:
        visible: In the form that its reader gives it.
        infrared: ``(h, w)``, raw counts or temperatures; None where it is the same frame as in the
            pair before.
        visible_time: Seconds since the first frame of the visible video.
        infrared_time: Seconds since the first frame of the infrared video.
    """

    visible: Visible
    infrared: AnyInfrared | None
    visible_time: float
    infrared_time: float


class InfraredReader(Protocol):
    """The frames of an infrared recording; see the attributes of `VideoReader`."""

    path: Path
    rate: float
    frames_read: int
    rotation: int
    other_videos: int
    interlaced: bool

    @property
    def damage(self) -> str: ...  # noqa: D102

    def __iter__(self) -> Iterator[VideoFrame[Any]]: ...


def infrared_reader(path: Path) -> InfraredReader:
    """Open an infrared video or a thermal camera's recording.

    Args:
        path: The file.

    Returns:
        Reads its frames.

    Raises:
        InputError: If it cannot be read.
        LutFuseError: If PyAV is needed and not installed.
        ModuleNotFoundError: If the reader of the recording is not installed.
    """
    if path.suffix.lower() in SEQUENCE_SUFFIXES:
        return ThermalSequence(path)
    return VideoReader(path, InfraredPixels())


def pairs_by_time(
    visible: Iterable[VideoFrame[Visible]],
    infrared: Iterable[VideoFrame[AnyInfrared]],
    infrared_rate: float,
    clock_offset: Callable[[], float],
) -> Iterator[VideoPair[Visible]]:
    """Pair each visible frame with the infrared frame nearest in time.

    Args:
        visible: Visible frames in the order of their times.
        infrared: Infrared frames in the order of their times; at most one further frame is taken
            than is needed.
        infrared_rate: Frames per second of the infrared video, which ends half a period after its
            last frame.
        clock_offset: Seconds that the times of the infrared video are ahead; called for every
            visible frame.

    Yields:
        The pairs, until either video ends.
    """
    frames = iter(infrared)
    current, following = next(frames, None), next(frames, None)
    served = ServedInfrared[VideoFrame[AnyInfrared]]()
    if current is None:
        return
    for frame in visible:
        wanted = frame.time + clock_offset()
        while following is not None and following.time - wanted <= wanted - current.time:
            current, following = following, next(frames, None)
        if following is None and wanted >= current.time + 0.5 / infrared_rate:
            return
        fresh = served.pixels(current, lambda shown: shown.image)
        yield VideoPair(frame.image, fresh, frame.time, current.time)


def find_video_offset(visible: Path, infrared: Path) -> ClockOffset:
    """Estimate the offset between two videos from what moves in their first minute.

    Args:
        visible: The visible video.
        infrared: The infrared video or recording.

    Returns:
        Seconds that the times of the infrared video are ahead, at most 1 in either direction.

    Raises:
        InputError: If a video cannot be read, nothing moves that both cameras see, or the videos
            are shorter than 7 s.
        LutFuseError: If PyAV is not installed.
    """
    counts = CountConverter()
    estimator = ClockOffsetEstimator(window=LONGEST, interleaved=False)
    for shown in prefetch(takewhile(_early, infrared_reader(infrared))):
        estimator.add_infrared(counts(shown.image), shown.time)
    for frame in prefetch(takewhile(_early, VideoReader(visible, VisiblePixels()))):
        estimator.add_visible(frame.image, frame.time)
    offset = estimator.latest()
    if offset is None:
        raise InputError(
            "the offset between the videos cannot be estimated: too little moves, they are "
            "shorter than 7 s, or more than a second apart; give it as --clock-offset SECONDS"
        )
    return offset


def _early(frame: VideoFrame[Any]) -> bool:
    return frame.time < LONGEST
