"""The offset between two cameras' stamps, judged by when their images were recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lut_fuse_core.infrared.quantiles import middle
from lut_fuse_core.sync.offsets import explain_offset
from lut_fuse_core.sync.stamps import NANOSECONDS

FAR = 1.0
"""Seconds from which on an offset is far: more than motion in the images can show."""

STEADY = 0.5
"""Seconds by which stamps may wander against the times of recording, for an estimate."""

MOST_KEPT = 4096
"""Images at the start of a stream that are examined."""

_QUARTER = 900.0
_EPOCH = 10 * 365 * 86400.0


@dataclass
class Arrivals:
    """The stamps of one stream, compared with when its images were recorded."""

    _leads: list[int] = field(default_factory=list)
    _newest: int = 0

    def add(self, stamp: int, recorded: int) -> None:
        """Note an image.

        Args:
            stamp: Its stamp, nanoseconds; 0 if it has none.
            recorded: When it was recorded, nanoseconds since 1970.
        """
        if stamp and len(self._leads) < MOST_KEPT:
            self._leads.append(stamp - recorded)
            self._newest = stamp

    @property
    def lead(self) -> float | None:
        """Seconds that the stamps are ahead of the times of recording; None if that varies, or no
        image has a stamp."""
        if not self._leads:
            return None
        leads = np.array(self._leads, np.float64) / NANOSECONDS
        lead = middle(leads)
        return lead if middle(np.abs(leads - lead)) < STEADY else None

    @property
    def counts_from_start(self) -> bool:
        """Whether the stamps are too small to count from 1970."""
        return self._newest < _EPOCH * NANOSECONDS


@dataclass(frozen=True)
class RecordedOffset:
    """The offset between two cameras' stamps.

    Attributes:
        seconds: Seconds that infrared stamps are ahead of visible ones.
        reason: Its likely reason, for the report.
    """

    seconds: float
    reason: str

    @property
    def option(self) -> str:
        """The command line option that corrects it."""
        return f"--clock-offset {self.seconds:.3f}"

    def __str__(self) -> str:
        ahead = "ahead of" if self.seconds > 0 else "behind"
        return (
            f"the infrared stamps are {abs(self.seconds):.3f} s {ahead} the visible ones, judged "
            f"by when the images were recorded ({self.reason}); {self.option} corrects that, or "
            "--stamps arrival pairs by the time of recording"
        )


def recorded_offset(visible: Arrivals, infrared: Arrivals) -> RecordedOffset | None:
    """Estimate the offset between two streams' stamps.

    Args:
        visible: Of the visible camera.
        infrared: Of the infrared camera.

    Returns:
        The offset, also a small one; None if it cannot be estimated.
    """
    ours, theirs = visible.lead, infrared.lead
    if ours is None or theirs is None:
        return None
    seconds = theirs - ours
    if visible.counts_from_start != infrared.counts_from_start:
        which = "infrared" if infrared.counts_from_start else "visible"
        reason = f"the {which} camera counts from when it was switched on, not from 1970"
        return RecordedOffset(seconds, reason)
    quarters = round(seconds / _QUARTER)
    if quarters and abs(seconds - quarters * _QUARTER) < 0.1:
        seconds = quarters * _QUARTER  # the rest is the time from camera to recorder
        return RecordedOffset(
            seconds, explain_offset(seconds) or "one clock is set to another time zone"
        )
    return RecordedOffset(seconds, explain_offset(seconds) or "the clocks are not synchronized")
