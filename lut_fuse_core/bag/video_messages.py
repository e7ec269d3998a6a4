"""Images that are sent as video: a packet of H.264, H.265, AV1 ... per message."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_encodings import check_size
from lut_fuse_core.io.pyav import pyav
from lut_fuse_core.io.video_pixels import InfraredPixels, VisiblePixels

_CODECS = (
    ("hevc", r"h\.?265|hevc|x265"),
    ("h264", r"h\.?264|avc|x264"),
    ("av1", r"av1"),
    ("ffv1", r"ffv1"),
    ("vp9", r"vp9"),
    ("vp8", r"vp8"),
    ("mjpeg", r"mjpe?g"),
    ("mpeg4", r"mpeg-?4"),
    ("png", r"png"),
)
"""FFmpeg's names of codecs, and the names that messages and encoders have for them."""

MOST_DELAYED = 64
"""Packets that may wait for their image; then they are given up, as before the first key frame."""

T = TypeVar("T")


@dataclass(frozen=True)
class VideoPacket:
    """A packet of a video stream.

    Attributes:
        format: The message's name of it, e.g. ``h264`` or ``hevc;yuv420p;bgr8;bgr8``.
        data: The packet: bytes or ``(N,) uint8``.
        size: Width and height in pixels, which not all codecs hold in the packet; None if unknown.
    """

    format: str
    data: Any
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class VideoFrame:
    """A decoded frame; converted when its pixels are asked for.

    Attributes:
        frame: PyAV's `VideoFrame`.
    """

    frame: Any

    @property
    def size(self) -> int:
        """Bytes of memory that its planes take."""
        return int(sum(plane.buffer_size for plane in self.frame.planes))

    def visible(self) -> UInt8Array:
        """Convert it to a color image.

        Returns:
            ``(H, W, 3) uint8``, RGB, see `VisiblePixels`.

        Raises:
            InputError: For pixels that cannot be converted.
        """
        return VisiblePixels()(self.frame)

    def infrared(self) -> AnyInfrared:
        """Convert it to a raw infrared image.

        Returns:
            ``(h, w)``, see `InfraredPixels`.

        Raises:
            InputError: For colors that are no intensities.
        """
        return InfraredPixels()(self.frame)


class VideoDecoder(Generic[T]):
    """Decodes the packets of one topic in the order of recording.

    A frame may come out only after later packets went in; it is returned with its own item.

    Args:
        topic: Name of the topic, for error messages.
        first: The first packet, which names the codec.

    Attributes:
        lost: Number of packets that were given up without a frame.

    Raises:
        InputError: For a codec that is unknown, or that this FFmpeg lacks.
        LutFuseError: If PyAV is not installed.
    """

    def __init__(self, topic: str, first: VideoPacket) -> None:
        self._topic = topic
        self._context = _decoder(topic, first.format)
        if first.size is not None:
            check_size(*first.size)
            self._context.width, self._context.height = first.size
        self._waiting: dict[int, T] = {}
        self._order: deque[int] = deque()
        self._number = 0
        self._decoded_any = False
        self.lost = 0

    def feed(self, packet: VideoPacket, item: T) -> list[tuple[T, VideoFrame]]:
        """Take the next packet.

        Args:
            packet: The packet.
            item: What its frame is to be returned with.

        Returns:
            The items and frames that are complete now.

        Raises:
            InputError: For an empty packet, or one that cannot be decoded.
        """
        av = pyav()
        if not len(packet.data):  # which would tell the decoder that the stream has ended
            raise InputError(f"a video packet of {self._topic} is empty")
        unit = av.Packet(bytes(packet.data))
        unit.pts = unit.dts = self._number
        self._waiting[self._number] = item
        self._order.append(self._number)
        self._number += 1
        while len(self._order) > MOST_DELAYED:
            self.lost += self._waiting.pop(self._order.popleft(), None) is not None
        try:
            frames = self._context.decode(unit)
        except av.error.FFmpegError as error:
            self._waiting.pop(self._number - 1, None)
            reason = f"is damaged ({error.strerror})"
            if not self._decoded_any:
                reason = (
                    f"cannot be decoded ({error.strerror}): it is damaged, or what a decoder needs "
                    "to begin with, as SPS and PPS of H.264 are, is not in the messages"
                )
            raise InputError(f"a video packet of {self._topic} {reason}") from None
        return self._matched(frames)

    def flush(self) -> list[tuple[T, VideoFrame]]:
        """The items and frames that the decoder held back; the stream has ended."""
        av = pyav()
        try:
            found = self._matched(self._context.decode(None))
        except av.error.FFmpegError:
            found = []
        self.lost += len(self._waiting)
        self._waiting.clear()
        return found

    def _matched(self, frames: list[Any]) -> list[tuple[T, VideoFrame]]:
        found = []
        self._decoded_any = self._decoded_any or bool(frames)
        for frame in frames:
            item = self._waiting.pop(frame.pts, None)
            if item is not None:
                check_size(frame.width, frame.height)
                found.append((item, VideoFrame(frame)))
        return found


def codec_of(format_: str) -> str | None:
    """Recognize the codec of a message.

    Args:
        format_: The message's name of it.

    Returns:
        FFmpeg's name of it; None if it is unknown.
    """
    name = format_.partition(";")[0].lower()
    return next((codec for codec, words in _CODECS if re.search(words, name)), None)


def _decoder(topic: str, format_: str) -> Any:
    codec = codec_of(format_)
    if codec is None:
        raise InputError(f"{topic} holds video of a codec that is not known: '{format_}'")
    av = pyav()
    try:
        context = av.CodecContext.create("libdav1d" if codec == "av1" else codec, "r")
    except ValueError:
        raise InputError(
            f"{topic} holds {codec} video, which the installed FFmpeg cannot decode; run 'pip "
            "install av' for one that can"
        ) from None
    # One frame in, one frame out, as far as the stream allows.
    context.thread_count = 1
    context.options = {"max_frame_delay": "1"} if codec == "av1" else {"flags": "low_delay"}
    return context
