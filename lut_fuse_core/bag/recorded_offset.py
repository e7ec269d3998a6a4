"""How far two cameras' stamps are apart, judged by when their images were recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lut_fuse_core.sync.offsets import explain_offset
from lut_fuse_core.sync.stamps import NANOSECONDS

FAR = 1.0
"""Seconds from which on clocks are far apart: beyond what moving images can tell."""

STEADY = 0.5
"""Seconds by which stamps may wander against the times of recording, for an offset to be told."""

MOST_KEPT = 4096
"""Images of a stream that are looked at."""

_QUARTER = 900.0
_EPOCH = 10 * 365 * 86400.0


@dataclass
class Arrivals:
    """Stamps of one stream, and when its images were recorded."""

    _leads: list[int] = field(default_factory=list)
    _newest: int = 0

    def add(self, stamp: int, recorded: int) -> None:
        """Note an image, nanoseconds; stamp 0: it has none."""
        if stamp and len(self._leads) < MOST_KEPT:
            self._leads.append(stamp - recorded)
            self._newest = stamp

    @property
    def lead(self) -> float | None:
        """Seconds that stamps are ahead of the times of recording; None if that is not steady."""
        if not self._leads:
            return None
        leads = np.array(self._leads, np.float64) / NANOSECONDS
        middle = float(np.median(leads))
        wander = float(np.median(np.abs(leads - middle)))
        return middle if wander < STEADY else None

    @property
    def counts_from_start(self) -> bool:
        """Whether the stamps are too small to be dates."""
        return self._newest < _EPOCH * NANOSECONDS


@dataclass(frozen=True)
class RecordedOffset:
    """The offset between the clocks that recorded stamps show.

    Attributes:
        seconds: By which infrared stamps are ahead of visible ones.
        reason: What that is taken for, for the report.
    """

    seconds: float
    reason: str

    @property
    def option(self) -> str:
        """What corrects it, as the command line has it."""
        return f"--clock-offset {self.seconds:.3f}"

    def __str__(self) -> str:
        ahead = "ahead of" if self.seconds > 0 else "behind"
        return (
            f"the infrared stamps are {abs(self.seconds):.3f} s {ahead} the visible ones, judged "
            f"by when the images were recorded ({self.reason}); {self.option} corrects that, or "
            "--stamps arrival pairs by the time of recording"
        )


def recorded_offset(visible: Arrivals, infrared: Arrivals) -> RecordedOffset | None:
    """The offset between two streams' stamps; None if it cannot be estimated."""
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
        seconds = quarters * _QUARTER  # what is left is the way from camera to recorder
        return RecordedOffset(
            seconds, explain_offset(seconds) or "one clock is set to another time zone"
        )
    return RecordedOffset(seconds, explain_offset(seconds) or "the clocks are not synchronized")
