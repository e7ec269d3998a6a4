"""Video files through OpenCV: read frame by frame, written complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError, LutFuseError
from lut_fuse_core.features import UInt8Array

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

SILENT = 0
"""OpenCV's log level at which it says nothing."""

VIDEO_SUFFIXES = (*CODECS, ".webm", ".m4v", ".mpg", ".mpeg", ".ts")


class VideoReader:
    """A video's frames in order.

    rate: frames per second. frame_count: as the file announces, which may be wrong; 0 if unknown.
    Raises InputError if the file is missing or no video.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(f"there is no file {path}")
        with _quiet():
            self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise InputError(f"{path} is not a video that can be read")
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS)) or 30.0
        self.frame_count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def __iter__(self) -> Iterator[UInt8Array]:
        """The frames, ``(H, W, 3) uint8``, RGB."""
        while True:
            there, frame = self._capture.read()
            if not there:
                self._capture.release()
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


class VideoWriter:
    """Takes frames; made by `write_video`. codec: what the video is encoded in, in words.

    Codecs take even sizes only; an odd last row or column is shown twice.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        self._size = size
        self._margin = (0, size[1] % 2, 0, size[0] % 2)
        size = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        for code, self.codec in CODECS[path.suffix.lower()]:
            with _quiet():
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
        even = cv2.copyMakeBorder(frame, *self._margin, cv2.BORDER_REPLICATE)
        self._writer.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file."""
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
        # OpenCV does not report a failed write; a full disk leaves the file unreadable.
        with _quiet():
            if not cv2.VideoCapture(str(temporary)).isOpened():
                raise LutFuseError(f"cannot write {path}: is the disk full?")


def check_video_name(path: Path) -> None:
    """Raise InputError unless a video of this name can be written."""
    if path.suffix.lower() not in CODECS:
        raise InputError(f"{path.name} does not end like a video; use {', '.join(CODECS)}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV from reporting on stderr what is handled here."""
    logging: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 has moved it there
    level = logging.getLogLevel()
    logging.setLogLevel(SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
