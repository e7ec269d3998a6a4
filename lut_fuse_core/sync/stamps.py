"""When an image was captured, as far as is known; times in nanoseconds unless said otherwise."""

from __future__ import annotations

from typing import Any, Literal

NANOSECONDS = 1_000_000_000

LAST_STAMP = 2**31 * NANOSECONDS
"""One past the last stamp a ROS message can carry."""

StampSource = Literal["header", "arrival"]
"""What a capture time is taken from: the stamp in the header, or when the message arrived."""


def stamp_of(message: Any) -> int:
    """The stamp in the header of a ROS message, of rclpy or rosbags; 0 if the driver set none."""
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def capture_time(stamp: int, arrival: int, source: StampSource = "header") -> int:
    """The capture time that is believed.

    Args:
        stamp: In the header; 0 if the driver set none.
        arrival: When the message arrived, or was recorded.
        source: ``arrival`` for cameras whose stamps are of no use (clocks that drift, or that are
            set while they run); ``header`` otherwise.

    Returns:
        The arrival where it is asked for or where there is no stamp, else the stamp.
    """
    return arrival if source == "arrival" or stamp == 0 else stamp
