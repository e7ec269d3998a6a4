"""What the callbacks hand to the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Job:
    """One visible message and what it is to be fused with.

    visible, infrared: `sensor_msgs` Image or CompressedImage; infrared None where there is none.
    One infrared message may be in several jobs, of which the first that is fused takes it. hold:
    whether the last infrared frame may serve instead. arrived: monotonic seconds at which the later
    of the two came in.
    """

    visible: Any
    infrared: Any
    hold: bool
    arrived: float


def stamp_of(message: Any) -> int:
    """The stamp of a message in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)
