"""When an image was captured; times in nanoseconds unless said otherwise."""

from __future__ import annotations

from typing import Any, Literal

NANOSECONDS = 1_000_000_000

LAST_STAMP = 2**31 * NANOSECONDS
"""One past the last stamp a ROS message can carry."""

StampSource = Literal["header", "arrival"]
"""Source of capture times: the stamp in the header, or when the message arrived."""


def stamp_of(message: Any) -> int:
    """The stamp in the header of a ROS message.

    Args:
        message: A message of rclpy or rosbags with a header.

    Returns:
        Nanoseconds; 0 if the driver set none.
    """
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def capture_time(stamp: int, arrival: int, source: StampSource = "header") -> int:
    """The time at which an image is taken to have been captured.

    Args:
        stamp: Stamp in the header, nanoseconds; 0 if the driver set none.
        arrival: When the message arrived or was recorded, nanoseconds.
        source: ``arrival`` for cameras whose stamps are of no use (clocks that drift, or that are
            set while they run); ``header`` otherwise.

    Returns:
        The arrival if it is chosen or there is no stamp, else the stamp.
    """
    return arrival if source == "arrival" or stamp == 0 else stamp
