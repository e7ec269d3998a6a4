"""Flat-field corrections of thermal cameras: frozen, blank and jumping frames."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import RawInfrared
from lut_fuse_core.infrared.comparison import PIXELS, Comparison, compare
from lut_fuse_core.infrared.gray_range import minimum_width
from lut_fuse_core.infrared.quantiles import quantiles

Event = Literal["none", "frozen", "blank", "jump"]
"""frozen: the camera repeats its last frame. blank: the closed shutter is seen. jump: all counts
changed by the same amount."""

BLANK_SPREAD = 0.08
"""A frame whose 5th to 95th percentile span less than this share of the usual span is blank."""

STRUCTURE = 15.0
"""Largest span of a blank frame, as a multiple of its noise: noise alone has 3, a shutter that is
warmer at its center up to 10, scenes 30 and more."""

MINIMUM_JUMP = 0.08
"""Share of the usual span by which the frame must shift as a whole to count as a jump."""

UNIFORMITY = 0.3
"""Largest median deviation of pixels from the common shift, as a share of it."""

USUAL_SPAN_FRAMES = 31
"""Frames whose median span is the usual one: a first frame of noise does not matter for long."""

FEWEST_FRAMES = 3
"""Frames that it takes to know the usual span."""

LONGEST_HOLD = 45
"""Frames for which the last picture is held: a shutter opens after half a second. A view that stays
blank for longer is a wall or fog, and is shown; one that stays frozen may be that of a camera or
driver that has stopped."""

LONGEST_HOLD_SECONDS = 1.5
"""The same in seconds, for frames with times: cameras of 9 Hz are not held for 5 s."""


@dataclass(frozen=True)
class ShutterCounts:
    """How often each event has begun since the start.

    Attributes:
        frozen: Repeated frames.
        blank: Frames without structure.
        jump: Steps of all counts.
    """

    frozen: int = 0
    blank: int = 0
    jump: int = 0


@dataclass(frozen=True)
class Verdict:
    """What one frame is.

    Attributes:
        event: The event that it belongs to, or ``none``.
        shift: Counts by which the stream jumped; 0 for other events.
    """

    event: Event
    shift: float = 0.0

    @property
    def hold(self) -> bool:
        """Whether the frame holds no new picture, so that the last good one should be shown."""
        return self.event in ("frozen", "blank")


class ShutterGuard:
    """Compares each frame of a stream with the one before, in some thousand pixels.

    Only where those are the same, all pixels are compared.

    Attributes:
        counts: How often each event has begun.
    """

    def __init__(self) -> None:
        self.counts = ShutterCounts()
        self._frame: RawInfrared | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the counts stay."""
        self._sample: npt.NDArray[np.float32] | None = None
        self._spans: deque[float] = deque(maxlen=USUAL_SPAN_FRAMES)
        self._held = self._repeated = 0
        self._blank_since: float | None = None
        self._event: Event = "none"
        self._live = False

    @property
    def picture(self) -> RawInfrared:
        """The last frame with a new picture, ``(H, W) uint8 or uint16``; not before the first."""
        assert self._frame is not None
        return self._frame

    @property
    def stopped(self) -> bool:
        """Whether a camera that has sent new pictures repeats one for longer than a shutter does.

        That is a suspicion only: simulated cameras have no noise, and repeat what does not move.
        """
        return self._live and self._repeated > LONGEST_HOLD

    def look(self, raw: RawInfrared, time: float | None = None) -> Verdict:
        """Judge one frame.

        Args:
            raw: ``(H, W) uint8 or uint16``; 0 is outside the view.
            time: When it was captured, seconds; None if unknown.

        Returns:
            What the frame is, compared with those before.
        """
        past, compared = self._sample, compare(raw, self._sample)
        if past is None or past.shape != compared.sample.shape:
            self._accept(compared, raw)
            return Verdict("none")
        verdict = self._judge(compared, raw, time)
        if verdict.event != "none" and verdict.event != self._event:
            counts = {verdict.event: getattr(self.counts, verdict.event) + 1}
            self.counts = replace(self.counts, **counts)
        self._event = verdict.event
        is_wall = self._held_for_too_long(time)
        if verdict.event != "blank":
            self._held, self._blank_since = 0, None
        else:
            self._held += 1
            if self._blank_since is None:
                self._blank_since = time
        self._repeated = self._repeated + 1 if verdict.event == "frozen" else 0
        if not verdict.hold:
            self._live = True
            if is_wall:
                self._spans.clear()  # else the next frame would count as blank again
            self._accept(compared, raw)
        return verdict

    def _judge(self, compared: Comparison, raw: RawInfrared, time: float | None) -> Verdict:
        if compared.same:
            same = self._frame is not None and np.array_equal(raw, self._frame)
            return Verdict("frozen" if same else "none")
        smallest = minimum_width(raw.dtype)
        usual = self._usual_span()
        span = max(usual, smallest)
        # Only a stream with contrast can lose it.
        if (
            usual > smallest
            and compared.span < BLANK_SPREAD * span
            and compared.span < STRUCTURE * _noise(raw)
            and not self._held_for_too_long(time)
        ):
            return Verdict("blank")
        shift = compared.shift
        if shift is None or abs(shift) <= MINIMUM_JUMP * span:
            return Verdict("none")
        if compared.stray < UNIFORMITY * abs(shift):
            return Verdict("jump", shift)
        return Verdict("none")

    def _held_for_too_long(self, time: float | None) -> bool:
        since = self._blank_since
        lasting = time is not None and since is not None and time - since > LONGEST_HOLD_SECONDS
        return lasting or self._held >= LONGEST_HOLD

    def _usual_span(self) -> float:
        return statistics.median(self._spans) if len(self._spans) >= FEWEST_FRAMES else 0.0

    def _accept(self, compared: Comparison, raw: RawInfrared) -> None:
        self._sample = compared.sample
        frame = self._frame
        if not raw.flags.writeable:  # so that nobody writes the next one over it
            self._frame = raw
        elif (
            frame is None
            or not frame.flags.writeable
            or (frame.shape, frame.dtype) != (raw.shape, raw.dtype)
        ):
            self._frame = raw.copy()
        else:
            np.copyto(frame, raw)
        self._spans.append(compared.span)


def _noise(raw: RawInfrared) -> float:
    """Standard deviation in counts, from the differences of neighboring pixels."""
    step = max(1, int(np.sqrt(raw.size / PIXELS)))
    left, right = (raw[::step, first : raw.shape[1] - 1 + first : step] for first in (0, 1))
    difference = np.abs(left.astype(np.float32) - right.astype(np.float32))
    middle = quantiles(difference.reshape(-1), 0.5)[0] if difference.size else 0.0
    return max(middle, 1.0) * 1.4826 / float(np.sqrt(2))
