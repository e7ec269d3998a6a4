"""From image messages to jobs: capture times, pairs, and what goes out while there are none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time

from lut_fuse_core.errors import InputError
from lut_fuse_core.pipeline.fallback import Fallback
from lut_fuse_core.sync.jumps import Jump, Side
from lut_fuse_core.sync.latest import LatestPairer
from lut_fuse_core.sync.offsets import OffsetMeter
from lut_fuse_core.sync.pairing import Pair, StampPairer
from lut_fuse_core.sync.periods import DriftMeter
from lut_fuse_core.sync.stamps import LAST_STAMP, NANOSECONDS, capture_time, stamp_of
from lut_fuse_ros.frames.decoding import check_message
from lut_fuse_ros.frames.job import Frame, Job
from lut_fuse_ros.frames.pair_watch import PairWatch
from lut_fuse_ros.meters import Statistics
from lut_fuse_ros.parameters.node_parameters import NodeParameters
from lut_fuse_ros.text import shortened

MAX_WAITING = 256 << 20
"""Bytes of one camera's images that may wait, whatever sync.queue_size is, ..."""

MIN_WAITING = 4
"""... but never fewer images than so many."""


class Pairing:
    """Takes the messages of both cameras and hands over jobs, all in the thread that takes them.

    What it has found may be looked at, and its parameters be changed, from any other.

    Args:
        parameters: Of the node; `update` changes them.
        statistics: Where to count.
        clock: Nanoseconds of the node's clock, for images without stamp.
        on_job: Takes a `Job`, at once.
        on_waiting: Takes a visible `Frame` whose partner has not come yet.
        on_jump: Called when the cameras' clock was set.
        log: Takes a warning for the user; may throttle.

    Attributes:
        offset: By how much infrared stamps are ahead, as they come.
        drift: Whether the cameras run freely.
    """

    def __init__(
        self,
        parameters: NodeParameters,
        statistics: Statistics,
        *,
        clock: Callable[[], int],
        on_job: Callable[[Job], None],
        on_waiting: Callable[[Frame], None],
        on_jump: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        self._log = log
        self._parameters, self._statistics, self._clock = parameters, statistics, clock
        self._latest = parameters
        self._on_job, self._on_waiting, self._on_jump = on_job, on_waiting, on_jump
        self.offset, self.drift = OffsetMeter(), DriftMeter()
        self._watch = PairWatch()
        self._stamps: StampPairer[Frame, Frame] | None = None
        self._pairer: StampPairer[Frame, Frame] | LatestPairer[Frame, Frame]
        if parameters.sync.method == "stamps":
            self._stamps = self._pairer = StampPairer(
                _tolerance(parameters), capacity=parameters.sync.queue_size
            )
        else:
            self._pairer = LatestPairer()
        self._repeats = self._newest_job = -1
        self._newest_infrared: Frame | None = None
        self._served = False

    @property
    def fallen_back(self) -> bool:
        """Whether visible frames currently go out without a partner."""
        return self._watch.fallen_back

    @property
    def tolerance(self) -> float | None:
        """Seconds by which the stamps of a pair may differ now; None where any may."""
        return None if self._stamps is None else self._stamps.tolerance / NANOSECONDS

    def update(self, parameters: NodeParameters) -> None:
        """Take over changed parameters, with the next image."""
        self._latest = parameters

    def take(self, side: Side, message: Any) -> None:
        """Take the next image of a camera."""
        if self._latest is not self._parameters:
            self._change(self._latest)
        now = time.monotonic()
        frame = self._admit(side, message, now)
        if frame is None:
            return
        if self._stamps is not None:
            self._stamps.capacity = _capacity(self._parameters, len(message.data))
        pairer, arrival = self._pairer, round(now * NANOSECONDS)
        alone = pairer.unpaired_visible, pairer.unpaired_infrared
        if side == "visible":
            self._watch.arrived(now)
            pairs = pairer.add_visible(frame.time, frame, arrival)
        else:
            self._newest_infrared = frame
            offset = round(self._parameters.sync.offset * NANOSECONDS)
            pairs = pairer.add_infrared(frame.time - offset, frame, arrival)
        self._statistics.count("unpaired_visible", pairer.unpaired_visible - alone[0])
        self._statistics.count("unpaired_infrared", pairer.unpaired_infrared - alone[1])
        self._note_jump(side, pairer.jump)
        if self._stamps is not None:
            self._hand_over_pairs(self._stamps, pairs, now)
            if side == "visible":
                if self._watch.overdue(now, self._parameters.fallback.timeout):
                    self._alone(frame, now)
                elif not pairs:
                    self._on_waiting(frame)
        elif side == "infrared":
            self._served = False
            self._watch.paired()
        else:
            self._with_latest(frame, pairs, now)

    def _change(self, parameters: NodeParameters) -> None:
        before, self._parameters = self._parameters, parameters
        if parameters.sync.offset != before.sync.offset:
            self._pairer.forget("infrared")
            self.drift.restart()
        if self._stamps is not None:
            self._stamps.set_tolerance(_tolerance(parameters))

    def _admit(self, side: Side, message: Any, now: float) -> Frame | None:
        """Count a message and find out when it was captured; None if it must not be used."""
        self._statistics.tick(side, now)
        stamp = stamp_of(message)
        try:
            check_message(side, message)
            if not 0 <= stamp < LAST_STAMP:
                raise InputError(f"{side} camera: an image has the stamp {stamp} ns")
        except InputError as error:
            self._refuse(str(error))
            return None
        captured = stamp
        if stamp == 0 or self._parameters.sync.stamps == "arrival":
            captured = capture_time(stamp, self._clock(), self._parameters.sync.stamps)
        if stamp == 0:
            self._statistics.count("zero_stamps")
            seconds, nanoseconds = divmod(captured, NANOSECONDS)
            message.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
        if side == "visible":
            self._statistics.count("repeated_stamps", captured == self._repeats)
            self._repeats = captured
        self.offset.arrived(side, captured)
        return Frame(message, captured)

    def _refuse(self, text: str) -> None:
        text = shortened(text)
        self._statistics.error("malformed", text)
        self._log(f"frame skipped: {text}")

    def _note_jump(self, side: Side, jump: Jump) -> None:
        if jump == "none":
            return
        if side == "visible":
            self._newest_job = -1
        if jump == "first":
            self._statistics.count("clock_jumps")
            self.drift.restart()
            self._on_jump()

    def _hand_over_pairs(
        self, pairer: StampPairer[Frame, Frame], pairs: list[Pair[Frame, Frame]], now: float
    ) -> None:
        for pair in pairs:
            self._watch.paired()
            self.drift.note(pair.visible.stamp, pair.infrared.stamp, pairer.period("visible"))
            self._statistics.tick("pairs", now)
            self._put(Job(pair.visible.item, pair.infrared.item, hold=False, arrived=now))

    def _with_latest(self, visible: Frame, pairs: list[Pair[Frame, Frame]], now: float) -> None:
        infrared = pairs[0].infrared.item if pairs else None
        if infrared is not None and not self._served:
            self._served = True
            self._statistics.tick("pairs", now)
        if self._watch.overdue(now, self._parameters.fallback.timeout):
            self._alone(visible, now)
        else:
            self._put(Job(visible, infrared, hold=True, arrived=now))

    def _alone(self, visible: Frame, now: float) -> None:
        fallback = Fallback(self._parameters.fallback.policy)
        if fallback.shows_alone:
            heard = self._newest_infrared if self._parameters.sync.estimate_offset else None
            self._put(Job(visible, None, fallback.reuses, now, heard))

    def _put(self, job: Job) -> None:
        if 0 < job.visible.time <= self._newest_job:
            # It went out alone, or a later one did already: time must not run backwards.
            self._statistics.count("late")
            return
        self._newest_job = job.visible.time
        self._on_job(job)


def _capacity(parameters: NodeParameters, size: int) -> int:
    """Images of so many bytes that may wait."""
    return min(parameters.sync.queue_size, max(MIN_WAITING, MAX_WAITING // max(size, 1)))


def _tolerance(parameters: NodeParameters) -> int | None:
    """Nanoseconds; None to follow the frame periods."""
    seconds = parameters.sync.tolerance
    return None if seconds < 0 else round(seconds * NANOSECONDS)
