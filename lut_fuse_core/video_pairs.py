"""Two videos side by side: which frames are of one moment, how far their clocks are apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lut_fuse_core.errors import InputError
from lut_fuse_core.features import UInt8Array
from lut_fuse_core.time_offset import ClockOffset, ClockOffsetEstimator
from lut_fuse_core.video import VideoReader

LONGEST = 60.0
"""Seconds of the videos that are looked at for their offset."""


@dataclass(frozen=True)
class VideoPair:
    """A visible frame and the infrared frame nearest in time.

    visible: ``(H, W, 3) uint8``, RGB. infrared: ``(h, w) uint8``; None where the infrared frame is
    the one of the pair before. Times in seconds since each video's start.
    """

    visible: UInt8Array
    infrared: UInt8Array | None
    visible_time: float
    infrared_time: float


def pairs_by_time(
    visible: Iterator[UInt8Array],
    infrared: VideoReader,
    rate: float,
    clock_offset: Callable[[], float],
) -> Iterator[VideoPair]:
    """Each visible frame with the infrared frame nearest in time.

    rate: visible frames per second. clock_offset: seconds that the infrared video's time is ahead,
    asked for every frame. Ends half a frame after the infrared video does.
    """
    frames = iter(infrared)
    current, position, served = next(frames, None), 0, -1
    for number in itertools.count():
        time = number / rate
        wanted = round((time + clock_offset()) * infrared.rate)
        while position < wanted and current is not None:
            current, position = next(frames, None), position + 1
        if current is None:
            return
        # Only now: a frame taken here without a partner would be missing among those left.
        image = next(visible, None)
        if image is None:
            return
        fresh = _grey(current) if position != served else None
        served = position
        yield VideoPair(image, fresh, time, position / infrared.rate)


def find_video_offset(visible: Path, infrared: Path) -> ClockOffset:
    """Estimate from what moves in the first minute how far the infrared video's time is ahead.

    Raises InputError if nothing moves that both cameras see, or the videos are too short.
    """
    estimator = ClockOffsetEstimator(window=LONGEST)
    colour, thermal = VideoReader(visible), VideoReader(infrared)
    for number, grey in enumerate(itertools.islice(thermal, round(LONGEST * thermal.rate))):
        estimator.add_infrared(_grey(grey), number / thermal.rate)
    for number, image in enumerate(itertools.islice(colour, round(LONGEST * colour.rate))):
        estimator.add_visible(image, number / colour.rate)
    offset = estimator.latest()
    if offset is None:
        raise InputError(
            "the offset between the videos cannot be told from them: too little moves, they are "
            "shorter than 7 s, or more than a second apart; give it as --clock-offset SECONDS"
        )
    return offset


def _grey(frame: UInt8Array) -> UInt8Array:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
