"""Flat-field corrections of thermal cameras: frozen, blank and jumping frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import RawInfrared
from lut_fuse_core.infrared.gray_range import minimum_width

Event = Literal["none", "frozen", "blank", "jump"]
"""frozen: the camera repeats its last frame. blank: the closed shutter itself is seen. jump: all
counts moved by the same amount."""

BLANK_SPREAD = 0.08
"""A frame whose 5th to 95th percentile span less than this share of the usual span is blank."""

MINIMUM_JUMP = 0.08
"""Share of the usual span by which the frame must shift as a whole to count as a jump."""

UNIFORMITY = 0.3
"""How far pixels may stray from the common shift, as a share of it."""

LONGEST_HOLD = 45
"""Frames: a shutter opens again after half a second. A view that stays blank for longer is a wall
or fog, and is shown; one that stays frozen may be that of a camera, or driver, that has stopped."""


@dataclass(frozen=True)
class ShutterCounts:
    """How often each event began since the start."""

    frozen: int = 0
    blank: int = 0
    jump: int = 0


@dataclass(frozen=True)
class Verdict:
    """What one frame is. shift: counts by which the stream jumped (``jump`` only)."""

    event: Event
    shift: float = 0.0

    @property
    def hold(self) -> bool:
        """Whether the frame carries no new picture, and the last good one should be shown."""
        return self.event in ("frozen", "blank")


class ShutterGuard:
    """Compares each frame of a stream with the one before, on about a thousand pixels; only where
    all of these are the same, on all pixels."""

    def __init__(self) -> None:
        self.counts = ShutterCounts()
        self._frame: RawInfrared | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the counts stay."""
        self._sample: npt.NDArray[np.float32] | None = None
        self._span = 0.0
        self._held = self._repeated = 0
        self._event: Event = "none"
        self._live = False

    @property
    def picture(self) -> RawInfrared:
        """The last frame that carried a picture; there is one once a frame was looked at."""
        assert self._frame is not None
        return self._frame

    @property
    def stopped(self) -> bool:
        """Whether a camera that has sent new pictures repeats one for too long for a shutter.

        No more than a suspicion: simulated cameras have no noise, and a publisher of one picture
        for ever does what it should.
        """
        return self._live and self._repeated > LONGEST_HOLD

    def look(self, raw: RawInfrared) -> Verdict:
        """Judge one frame, ``(H, W) uint8 or uint16``."""
        step = max(1, int(np.sqrt(raw.size / 1200)))
        sample = raw[::step, ::step].astype(np.float32)
        past = self._sample
        if past is None or past.shape != sample.shape:
            self._accept(sample, raw)
            return Verdict("none")
        verdict = self._judge(sample, past, raw)
        if verdict.event != "none" and verdict.event != self._event:
            counts = {verdict.event: getattr(self.counts, verdict.event) + 1}
            self.counts = replace(self.counts, **counts)
        self._event = verdict.event
        is_wall = self._held >= LONGEST_HOLD
        self._held = self._held + 1 if verdict.event == "blank" else 0
        self._repeated = self._repeated + 1 if verdict.event == "frozen" else 0
        if not verdict.hold:
            self._live = True
            self._accept(sample, raw)
            if is_wall:
                self._span = _span(sample)  # else the next frame would count as blank again
        return verdict

    def _judge(
        self,
        sample: npt.NDArray[np.float32],
        past: npt.NDArray[np.float32],
        raw: RawInfrared,
    ) -> Verdict:
        if np.array_equal(sample, past):
            same = self._frame is not None and np.array_equal(raw, self._frame)
            return Verdict("frozen" if same else "none")
        smallest = minimum_width(raw.dtype)
        span = max(self._span, smallest)
        # Only a stream with contrast can lose it.
        if (
            self._span > smallest
            and _span(sample) < BLANK_SPREAD * span
            and self._held < LONGEST_HOLD
        ):
            return Verdict("blank")
        change = sample - past
        shift = float(np.median(change))
        stray = float(np.median(np.abs(change - shift)))
        if abs(shift) > MINIMUM_JUMP * span and stray < UNIFORMITY * abs(shift):
            return Verdict("jump", shift)
        return Verdict("none")

    def _accept(self, sample: npt.NDArray[np.float32], raw: RawInfrared) -> None:
        self._sample = sample
        frame = self._frame
        if frame is None or (frame.shape, frame.dtype) != (raw.shape, raw.dtype):
            self._frame = raw.copy()
        else:
            np.copyto(frame, raw)
        span = _span(sample)
        self._span = span if self._span == 0 else 0.9 * self._span + 0.1 * span


def _span(sample: npt.NDArray[np.float32]) -> float:
    low, high = np.percentile(sample, (5, 95))
    return float(high - low)
