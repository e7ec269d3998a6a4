"""Video files through OpenCV: read frame by frame, written complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError, LutFuseError
from lut_fuse_core.io.opencv_log import quiet
from lut_fuse_core.io.video_container import is_cut_short

# OpenCV's ffmpeg reports each codec it tries on stderr; what matters of it is reported here.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

CODECS = {
    ".mp4": (("avc1", "H.264"), ("mp4v", "MPEG-4")),
    ".mov": (("avc1", "H.264"), ("mp4v", "MPEG-4")),
    ".mkv": (("avc1", "H.264"), ("mp4v", "MPEG-4")),
    ".avi": (("MJPG", "Motion JPEG"),),
}
"""Per suffix what OpenCV may be able to encode, best first. H.264 plays everywhere, but OpenCV's
own packages come without it; MPEG-4 plays in VLC, mpv, QuickTime and Windows, not in browsers."""

UNEVEN = 0.75
"""Share of the average from which the time between two frames may differ; containers round it."""

UNEVEN_IN_ALL = 3
"""Average times between two frames by which any frame may be early or late."""

VIDEO_SUFFIXES = (*CODECS, ".webm", ".m4v", ".mpg", ".mpeg", ".ts")


@dataclass(frozen=True)
class VideoFrame:
    """A frame, ``(H, W, 3) uint8`` RGB, and its time in seconds since the video's first."""

    image: UInt8Array
    time: float


class VideoReader:
    """A video's frames in order, as the sensor saw them: not turned, whatever the file says.

    rate: frames per second, as the file announces, mostly the average. frame_count: as the file
    announces, which may be wrong; 0 if unknown. frames_read: so far. uneven: whether the time
    between frames has varied.
    Raises InputError if the file is missing or no video.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(f"there is no file {path}")
        with quiet():
            self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise InputError(f"{path} is not a video that can be read")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        self.path = path
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS)) or 30.0
        self.frame_count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.frames_read = 0
        self.uneven = False
        self._start, self._time = 0.0, -1 / self.rate

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames."""
        while True:
            with quiet():
                there, frame = self._capture.read()
            if not there:
                self._capture.release()
                return
            self._tell_time()
            self.frames_read += 1
            image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
            yield VideoFrame(image, self._time)

    @property
    def damage(self) -> str:
        """Once all frames are read: what is wrong with the file; empty if nothing is known."""
        if not is_cut_short(self.path):
            return ""
        return f"{self.path} is cut short: it can be read for {self._time + 1 / self.rate:.1f} s"

    def _tell_time(self) -> None:
        """The time of the frame that was just read: as recorded, else by counting."""
        before, period = self._time, 1 / self.rate
        recorded = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if not self.frames_read:
            self._start = recorded
        self._time = recorded - self._start
        if not self._time > before:
            self._time = before + period
        late = self._time - self.frames_read * period
        if (
            abs(self._time - before - period) > UNEVEN * period
            or abs(late) > UNEVEN_IN_ALL * period
        ):
            self.uneven = True


class VideoWriter:
    """Takes frames; made by `write_video`. codec: what the video is encoded in, in words. written:
    frames so far.

    Codecs take even sizes only; an odd last row or column is shown twice.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        self._size, self.written = size, 0
        self._margin = (0, size[1] % 2, 0, size[0] % 2)
        size = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        for code, self.codec in CODECS[path.suffix.lower()]:
            with quiet():
                self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate, size)
            if self._writer.isOpened():
                return
        raise LutFuseError(f"this OpenCV cannot write {path.suffix} videos; try .avi")

    def write(self, frame: UInt8Array) -> None:
        """Append ``(H, W, 3) uint8`` RGB of the video's size."""
        if (frame.shape[1], frame.shape[0]) != self._size:
            raise InputError(
                f"a frame of {frame.shape[1]}x{frame.shape[0]} comes after ones of "
                f"{self._size[0]}x{self._size[1]}; a video has one size"
            )
        image = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        if any(self._margin):
            image = cv2.copyMakeBorder(image, *self._margin, cv2.BORDER_REPLICATE)
        with quiet():
            self._writer.write(image)
        self.written += 1

    def close(self) -> None:
        """Finish the file."""
        with quiet():
            self._writer.release()


@contextmanager
def write_video(path: Path, size: tuple[int, int], rate: float) -> Iterator[VideoWriter]:
    """Yield a writer whose video appears at ``path`` when the block ends without an error.

    size: width and height in pixels. rate: frames per second.
    Raises InputError for a suffix that is no video format, LutFuseError if nothing can encode it.
    """
    check_video_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        writer = VideoWriter(temporary, size, rate)
        try:
            yield writer
        finally:
            writer.close()
        # OpenCV does not report a failed write; a full disk leaves the file short.
        if not _is_whole(temporary, writer.written):
            raise LutFuseError(f"cannot write {path}: is the disk full?")


def _is_whole(path: Path, frames: int) -> bool:
    with quiet():
        written = cv2.VideoCapture(str(path))
        if not written.isOpened() or not frames:
            return written.isOpened()
        written.set(cv2.CAP_PROP_POS_FRAMES, frames - 1)
        return bool(written.grab()) and int(written.get(cv2.CAP_PROP_FRAME_COUNT)) >= frames


def check_video_name(path: Path) -> None:
    """Raise InputError unless a video of this name can be written."""
    if path.suffix.lower() not in CODECS:
        raise InputError(f"{path.name} does not end like a video; use {', '.join(CODECS)}")
