"""The one thread that fuses: takes the newest job, decodes, fuses, publishes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.ros_messages import (
    decode_compressed_infrared,
    decode_compressed_visible,
    decode_infrared,
    decode_visible,
)
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_ros.diagnostics.meters import Statistics
from lut_fuse_ros.frames.job import NANOSECONDS, Job, stamp_of
from lut_fuse_ros.frames.mailbox import Mailbox
from lut_fuse_ros.frames.output import Output
from lut_fuse_ros.parameters.node_parameters import NodeParameters
from lut_fuse_ros.registration.live_calibration import LiveCalibration

STOPPING = 10.0
"""Seconds to wait for the frame under way when stopping."""


class Worker:
    """Fuses in a thread of its own, from `start` to `stop`.

    now: the node's clock, nanoseconds. log: takes a warning for the user; may throttle.
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
        self._pipeline, self._output, self._statistics = pipeline, output, statistics
        self._now, self._log = now, log
        self._mailbox = Mailbox[Job]()
        self._requests: SimpleQueue[Callable[[FusionPipeline], None]] = SimpleQueue()
        self._infrared_format: tuple[Any, ...] | None = None
        self._taken: Any = None
        self._thread = threading.Thread(target=self._run, name="fusion", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the frame under way and end."""
        self._mailbox.close()
        self._thread.join(STOPPING)
        if not self._thread.is_alive():
            # What no frame came for any more holds from the next activation on.
            self._make_changes()
        if self.calibration is not None:
            self.calibration.cancel("the node was deactivated meanwhile")

    def put(self, job: Job) -> None:
        """Hand over a job; one that has been waiting for longer is dropped."""
        self._statistics.count("handed_over")
        self._statistics.count("dropped", self._mailbox.put(job, job.arrived))

    def request(self, change: Callable[[FusionPipeline], None]) -> None:
        """Have a change made to the pipeline before the next frame."""
        self._requests.put(change)

    def _run(self) -> None:
        while not self._mailbox.closed:
            job = self._mailbox.take()
            if job is None:
                continue
            try:
                self._make_changes()
                if self._output.wanted or self._calibrating:
                    self._handle(job)
                else:
                    self._output.publish_info(job.visible.header)
            except InputError as error:
                self._failed("failed", error)
            except Exception as error:
                # Whatever it was, the node goes on with the next pair; unless it is ending anyway.
                if not self._mailbox.closed:
                    self._failed("failed", error)

    @property
    def _calibrating(self) -> bool:
        return self.calibration is not None and self.calibration.wants_pairs

    def _make_changes(self) -> None:
        while True:
            try:
                change = self._requests.get_nowait()
            except Empty:
                return
            try:
                change(self._pipeline)
            except InputError as error:
                self._failed("failed", error)

    def _handle(self, job: Job) -> None:
        try:
            visible = _visible(job.visible)
        except InputError as error:
            self._failed("malformed", error)
            return
        infrared, hold = self._infrared(job)
        try:
            if self._calibrating and infrared is not None:
                self.calibration.offer(visible, infrared)  # type: ignore[union-attr]
            fused = self._fuse(job, visible, infrared, hold)
        except InputError as error:
            if infrared is None:
                raise
            # One that does not fit the registration, say; as with one that cannot be decoded.
            fused = self._fuse(job, visible, None, self._without(job, error))
        if infrared is not None:
            self._taken = job.infrared
        alone = self._pipeline.status.source == "visible"
        if alone and self.parameters.fallback.policy == "nothing":
            self._statistics.count("withheld")
            return
        self._output.publish(job.visible.header, fused)
        self._account(job)

    def _fuse(
        self, job: Job, visible: UInt8Array, infrared: RawInfrared | None, hold: bool
    ) -> UInt8Array:
        # Only frames whose time the pipeline knows are held and reused.
        timed = hold or infrared is not None
        return self._pipeline.process(
            visible,
            infrared,
            visible_time=stamp_of(job.visible) / NANOSECONDS if timed else None,
            infrared_time=stamp_of(job.infrared) / NANOSECONDS if infrared is not None else None,
            out=self._output.canvas(visible.shape),
        )

    def _without(self, job: Job, error: InputError) -> bool:
        """Count an infrared image that cannot be used. Returns whether an earlier one may serve."""
        self._taken = job.infrared
        self._failed("malformed", error)
        return self.parameters.fallback.policy == "last_infrared"

    def _infrared(self, job: Job) -> tuple[RawInfrared | None, bool]:
        """The infrared image of a job, if it is usable, and whether an earlier one may serve."""
        if job.infrared is None or not self.registered:
            return None, job.hold and self.registered
        if job.infrared is self._taken:
            return None, True
        try:
            infrared = _infrared(job.infrared)
        except InputError as error:
            return None, self._without(job, error)
        layout = (infrared.dtype, infrared.shape)
        self._statistics.count("format_changes", self._infrared_format not in (None, layout))
        self._infrared_format = layout
        return infrared, job.hold

    def _account(self, job: Job) -> None:
        source = self._pipeline.status.source
        self._statistics.count("visible_only" if source == "visible" else str(source))
        done = time.monotonic()
        self._statistics.tick("published", done)
        age = (self._now() - stamp_of(job.visible)) / NANOSECONDS
        self._statistics.latency(done, done - job.arrived, age)

    def _failed(self, counter: str, error: Exception) -> None:
        known = isinstance(error, InputError)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        self._statistics.error(counter, text)
        self._log(f"frame skipped: {text}")


def _visible(message: Any) -> UInt8Array:
    return decode_compressed_visible(message) if _compressed(message) else decode_visible(message)


def _infrared(message: Any) -> RawInfrared:
    if _compressed(message):
        return decode_compressed_infrared(message)
    return decode_infrared(message)


def _compressed(message: Any) -> bool:
    return hasattr(message, "format")
