"""Video files, written through PyAV: complete or not at all, with the frames' own times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError, LutFuseError
from lut_fuse_core.io.pyav import pyav
from lut_fuse_core.io.video_planes import Chroma, joined
from lut_fuse_core.io.video_reader import LARGE_FRAME
from lut_fuse_core.libraries.opencv import cv2

if TYPE_CHECKING:
    import av

TICKS = 90_000
"""Units per second in which times are written: the periods of all usual rates are whole numbers."""

MPEG4_TICKS = 60_000
"""The same for MPEG-4, which allows 65535 at most."""

BT601, LIMITED, FULL = 6, 1, 2
"""FFmpeg's numbers of the matrix (SMPTE 170M) and the ranges that videos are tagged with."""


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg's.

    Attributes:
        encoder: FFmpeg's name of it.
        name: Name of the codec for users.
        pixels: Pixel format; that of JPEG has full range.
        options: Options of the encoder.
        ticks: Units per second in which times are written.
    """

    encoder: str
    name: str
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    ticks: int = TICKS


H264 = (
    # An eighth of the time of the default preset at the same quality; files are twice as large. A
    # fixed quantizer gives as much quality per byte as a rate factor does at this preset, without
    # the fifth of the time that is spent on an estimate of how complex each frame is.
    Codec("libx264", "H.264", options={"preset": "ultrafast", "qp": "20"}),
    Codec("libopenh264", "H.264"),
    Codec("mpeg4", "MPEG-4", options={"qmin": "2", "qmax": "4"}, ticks=MPEG4_TICKS),
)
MOTION_JPEG = (Codec("mjpeg", "Motion JPEG", "yuvj420p", {"qmin": "2", "qmax": "3"}),)

CODECS = {".mp4": H264, ".m4v": H264, ".mov": H264, ".mkv": H264, ".avi": MOTION_JPEG}
"""Encoders by suffix, best first: some builds of FFmpeg lack H.264."""

EVENLY_SPACED = (".avi",)
"""Suffixes of formats that hold a rate, but no times of frames."""

_WITH_INDEX = (".mp4", ".m4v", ".mov")

_FAST_START = {"movflags": "+faststart"}
"""The index first, so that browsers play while they load."""


class VideoWriter:
    """Takes frames; made by `write_video`.

    Codecs take even sizes only; an odd last row or column is repeated.

    Args:
        path: The file to write.
        size: Width and height in pixels.
        rate: Usual frames per second, above 0.

    Attributes:
        codec: Name of the codec for users.
        written: Frames written so far.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        self._size, self.written = size, 0
        self._margin = (0, size[1] % 2, 0, size[0] % 2)
        self._even = path.suffix.lower() in EVENLY_SPACED
        av = pyav()
        codec = next(
            (c for c in CODECS[path.suffix.lower()] if c.encoder in av.codecs_available), None
        )
        if codec is None:
            raise LutFuseError(f"this FFmpeg cannot encode {path.suffix} videos; try .avi")
        self.codec, self._pixels = codec.name, codec.pixels
        options = _FAST_START if path.suffix.lower() in _WITH_INDEX else {}
        self._container = av.open(f"file:{path.absolute()}", "w", options=options)
        announced = _fraction(rate)
        stream = self._container.add_stream(codec.encoder, rate=announced)
        stream.width, stream.height = (side + side % 2 for side in size)
        stream.pix_fmt = codec.pixels
        stream.options = dict(codec.options)
        if size[0] * size[1] < LARGE_FRAME:
            stream.codec_context.thread_count = 1
        self._base = 1 / announced if self._even else Fraction(1, codec.ticks)
        stream.time_base = stream.codec_context.time_base = self._base
        stream.codec_context.colorspace = BT601
        stream.codec_context.color_range = FULL if codec.pixels == "yuvj420p" else LIMITED
        self._stream = stream
        self._tick = -1

    def write(self, frame: UInt8Array, time: float) -> None:
        """Append a frame.

        Args:
            frame: ``(H, W, 3) uint8``, RGB, of the video's size.
            time: Seconds since the first frame, increasing; not used where the format holds no
                times.

        Raises:
            InputError: For a frame of another size.
            av.error.FFmpegError: If it cannot be encoded or written, see `write_video`.
        """
        self._check_size(frame)
        if any(self._margin):
            widened = cv2.copyMakeBorder(frame, *self._margin, cv2.BORDER_REPLICATE)
            frame = widened.astype(np.uint8, copy=False)
        if self._pixels == "yuv420p":
            planes = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)  # BT.601 of limited range
            picture = _picture(planes.astype(np.uint8, copy=False))
        else:
            picture = self._in_full_range(pyav().VideoFrame.from_ndarray(frame, format="rgb24"))
        self._append(picture, time)

    def write_planes(self, luma: UInt8Array, chroma: Chroma, time: float) -> None:
        """Append a frame whose colors stay as they were read.

        Args:
            luma: ``(H, W) uint8``, of full range.
            chroma: Its colors.
            time: As for `write`.

        Raises:
            InputError: For a frame of another size.
            av.error.FFmpegError: If it cannot be encoded or written, see `write_video`.
        """
        self._check_size(luma)
        picture = _picture(joined(luma, chroma))
        if self._pixels != "yuv420p":
            picture.colorspace, picture.color_range = BT601, LIMITED
            picture = self._in_full_range(picture)
        self._append(picture, time)

    def _check_size(self, frame: UInt8Array) -> None:
        if (frame.shape[1], frame.shape[0]) != self._size:
            raise InputError(
                f"a frame of {frame.shape[1]}x{frame.shape[0]} comes after ones of "
                f"{self._size[0]}x{self._size[1]}; a video has one size"
            )

    def _append(self, picture: av.VideoFrame, time: float) -> None:
        tick = self.written if self._even else round(time / self._base)
        self._tick = picture.pts = max(tick, self._tick + 1)
        picture.time_base = self._base
        self._mux(picture)
        self.written += 1

    def close(self) -> None:
        """Complete the file.

        Raises:
            av.error.FFmpegError: If it cannot be encoded or written, see `write_video`.
        """
        with self._container:
            if self.written:
                self._mux(None)

    def _in_full_range(self, picture: av.VideoFrame) -> av.VideoFrame:
        return picture.reformat(
            format=self._pixels, dst_colorspace=BT601, dst_color_range=FULL, threads=1
        )

    def _mux(self, picture: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            self._container.mux(packet)


def _picture(planes: UInt8Array) -> av.VideoFrame:
    """4:2:0 of limited range for the encoder, from its planes below each other."""
    av = pyav()
    # Without a copy; of other heights PyAV takes a part only.
    whole = planes.shape[0] % 6 == 0
    take = av.VideoFrame.from_numpy_buffer if whole else av.VideoFrame.from_ndarray
    return take(planes, format="yuv420p")


def _fraction(rate: float) -> Fraction:
    """Frames per second as formats hold them, of which 30000/1001 is a usual one; never 0."""
    if rate < 1:
        return 1 / Fraction(1 / rate).limit_denominator(1001)
    return Fraction(rate).limit_denominator(1001)


@contextmanager
def write_video(path: Path, size: tuple[int, int], rate: float) -> Iterator[VideoWriter]:
    """Write a video that appears when the block ends without an error.

    Args:
        path: File to write; its suffix says the format. Its folder is made where it is missing.
        size: Width and height in pixels.
        rate: Usual frames per second, above 0.

    Yields:
        Takes the frames.

    Raises:
        InputError: For a suffix that is no video format.
        LutFuseError: If it cannot be encoded or written, or PyAV is not installed.
        OSError: If its folder cannot be made, or it cannot be renamed.
    """
    check_video_name(path)
    errors = pyav().FFmpegError
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        try:
            writer = VideoWriter(temporary, size, rate)
            try:
                yield writer
            finally:
                writer.close()
            is_whole = _packets(temporary) == writer.written
        except errors as error:
            reason = error.strerror or "unknown reason"
            raise LutFuseError(f"cannot write {path} ({reason}): is the disk full?") from None
        if not is_whole:
            # Not every failed write is reported.
            raise LutFuseError(f"cannot write {path}: is the disk full?")


def _packets(path: Path) -> int:
    """Number of whole packets in a video: one per frame."""
    with pyav().open(f"file:{path.absolute()}") as container:
        return sum(bool(packet.size and not packet.is_corrupt) for packet in container.demux())


def check_video_name(path: Path) -> None:
    """Refuse the name of a file that no video can be written to.

    Args:
        path: File to write.

    Raises:
        InputError: For a suffix that is no video format.
    """
    if path.suffix.lower() not in CODECS:
        raise InputError(f"{path.name} does not end like a video; use {', '.join(CODECS)}")
