"""Recordings of thermal cameras, read frame by frame: FLIR's .seq and .csq, Telops's .hcc."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from lut_fuse_core.arrays import AnyInfrared
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.thermal.flir import FILE_MARKS, flir_frames
from lut_fuse_core.io.thermal.telops import FALLBACK_RATE, telops_frames
from lut_fuse_core.io.video_reader import VideoFrame

SEQUENCE_SUFFIXES = (".seq", ".csq", ".hcc")

RATE_FRAMES = 10
"""Frames at the start by whose times the rate is measured."""


class ThermalSequence:
    """The frames of a thermal camera's recording; an `InfraredReader`.

    Attributes:
        path: The file.
        rate: Frames per second, measured at the start.
        frames_read: Frames read so far.
        damage: What is wrong with the file as far as it was read; empty if nothing is.
        rotation: 0, as of videos that are not to be rotated.
        other_videos: 0, as of videos that are alone in their file.
        interlaced: False.
    """

    def __init__(self, path: Path) -> None:
        """Read the first frames.

        Args:
            path: The file.

        Raises:
            InputError: If it holds no frames that can be read.
            ModuleNotFoundError: If the reader of its kind is not installed.
        """
        self.path = path
        self.frames_read = 0
        self.damage = ""
        self.rotation, self.other_videos, self.interlaced = 0, 0, False
        times = list(islice(self._times(), RATE_FRAMES))
        if not times:
            raise InputError(f"{path} holds no frames that can be read; it is truncated or damaged")
        steps = np.diff(times)
        step = float(np.median(steps)) if len(steps) else 0.0
        self.rate = 1 / step if step > 0 else FALLBACK_RATE

    def __iter__(self) -> Iterator[VideoFrame[AnyInfrared]]:
        """The frames, their times in seconds since the first one; they end at the first damage.

        Yields:
            Temperatures, ``(h, w) float32``, or counts, ``(h, w) uint16``.
        """
        first = None
        try:
            for time, image in self._frames():
                first = time if first is None else first
                self.frames_read += 1
                yield VideoFrame(image, time - first)
        except InputError as error:
            self.damage = f"{self.path} is damaged after {self.frames_read} frames: {error}"

    def _times(self) -> Iterator[float]:
        try:
            for time, _ in self._frames():
                yield time
        except InputError:
            return

    def _frames(self) -> Iterator[tuple[float, AnyInfrared]]:
        if self.path.suffix.lower() == ".hcc":
            yield from telops_frames(self.path)
            return
        try:
            with self.path.open("rb") as file, _mapped(file.fileno()) as content:
                if content[:4] not in FILE_MARKS:
                    raise InputError("it is no file of FLIR's")
                yield from flir_frames(content)
        except (OSError, ValueError) as error:
            raise InputError(f"it cannot be read ({error})") from None


def _mapped(descriptor: int) -> mmap.mmap:
    return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
