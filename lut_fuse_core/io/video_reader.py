"""Video files, read through PyAV: any container and codec FFmpeg knows, with their own times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.pyav import pyav
from lut_fuse_core.io.video_times import FrameClock, announced_end, usual_rate
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
"""Names of files that are taken for videos; what is in them decides how they are read."""

MAX_PIXELS = 1 << 26
"""Pixels per frame beyond which a video counts as damaged: a few bytes can announce gigabytes."""

MAX_DECODER_THREADS = 4

FIRST_PACKETS = 64
"""Packets at the start of a video from whose times its rate is measured."""

LEAST_MISSING = 0.75
"""Share of the longest step between two frames beyond which the end of a video is missing."""


@dataclass(frozen=True)
class VideoFrame(Generic[Pixels]):
    """A frame and when it was recorded.

    Attributes:
        image: Its pixels, as the reader's conversion makes them.
        time: Seconds since the video's first frame.
    """

    image: Pixels
    time: float


class VideoReader(Generic[Pixels]):
    """A video's frames in order, as the sensor saw them: not rotated, whatever the file says.

    What cannot be decoded is skipped and counted; `damage` says so once all is read.

    Args:
        path: The file.
        pixels: Converts a decoded frame: `VisiblePixels` or `InfraredPixels`.

    Attributes:
        path: The file.
        rate: Usual frames per second, measured at the start; announced rates are often wrong.
        frame_count: Frames as announced, or estimated from the duration; 0 if unknown.
        frames_read: So far.
        rotation: Degrees by which players are asked to rotate the frames read so far.
        interlaced: Whether frames read so far hold two fields of different times.

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
        self._clock = FrameClock(self.rate)
        self._announced_end = announced_end(self._container, self._stream)
        seconds = (self._container.duration or 0) / 1e6
        self.frame_count = self._stream.frames or max(0, round(seconds * self.rate))
        self.frames_read = 0
        self.rotation = 0
        self.interlaced = False
        self._end = 0.0
        self._lost = 0
        self._ends_midway = False
        self._read_to_end = False

    @property
    def uneven(self) -> bool:
        """Whether the time between frames has varied by more than containers round it."""
        return self._clock.uneven

    def __iter__(self) -> Iterator[VideoFrame[Pixels]]:
        """The frames.

        Raises:
            InputError: For pixels that the conversion refuses.
        """
        with self._container:
            for frame in self._decoded():
                time = self._clock.tell(frame.time)
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
        missing = 0.0 if self._announced_end is None else self._announced_end - self._end
        if self._read_to_end and (
            self._ends_midway or missing > LEAST_MISSING * self._clock.longest_step
        ):
            seconds = self._clock.time + 1 / self.rate if self.frames_read else 0.0
            return f"{self.path} is truncated: it can be read for {seconds:.1f} s"
        if self._lost:
            return f"{self.path} is damaged: {self._lost} of its frames are incomplete or unusable"
        return ""

    def _converted(self, frame: av.VideoFrame) -> Pixels | None:
        """The pixels; None for those of a later frame that cannot be used: they are damaged."""
        try:
            return self._pixels(frame)
        except InputError as error:
            if not self.frames_read:
                raise InputError(f"{self.path}: {error}") from None
            self._lost += 1
            return None

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """What can be decoded; notes what cannot."""
        for packet in self._packets():
            try:
                frames = self._stream.codec_context.decode(packet)
            except self._errors:
                frames = []
                # Before the first whole frame: the recording may have joined a stream midway.
                self._lost += bool(self.frames_read)
                self._ends_midway = True  # unless another packet follows
            for frame in frames:
                self._lost += bool(frame.is_corrupt and self.frames_read)
                yield frame

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        """The video's packets, then None, which drains the decoder; notes where the file ends."""
        start = (self._container.start_time or 0) / 1e6
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
            if packet.pts is not None and packet.time_base is not None:
                unknown = 1 / self.rate if is_video else 0.0
                length = float((packet.duration or 0) * packet.time_base) or unknown
                self._end = max(self._end, float(packet.pts * packet.time_base) - start + length)
            if is_video:
                self._ends_midway = packet.is_corrupt
                yield packet


def average_rate(path: Path) -> float:
    """Frames per second over a whole video, from the times of all its packets; nothing is decoded.

    Raises:
        InputError: As `VideoReader`.
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
                    times.append(float(packet.pts * packet.time_base))
        except (pyav().FFmpegError, IndexError):
            pass  # what is there is told; the reader says what is missing
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
    if decoder is None or decoder.width * decoder.height > MAX_PIXELS:
        container.close()
        raise InputError(_unreadable(path))
    # Threads that decode one frame each would lose the error of a damaged one, and hold more.
    decoder.thread_type = "SLICE"
    decoder.thread_count = min(usable_cores(), MAX_DECODER_THREADS)
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    return container, stream


def _lenient_titles(version: str) -> dict[str, str]:
    """What has PyAV open a file whose titles are not UTF-8; since version 19 it always does."""
    return {"metadata_errors": "replace"} if int(version.split(".")[0]) < 19 else {}


def _unreadable(path: Path) -> str:
    return (
        f"{path} is not a video that can be read; if it is one, it is truncated or damaged: its "
        "index, without which it cannot be read, may be missing"
    )
