"""What passes from the subscriptions to the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Frame:
    """An image message as it came in.

    Attributes:
        message: `sensor_msgs` Image or CompressedImage.
        time: When it was captured as far as is known, nanoseconds of its own camera's clock.
    """

    message: Any
    time: int


@dataclass(frozen=True, eq=False)
class Job:
    """A visible frame and what it is to be fused with.

    Attributes:
        visible: The visible frame.
        infrared: Its partner; None where there is none. One infrared frame may be in several jobs.
        hold: Whether the last infrared frame may serve instead.
        arrived: Monotonic seconds at which the later of the two came in.
        heard: Of a visible frame that goes out without partner, the newest infrared frame: for the
            estimate of the clock offset only.
    """

    visible: Frame
    infrared: Frame | None
    hold: bool
    arrived: float
    heard: Frame | None = None
