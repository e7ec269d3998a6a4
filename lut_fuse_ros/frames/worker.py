"""What fuses, one job at a time: decodes, fuses, publishes; in a thread of its own or at once."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.ros_messages import is_compressed
from lut_fuse_core.pipeline.fallback import Fallback
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.pipeline.served import ServedInfrared
from lut_fuse_core.sync.stamps import NANOSECONDS, stamp_of
from lut_fuse_ros.frames.decoding import Decoder
from lut_fuse_ros.frames.frame_end import FrameEnd
from lut_fuse_ros.frames.job import Frame, Job
from lut_fuse_ros.frames.mailbox import PATIENCE, Mailbox
from lut_fuse_ros.frames.output import Output
from lut_fuse_ros.frames.requests import Change, Requests
from lut_fuse_ros.meters import Statistics
from lut_fuse_ros.parameters.node_parameters import NodeParameters
from lut_fuse_ros.registration.live_calibration import LiveCalibration
from lut_fuse_ros.text import shortened

STOPPING = 10.0
"""Seconds to wait for the frame under way when stopping."""

OTHER_CLOCK = 10.0
"""Seconds that a visible stamp may be behind the node's clock and be of the same clock, ..."""

AHEAD = 0.5
"""... and that it may be ahead of it."""

AT_ONCE = 0.010
"""Seconds that a job may take to be done in the thread that brings it. That spares the hand-over to
another thread, and the contest of two for the interpreter: 1.5 ms at 640x480; but for so long no
other message is received."""


HELD_UP = 0.25
"""Seconds that a job may wait where jobs are fast, so that it is the system that holds them up,
with other work for the cores. The few that may wait are soon done."""

LATELY = 30
"""Jobs of which the fastest tells how long one takes that nothing holds up."""


class Worker:
    """Fuses from `start` to `stop`, in a thread of its own or, where that is fast, in the caller's.

    Args:
        pipeline: What fuses; from `start` to `stop` used by nobody else.
        output: Where to publish.
        statistics: Where to count.
        parameters: Of the node; may be replaced.
        now: The node's clock, nanoseconds.
        log: Takes a warning for the user; may throttle.

    Attributes:
        registered: Whether it is known where infrared lands; until then it is not shown.
        calibration: That is under way; takes pairs from here.
        frame_end: When a job is done.
    """

    def __init__(
        self,
        pipeline: FusionPipeline,
        output: Output,
        statistics: Statistics,
        parameters: NodeParameters,
        *,
        now: Callable[[], int],
        log: Callable[[str], None],
    ) -> None:
        self.parameters = parameters
        self.registered = True
        self.calibration: LiveCalibration | None = None
        self.frame_end = FrameEnd()
        self._pipeline, self._output, self._statistics = pipeline, output, statistics
        self._now, self._log = now, log
        self._mailbox, self._requests = Mailbox[Job](), Requests()
        self._decoder = Decoder(parameters, statistics, log)
        self._served = ServedInfrared[Frame]()
        self._expected: tuple[Frame, UInt8Array] | None = None
        self._seconds = deque([math.inf], maxlen=LATELY)
        self._thread = threading.Thread(target=self._run, name="fusion", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the frame under way and end."""
        self._mailbox.close()
        if self._thread.is_alive():
            self._thread.join(STOPPING)
        if not self._thread.is_alive():
            # What no frame came for any more holds from the next activation on.
            self._make_changes()
        if self.calibration is not None:
            self.calibration.cancel("the node was deactivated meanwhile")

    def put(self, job: Job) -> None:
        """Do a job, or hand it over to the thread; one that has waited for too long is dropped."""
        self._statistics.count("handed_over")
        if self._seconds[-1] <= AT_ONCE and self._mailbox.claim():
            self._do(job)
            return
        patience = HELD_UP if min(self._seconds) <= AT_ONCE else PATIENCE
        self._statistics.count("dropped", self._mailbox.put(job, job.arrived, patience))

    def expect(self, visible: Frame) -> None:
        """Do what can be done for a raw visible frame while its partner is on its way."""
        fast = self._seconds[-1] <= AT_ONCE and not is_compressed(visible.message)
        if not (fast and self._mailbox.claim()):
            return
        try:
            pixels = self._decoder.visible(visible.message)
            self._pipeline.expect(pixels)
            self._expected = visible, pixels
        except Exception:
            self._expected = None  # what is wrong is said when its turn has come
        finally:
            self._mailbox.done()

    def request(self, kind: str, change: Change) -> None:
        """Have a change made to the pipeline before the next frame, instead of one of its kind."""
        self._requests.put(kind, change)

    def failed(self, counter: str, error: Exception) -> None:
        """Count an image that cannot be used or fused, and say why.

        Args:
            counter: ``malformed`` or ``failed``.
            error: What is wrong.
        """
        known = isinstance(error, InputError)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        text = shortened(text)
        self._statistics.error(counter, text)
        self._log(f"frame skipped: {text}")

    def _run(self) -> None:
        while not self._mailbox.closed:
            job = self._mailbox.take()
            if job is not None:
                self._do(job)

    def _do(self, job: Job) -> None:
        start = time.monotonic()
        try:
            self._make_changes()
            if self._output.has_readers() or self._collecting() is not None:
                self._handle(job)
                self._seconds.append(time.monotonic() - start)
            else:
                self._output.publish_info(job.visible.message)
        except InputError as error:
            self.failed("failed", error)
        except Exception as error:
            # Whatever it was, the node goes on with the next pair; unless it is ending anyway.
            if not self._mailbox.closed:
                self.failed("failed", error)
        finally:
            self._mailbox.done()
            self.frame_end.reached()

    def _collecting(self) -> LiveCalibration | None:
        """The calibration that wants pairs now; it may be canceled at any time."""
        calibration = self.calibration
        return calibration if calibration is not None and calibration.wants_pairs else None

    def _make_changes(self) -> None:
        for change in self._requests.take():
            try:
                change(self._pipeline)
            except InputError as error:
                self.failed("failed", error)

    def _handle(self, job: Job) -> None:
        expected, self._expected = self._expected, None
        try:
            if expected is not None and expected[0] is job.visible:
                visible = expected[1]
            else:
                visible = self._decoder.visible(job.visible.message)
        except InputError as error:
            self.failed("malformed", error)
            return
        self._listen(job, visible)
        infrared, hold = self._infrared(job)
        calibration = self._collecting()
        try:
            if calibration is not None and infrared is not None:
                calibration.offer(visible, infrared)
            fused = self._fuse(job, visible, infrared, hold)
        except InputError as error:
            if infrared is None:
                raise
            # One that does not fit the registration, say; as with one that cannot be decoded.
            fused = self._fuse(job, visible, None, self._without(error))
        source = self._pipeline.source
        if Fallback(self.parameters.fallback.policy).withholds(source):
            self._statistics.count("withheld")
            return
        self._output.publish(job.visible.message, fused)
        self._account(job, str(source))
        self._pipeline.catch_up()

    def _fuse(
        self, job: Job, visible: UInt8Array, infrared: AnyInfrared | None, hold: bool
    ) -> UInt8Array:
        time_of = None if job.infrared is None else job.infrared.time / NANOSECONDS
        return self._pipeline.process(
            visible,
            infrared,
            visible_time=job.visible.time / NANOSECONDS,
            infrared_time=time_of if infrared is not None else None,
            hold=hold,
            out=self._output.canvas(visible.shape),
        )

    def _listen(self, job: Job, visible: UInt8Array) -> None:
        """Have the clocks compared where nothing pairs since they disagree."""
        if job.heard is None:
            return
        times = job.visible.time / NANOSECONDS, job.heard.time / NANOSECONDS
        try:
            heard = self._decoder.infrared(job.heard.message)
            self._pipeline.clock.listen(visible, heard, *times)
        except InputError as error:
            self.failed("malformed", error)

    def _infrared(self, job: Job) -> tuple[AnyInfrared | None, bool]:
        """The infrared image of a job, if it is usable, and whether an earlier one may serve."""
        if job.infrared is None or not self.registered:
            return None, job.hold and self.registered
        try:
            infrared = self._served.pixels(
                job.infrared, lambda frame: self._decoder.infrared(frame.message)
            )
        except InputError as error:
            return None, self._without(error)
        return infrared, job.hold or infrared is None

    def _without(self, error: InputError) -> bool:
        """Count an infrared image that cannot be used.

        Returns:
            Whether an earlier one may serve.
        """
        self.failed("malformed", error)
        return Fallback(self.parameters.fallback.policy).reuses

    def _account(self, job: Job, source: str) -> None:
        self._statistics.count("visible_only" if source == "visible" else source)
        done = time.monotonic()
        self._statistics.tick("published", done)
        age = (self._now() - stamp_of(job.visible.message)) / NANOSECONDS
        same_clock = -AHEAD <= age <= OTHER_CLOCK
        self._statistics.latency(done, done - job.arrived, age if same_clock else None)
        if not same_clock:
            self._statistics.other_clock(age)
