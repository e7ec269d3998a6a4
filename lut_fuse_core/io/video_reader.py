"""Video files, read through PyAV: any container and codec FFmpeg knows, with their own times."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.pyav import pyav
from lut_fuse_core.io.video_times import (
    COUNTED_FROM_ZERO,
    IN_DECODING_ORDER,
    MOST_HELD_BACK,
    WITH_FRAME_COUNT,
    FrameClock,
    announced_end,
    usual_rate,
)
from lut_fuse_core.parallel import usable_cores

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

Pixels = TypeVar("Pixels")

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".mj2", ".3gp", ".3g2", ".f4v", ".mkv", ".mk3d", ".webm"),
    *(".avi", ".divx", ".wmv", ".asf", ".flv", ".ts", ".mts", ".m2ts", ".m2t", ".mpg", ".mpeg"),
    *(".mpe", ".m1v", ".m2v", ".vob", ".mjpg", ".mjpeg", ".h264", ".264", ".avc", ".h265", ".265"),
    *(".hevc", ".av1", ".obu", ".ivf", ".nut", ".y4m", ".ogv", ".ogm", ".ogg", ".mxf", ".dv"),
    *(".rm", ".rmvb", ".cine", ".ser", ".gif", ".apng"),
)
"""Suffixes of files that are taken for videos; their content decides how they are read."""

MAX_PIXELS = 1 << 26
"""Pixels per frame above which a video is taken for damaged: a few bytes can announce gigabytes."""

MAX_DECODER_THREADS = 4

LARGE_FRAME = 1 << 20
"""Pixels from which on several threads decode a frame: before that, they wait longer for each other
than they work."""

FIRST_PACKETS = 64
"""Packets at the start of a video from whose times its rate is measured."""

LEAST_MISSING = 0.75
"""Share of the longest step between two frames above which a gap at the end means that the end of
the video is missing."""


@dataclass(frozen=True)
class VideoFrame(Generic[Pixels]):
    """A frame and when it was recorded.

    Attributes:
        image: Its pixels, in the form that the reader converts them to.
        time: Seconds since the video's first frame.
    """

    image: Pixels
    time: float


class VideoReader(Generic[Pixels]):
    """The frames of a video in order, as the sensor saw them: not rotated, whatever the file says.

    What cannot be decoded is skipped and counted; `damage` says so. Iterate once: that closes the
    file.

    Args:
        path: The file.
        pixels: Converts a decoded frame: `VisiblePixels` or `InfraredPixels`.

    Attributes:
        path: The file.
        rate: Usual frames per second, measured at the start; announced rates are often wrong.
        frame_count: Frames as announced, or estimated from the duration; 0 if unknown.
        frames_read: Frames read so far.
        rotation: Degrees by which players are asked to rotate the frames read so far.
        other_videos: Further videos in the file, which are not read; covers do not count.
        interlaced: Whether any of the frames read so far holds two fields of different times.

    Raises:
        InputError: If the file is missing or holds no video that can be read.
        LutFuseError: If PyAV is not installed.
    """

    def __init__(self, path: Path, pixels: Callable[[av.VideoFrame], Pixels]) -> None:
        self.path = path
        self._pixels = pixels
        self._errors = pyav().FFmpegError
        self.rate = _measured_rate(path)
        self._container, self._stream = _open(path)
        self.other_videos = sum(_is_moving(each) for each in self._container.streams.video) - 1
        self._base = self._stream.time_base
        self._clock = FrameClock(self.rate)
        self._announced_end = announced_end(self._container, self._stream)
        self._counted_from_zero = self._container.format.name in COUNTED_FROM_ZERO
        counted = self._container.format.name in WITH_FRAME_COUNT
        self._announced_packets = self._stream.frames if counted else 0
        self._start = (self._container.start_time or 0) / 1e6
        # The last frame may last as long as announced, however fast the others come.
        self._last_step = 1 / max(float(self._stream.guessed_rate or 0), 1.0)
        seconds = (self._container.duration or 0) / 1e6
        self.frame_count = self._stream.frames or max(0, round(seconds * self.rate))
        self.frames_read = 0
        self.rotation = 0
        self.interlaced = False
        self._end = 0.0
        self._first_dts: float | None = None
        self._packets_read = 0
        self._lost = 0
        self._ends_midway = False
        self._read_to_end = False

    @property
    def uneven(self) -> bool:
        """Whether the time between frames has varied by more than containers round times."""
        return self._clock.uneven

    def __iter__(self) -> Iterator[VideoFrame[Pixels]]:
        """The frames.

        Yields:
            Each frame with its time, which always increases.

        Raises:
            InputError: If the pixels of the first frame cannot be used.
        """
        with self._container:
            for frame, recorded in self._decoded():
                time = self._clock.tell(recorded)
                self.rotation = self.rotation or int(getattr(frame, "rotation", 0))
                self.interlaced = self.interlaced or bool(frame.interlaced_frame)
                image = self._converted(frame)
                if image is not None:
                    self.frames_read += 1
                    yield VideoFrame(image, time)
            self._read_to_end = True

    @property
    def damage(self) -> str:
        """What is wrong with the file as far as it was read; empty if nothing is."""
        if self._read_to_end and (self._ends_midway or self._lacks_its_end()):
            seconds = self._clock.time + 1 / self.rate if self.frames_read else 0.0
            return f"{self.path} is truncated: it can be read for {seconds:.1f} s"
        if self._lost:
            return f"{self.path} is damaged: {self._lost} of its frames are incomplete or unusable"
        return ""

    def _lacks_its_end(self) -> bool:
        """Whether the file ends before the time that it announces."""
        if self._announced_end is None or 0 < self._announced_packets <= self._packets_read:
            return False
        longest = max(self._clock.longest_step, self._last_step)
        missing = self._announced_end - self._end
        if self._counted_from_zero:
            # Or from the first packet, which with B-frames is before the first frame.
            origins = sorted({0.0, min(self._first_dts or 0.0, self._start), self._start})
            possible = [missing - self._start + origin for origin in origins]
            missing = next((each for each in possible if each > -longest), missing)
        return missing > LEAST_MISSING * longest

    def _converted(self, frame: av.VideoFrame) -> Pixels | None:
        """The pixels; None for those of a later frame that cannot be used: they are damaged."""
        try:
            return self._pixels(frame)
        except InputError as error:
            if not self.frames_read:
                raise InputError(f"{self.path}: {error}") from None
            self._lost += 1
            return None

    def _decoded(self) -> Iterator[tuple[av.VideoFrame, float | None]]:
        """What can be decoded, with its time in seconds; notes what cannot."""
        decoder = self._stream.codec_context
        in_decoding_order = (
            self._container.format.name in IN_DECODING_ORDER and decoder.codec.reorder
        )
        waiting: deque[float | None] = deque(maxlen=MOST_HELD_BACK)
        for packet in self._packets():
            try:
                frames = decoder.decode(packet)
            except self._errors:
                frames = []
                # Before the first whole frame: the recording may have joined a stream midway.
                self._lost += bool(self.frames_read)
                self._ends_midway = True  # unless another packet follows
            else:
                if packet is not None:
                    waiting.append(self._seconds(packet.dts))
            for frame in frames:
                self._lost += bool(frame.is_corrupt and self.frames_read)
                if in_decoding_order:
                    yield frame, waiting.popleft() if waiting else None
                else:
                    # Of frames that come after the last packet, PyAV does not know the unit.
                    yield frame, self._seconds(frame.pts)

    def _seconds(self, ticks: int | None) -> float | None:
        return None if ticks is None or self._base is None else _seconds(ticks, self._base)

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        """The video's packets, then None, which drains the decoder; notes where the file ends."""
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets, None)
            except IndexError:
                # PyAV's demuxer does not expect a stream that appears midway. A new one goes on
                # from there, and knows of it.
                packets = self._container.demux()
                continue
            except self._errors:
                self._ends_midway = True
                packet = None
            if packet is None:
                yield None
                return
            if not packet.size:
                continue  # the demuxer's own sign for the end of a stream
            is_video = packet.stream.index == self._stream.index
            base = packet.time_base
            if packet.pts is not None and base is not None:
                length = _seconds(packet.duration or 0, base)
                length = max(length, 1 / self.rate if is_video else 0.0)
                self._end = max(self._end, _seconds(packet.pts, base) - self._start + length)
            if is_video:
                self._packets_read += 1
                if self._first_dts is None:
                    self._first_dts = self._seconds(packet.dts)
                self._ends_midway = packet.is_corrupt
                yield packet


def _seconds(ticks: int, base: Fraction) -> float:
    """The product, rounded once; multiplying the fraction takes ten times as long."""
    return ticks * base.numerator / base.denominator


def average_rate(path: Path) -> float:
    """Frames per second over a whole video, from the times of all its packets; nothing is decoded.

    Args:
        path: The file.

    Returns:
        The rate; the usual one (see `VideoReader.rate`) where fewer than two packets have a time.

    Raises:
        InputError: If the file is missing or holds no video that can be read.
        LutFuseError: If PyAV is not installed.
    """
    usual = _measured_rate(path)
    times = _packet_times(path, None)
    if len(times) < 2:
        return usual
    return (len(times) - 1) / max(max(times) - min(times), 1e-3)


def _measured_rate(path: Path) -> float:
    container, stream = _open(path)
    with container:
        announced = stream.guessed_rate or stream.average_rate
    return usual_rate(_packet_times(path, FIRST_PACKETS), float(announced) if announced else None)


def _packet_times(path: Path, count: int | None) -> list[float]:
    """Presentation times in seconds of the first packets that have one; None for all."""
    container, stream = _open(path)
    times = []
    with container:
        try:
            for packet in islice(container.demux(stream), count):
                if packet.size and packet.pts is not None and packet.time_base is not None:
                    times.append(_seconds(packet.pts, packet.time_base))
        except (pyav().FFmpegError, IndexError):
            pass  # the packets so far are enough; the reader says what is missing
    return times


def _open(path: Path) -> tuple[InputContainer, VideoStream]:
    av = pyav()
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        # A name with a colon is no protocol, and a playlist opens nothing over the network.
        container = av.open(
            f"file:{path.absolute()}",
            options={"protocol_whitelist": "file"},
            **_lenient_titles(av.__version__),
        )
    except PermissionError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except av.FFmpegError:
        raise InputError(_unreadable(path)) from None
    stream = container.streams.best("video")
    if stream is None:
        container.close()
        raise InputError(f"{path} holds no video")
    decoder = stream.codec_context
    if decoder is None:
        container.close()
        raise InputError(
            f"{path} holds video in a format that this FFmpeg cannot decode, or its header is "
            "damaged; save it again with the program that wrote it, as FFV1 or PNG"
        )
    if decoder.width * decoder.height > MAX_PIXELS:
        container.close()
        raise InputError(_unreadable(path))
    # Threads that decode one frame each would lose the error of a damaged one, and hold more.
    decoder.thread_type = "SLICE"
    small = decoder.width * decoder.height < LARGE_FRAME
    decoder.thread_count = 1 if small else min(usable_cores(), MAX_DECODER_THREADS)
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    return container, stream


def _is_moving(stream: VideoStream) -> bool:
    """Whether a stream is a video, not the picture of a cover."""
    from av.stream import Disposition

    return not stream.disposition & Disposition.attached_pic


def _lenient_titles(version: str) -> dict[str, str]:
    """What has PyAV open a file whose titles are not UTF-8; since version 19 it always does."""
    return {"metadata_errors": "replace"} if int(version.split(".")[0]) < 19 else {}


def _unreadable(path: Path) -> str:
    return (
        f"{path} is not a video that can be read; if it is one, it is truncated or damaged: its "
        "index, without which it cannot be read, may be missing"
    )
