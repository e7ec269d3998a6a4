"""When a video's frames were recorded, and when the video says that it ends."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.container import InputContainer
    from av.video.stream import VideoStream

DEFAULT_RATE = 25.0
"""Frames per second where neither times nor headers say."""

MAX_RATE = 10_000.0
"""Frames per second above which times are not believed."""

LONGEST_PAUSE = 86_400.0
"""Seconds from one frame to the next above which a time is not believed."""

UNEVEN = 0.75
"""Share of the usual period by which a step may differ from it: containers round times."""

UNEVEN_IN_ALL = 3
"""Usual periods by which any frame may be early or late in total."""

_WITH_DURATION = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv")
"""Formats whose headers hold a duration; FFmpeg estimates that of others from what is there."""

COUNTED_FROM_ZERO = ("matroska,webm", "flv")
"""Those of them whose durations usually count from time zero, not from the first frame."""

WITH_FRAME_COUNT = ("mov,mp4,m4a,3gp,3g2,mj2",)
"""Formats whose index counts the frames, if it has one; in AVI it counts repeated ones too."""

IN_DECODING_ORDER = ("avi", "asf")
"""Formats with one time per packet, in the order of decoding: where the frames are not in that
order, FFmpeg guesses their times, some of them wrong."""

MOST_HELD_BACK = 17
"""Most frames that a decoder holds back to put them in order."""


def usual_rate(times: Sequence[float], announced: float | None) -> float:
    """Frames per second, from the first times of a video.

    Args:
        times: Presentation times of the first frames in seconds, in any order; empty if unknown.
        announced: Frames per second that the headers say; None if they do not.

    Returns:
        The inverse of the mean step or, where pauses distort that, of the median step; without
        times ``announced``, without that `DEFAULT_RATE`.
    """
    steps = [later - sooner for sooner, later in pairwise(sorted(times)) if later > sooner]
    if steps:
        mean = (max(times) - min(times)) / len(steps)
        middle = median(steps)
        # Times in whole milliseconds are right on average; pauses are left out of the usual rate.
        period = mean if abs(mean - middle) < UNEVEN * middle else middle
        if 1 / MAX_RATE < period < LONGEST_PAUSE:
            return 1 / period
    if announced and 1 / LONGEST_PAUSE < announced < MAX_RATE:
        return announced
    return DEFAULT_RATE


class FrameClock:
    """Turns a video's presentation times into seconds since its first frame, always increasing.

    A frame without a time, or with one that is before the frame before or absurdly far ahead
    (clocks wrap, recordings are joined), comes one usual period after the frame before, and later
    times are taken relative to it.

    Args:
        rate: Usual frames per second.

    Attributes:
        time: Time of the latest frame, seconds.
        longest_step: Longest step between two frames so far, seconds; at least the usual period.
        uneven: Whether the steps have varied by more than containers round times.
    """

    def __init__(self, rate: float) -> None:
        self._period = 1 / rate
        self._frames = 0
        self._origin = 0.0
        self.time = 0.0
        self.longest_step = self._period
        self.uneven = False

    def tell(self, recorded: float | None) -> float:
        """The time of the next frame.

        Args:
            recorded: Its presentation time in seconds; None if unknown.

        Returns:
            Seconds since the first frame.
        """
        if not self._frames:
            self._origin = recorded or 0.0
        else:
            before, expected = self.time, self.time + self._period
            self.time = expected if recorded is None else recorded - self._origin
            if not before < self.time < before + LONGEST_PAUSE:
                self.time = expected
                self._origin = (recorded or 0.0) - expected
            self._judge(self.time - before)
        self._frames += 1
        return self.time

    def _judge(self, step: float) -> None:
        self.longest_step = max(self.longest_step, step)
        late = self.time - self._frames * self._period
        self.uneven = (
            self.uneven
            or abs(step - self._period) > UNEVEN * self._period
            or abs(late) > UNEVEN_IN_ALL * self._period
        )


def announced_end(container: InputContainer, stream: VideoStream) -> float | None:
    """When a file says that it ends; recordings that were not closed properly, and streams, do not.

    Args:
        container: The open file.
        stream: Its video.

    Returns:
        Seconds from the start; None if it does not say.
    """
    if container.format.name == "avi":
        rate = stream.average_rate
        return float(stream.frames / rate) if stream.frames and rate else None
    if container.format.name in _WITH_DURATION and container.duration:
        return container.duration / 1e6
    return None
