"""Two videos side by side: which frames are of one moment, how far their clocks are apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.video import VideoFrame, VideoReader
from lut_fuse_core.pipeline.served import ServedInfrared
from lut_fuse_core.sync.clock_offset import ClockOffset, ClockOffsetEstimator

LONGEST = 60.0
"""Seconds of the videos that are looked at for their offset."""


@dataclass(frozen=True)
class VideoPair:
    """A visible frame and the infrared frame nearest in time.

    Attributes:
        visible: ``(H, W, 3) uint8``, RGB.
        infrared: ``(h, w) uint8``; None where it is the frame of the pair before.
        visible_time: Seconds since the visible video's start.
        infrared_time: Seconds since the infrared video's start.
    """

    visible: UInt8Array
    infrared: RawInfrared | None
    visible_time: float
    infrared_time: float


def pairs_by_time(
    visible: VideoReader, infrared: VideoReader, clock_offset: Callable[[], float]
) -> Iterator[VideoPair]:
    """Each visible frame with the infrared frame nearest in time.

    clock_offset: seconds that the infrared video's time is ahead, asked for every frame. Ends half
    a frame after the infrared video does.
    """
    frames = iter(infrared)
    current, following = next(frames, None), next(frames, None)
    served = ServedInfrared[VideoFrame]()
    if current is None:
        return
    for frame in visible:
        wanted = frame.time + clock_offset()
        while following is not None and following.time - wanted <= wanted - current.time:
            current, following = following, next(frames, None)
        if following is None and wanted >= current.time + 0.5 / infrared.rate:
            return
        fresh = served.pixels(current, lambda shown: _gray(shown.image))
        yield VideoPair(frame.image, fresh, frame.time, current.time)


def find_video_offset(visible: Path, infrared: Path) -> ClockOffset:
    """Estimate from what moves in the first minute how far the infrared video's time is ahead.

    Raises InputError if nothing moves that both cameras see, or the videos are too short.
    """
    estimator = ClockOffsetEstimator(window=LONGEST, interleaved=False)
    color, thermal = VideoReader(visible), VideoReader(infrared)
    for frame in itertools.takewhile(_early, thermal):
        estimator.add_infrared(_gray(frame.image), frame.time)
    for frame in itertools.takewhile(_early, color):
        estimator.add_visible(frame.image, frame.time)
    offset = estimator.latest()
    if offset is None:
        raise InputError(
            "the offset between the videos cannot be told from them: too little moves, they are "
            "shorter than 7 s, or more than a second apart; give it as --clock-offset SECONDS"
        )
    return offset


def _early(frame: VideoFrame) -> bool:
    return frame.time < LONGEST


def _gray(frame: UInt8Array) -> UInt8Array:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
