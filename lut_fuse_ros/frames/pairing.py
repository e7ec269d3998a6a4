"""From two image topics to jobs: subscribes, watches the stamps, pairs with message_filters.

Everything here runs in the executor's thread and only hands messages over. An exception inside
message_filters would leave its lock taken and end the node, so messages are checked before they
get there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from message_filters import ApproximateTimeSynchronizer, SimpleFilter, TimeSynchronizer
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image

from lut_fuse_ros.diagnostics.meters import Statistics
from lut_fuse_ros.frames.job import NANOSECONDS, Job, stamp_of
from lut_fuse_ros.frames.stamps import OffsetMeter, PairWatch, StampWatch, Waiting
from lut_fuse_ros.middleware import topics
from lut_fuse_ros.middleware.qos import profile
from lut_fuse_ros.parameters.node_parameters import InputParameters, NodeParameters

INCLUSIVE = 1.5e-9
"""message_filters compares with '<' and truncates to nanoseconds; with this much more (s), a
tolerance includes itself."""

LAST_STAMP = 2**31 * NANOSECONDS
"""One past the last stamp a ROS message can carry."""

JUMP_TOGETHER = NANOSECONDS
"""When the clock of the second camera is set to within this time (ns) of the newest stamp of the
first, both made one jump."""


@dataclass(frozen=True)
class _Jump:
    """The camera that was the first to jump, and those of its messages since that wait to pair."""

    side: str
    since: deque[Any]


class Pairing:
    """The inputs of an active node.

    on_job: takes a `Job`, at once. on_jump: called when the cameras' clock was set.
    """

    def __init__(
        self,
        node: LifecycleNode,
        parameters: NodeParameters,
        statistics: Statistics,
        *,
        on_job: Callable[[Job], None],
        on_jump: Callable[[], None],
    ) -> None:
        self._node = node
        self.parameters = parameters
        self._statistics = statistics
        self._on_job, self._on_jump = on_job, on_jump
        self._stamps = {side: StampWatch() for side in topics.INPUTS}
        self._waiting = {side: Waiting(parameters.sync.queue_size) for side in topics.INPUTS}
        self.offset = OffsetMeter()
        self._watch = PairWatch()
        self._latest_infrared: Any = None
        self._latest_used = False
        self._first_jump: _Jump | None = None
        self._newest_job = -1
        self._resynchronize()
        self.subscriptions = [
            self._subscribe("visible", self._visible_arrived),
            self._subscribe("infrared", self._infrared_arrived),
        ]

    @property
    def fallen_back(self) -> bool:
        """Whether visible frames currently go out without a partner."""
        return self._watch.fallen_back

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self.subscriptions:
            self._node.destroy_subscription(subscription)

    def update(self, parameters: NodeParameters) -> None:
        """Take over changed parameters."""
        before, self.parameters = self.parameters, parameters
        if parameters.sync.infrared_offset != before.sync.infrared_offset:
            self.offset, self._stamps["infrared"] = OffsetMeter(), StampWatch()
            self._resynchronize()
        elif parameters.sync.tolerance != before.sync.tolerance:
            self._resynchronize()

    def _resynchronize(self) -> None:
        """Start pairing anew with the current tolerance; waiting frames are forgotten."""
        self._first_jump = None
        self._filters = {side: SimpleFilter() for side in topics.INPUTS}
        self._newest_job = -1
        self._latest_infrared = None
        for waiting in self._waiting.values():
            waiting.clear()
        if self.parameters.sync.method != "stamps":
            return
        filters, depth = list(self._filters.values()), self.parameters.sync.queue_size
        tolerance = self.parameters.sync.tolerance
        if tolerance > 0:
            synchronizer = ApproximateTimeSynchronizer(filters, depth, tolerance + INCLUSIVE)
        else:
            synchronizer = TimeSynchronizer(filters, depth)
        synchronizer.registerCallback(self._paired)
        self._synchronizer = synchronizer

    def _subscribe(self, side: str, callback: Callable[[Any], None]) -> Any:
        settings: InputParameters = getattr(self.parameters, side)
        compressed, topic = settings.transport == "compressed", topics.INPUTS[side]
        return self._node.create_subscription(
            CompressedImage if compressed else Image,
            topics.compressed(self._node, topic) if compressed else topic,
            callback,
            profile(settings.qos, settings.queue_size),
        )

    def _visible_arrived(self, message: Any) -> None:
        now = time.monotonic()
        if not self._admit("visible", message, now):
            return
        self._watch.arrived(now)
        if self.parameters.sync.method == "latest":
            self._fuse_with_latest(message, now)
            return
        self._filters["visible"].signalMessage(message)
        if self._watch.overdue(now, self.parameters.fallback.timeout):
            self._alone(message, now)

    def _infrared_arrived(self, message: Any) -> None:
        if not self._admit("infrared", message, time.monotonic()):
            return
        if self.parameters.sync.method == "latest":
            unused = self._latest_infrared is not None and not self._latest_used
            self._statistics.count("unpaired_infrared", unused)
            self._latest_infrared, self._latest_used = message, False
            self._watch.paired()
        else:
            self._filters["infrared"].signalMessage(message)

    def _admit(self, side: str, message: Any, now: float) -> bool:
        """Count a message and make its stamp usable; False if that cannot be done."""
        self._statistics.tick(side, now)
        if stamp_of(message) == 0:
            # A driver that does not stamp: the time of arrival is the best there is.
            message.header.stamp = self._node.get_clock().now().to_msg()
            self._statistics.count("zero_stamps")
        stamp = stamp_of(message)
        if side == "infrared":
            stamp -= int(self.parameters.sync.infrared_offset * NANOSECONDS)
        if not 0 <= stamp < LAST_STAMP:
            self._statistics.error("malformed", f"a {side} image has the stamp {stamp} ns")
            return False
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, NANOSECONDS)
        if side == "visible":
            self._statistics.count("repeated_stamps", stamp == self._stamps[side].newest)
        if self._stamps[side].jumped(stamp, now):
            self._jumped(side, stamp)
        self.offset.arrived(side, stamp)
        if self.parameters.sync.method == "stamps":
            if self._first_jump is not None and self._first_jump.side == side:
                self._first_jump.since.append(message)
            given_up = self._waiting[side].arrived(stamp)
            self._statistics.count(f"unpaired_{side}", given_up)
        return True

    def _jumped(self, side: str, stamp: int) -> None:
        """Start anew. When the second camera follows the first, what came of the first meanwhile
        stays; but what still came of the second, from before, must be forgotten."""
        first = self._first_jump
        if (
            first is None
            or first.side == side
            or abs((self._stamps[first.side].newest or 0) - stamp) > JUMP_TOGETHER
        ):
            self._statistics.count("clock_jumps")
            self._resynchronize()
            self._first_jump = _Jump(side, deque(maxlen=self.parameters.sync.queue_size))
            self._on_jump()
            return
        newest, latest = self._newest_job, self._latest_infrared
        self._resynchronize()
        if first.side == "visible":
            self._newest_job = newest
        else:
            self._latest_infrared = latest
        for message in first.since:
            self._waiting[first.side].arrived(stamp_of(message))
            self._filters[first.side].signalMessage(message)

    def _paired(self, visible: Any, infrared: Any) -> None:
        now = time.monotonic()
        self._watch.paired()
        self._first_jump = None
        self._statistics.tick("pairs", now)
        for side, message in (("visible", visible), ("infrared", infrared)):
            given_up = self._waiting[side].paired(stamp_of(message))
            self._statistics.count(f"unpaired_{side}", given_up)
        self._hand_over(Job(visible, infrared, hold=False, arrived=now))

    def _fuse_with_latest(self, visible: Any, now: float) -> None:
        infrared = self._latest_infrared
        if infrared is not None and not self._latest_used:
            self._latest_used = True
            self._statistics.tick("pairs", now)
        if self._watch.overdue(now, self.parameters.fallback.timeout):
            self._alone(visible, now)
        else:
            self._hand_over(Job(visible, infrared, hold=True, arrived=now))

    def _alone(self, visible: Any, now: float) -> None:
        policy = self.parameters.fallback.policy
        if policy != "nothing":
            self._hand_over(Job(visible, None, hold=policy == "last_infrared", arrived=now))

    def _hand_over(self, job: Job) -> None:
        stamp = stamp_of(job.visible)
        if 0 < stamp <= self._newest_job:
            # It went out alone, or a later one did already: time must not run backwards.
            self._statistics.count("late")
            return
        self._newest_job = stamp
        self._on_job(job)
