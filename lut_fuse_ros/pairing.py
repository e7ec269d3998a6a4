"""From two image topics to jobs: subscribes, watches the stamps, pairs with message_filters.

Everything here runs in the executor's thread and only hands messages over. An exception inside
message_filters would leave its lock taken and end the node, so messages are checked before they
get there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from message_filters import ApproximateTimeSynchronizer, SimpleFilter, TimeSynchronizer
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image

from lut_fuse_ros.job import NANOSECONDS, Job, stamp_of
from lut_fuse_ros.meters import Statistics
from lut_fuse_ros.parameters import NodeParameters
from lut_fuse_ros.qos import SubscriptionEventCallbacks, profile
from lut_fuse_ros.timing import OffsetMeter, PairWatch, StampWatch, Waiting

TOPICS = {"visible": "visible/image_raw", "infrared": "infrared/image_raw"}

INCLUSIVE = 1.5e-9
"""message_filters compares with '<' and truncates to nanoseconds; with this much more (s), a
tolerance includes itself."""

LAST_STAMP = 2**31 * NANOSECONDS
"""One past the last stamp a ROS message can carry."""


class Pairing:
    """The inputs of an active node.

    on_job: takes a `Job`, at once. on_jump: called when the cameras' clock was set.
    on_mismatch: takes the name of a topic whose publisher offers another quality of service.
    """

    def __init__(
        self,
        node: LifecycleNode,
        parameters: NodeParameters,
        statistics: Statistics,
        *,
        on_job: Callable[[Job], None],
        on_jump: Callable[[], None],
        on_mismatch: Callable[[str], None],
    ) -> None:
        self._node = node
        self.parameters = parameters
        self._statistics = statistics
        self._on_job, self._on_jump, self._on_mismatch = on_job, on_jump, on_mismatch
        self._stamps = {side: StampWatch() for side in TOPICS}
        self._waiting = {side: Waiting(parameters.sync_queue_size) for side in TOPICS}
        self.offset = OffsetMeter()
        self._watch = PairWatch(time.monotonic())
        self._latest_infrared: Any = None
        self._newest_job = -1
        self._resynchronise()
        self._subscriptions = [
            self._subscribe("visible", parameters.visible_transport, self._visible_arrived),
            self._subscribe("infrared", parameters.infrared_transport, self._infrared_arrived),
        ]

    @property
    def fallen_back(self) -> bool:
        """Whether visible frames currently go out without a partner."""
        return self._watch.fallen_back

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def update(self, parameters: NodeParameters) -> None:
        """Take over changed parameters."""
        tolerance = self.parameters.sync_tolerance
        self.parameters = parameters
        if parameters.sync_tolerance != tolerance:
            self._resynchronise()

    def _resynchronise(self) -> None:
        """Start pairing anew with the current tolerance; waiting frames are forgotten."""
        self._filters = {side: SimpleFilter() for side in TOPICS}
        self._newest_job = -1
        self._latest_infrared = None
        for waiting in self._waiting.values():
            waiting.clear()
        if self.parameters.sync_method != "stamps":
            return
        filters, depth = list(self._filters.values()), self.parameters.sync_queue_size
        tolerance = self.parameters.sync_tolerance
        if tolerance > 0:
            synchroniser = ApproximateTimeSynchronizer(filters, depth, tolerance + INCLUSIVE)
        else:
            synchroniser = TimeSynchronizer(filters, depth)
        synchroniser.registerCallback(self._paired)
        self._synchroniser = synchroniser

    def _subscribe(self, side: str, transport: str, callback: Callable[[Any], None]) -> Any:
        topic = self._node.resolve_topic_name(TOPICS[side])
        compressed = transport == "compressed"
        name = f"{topic}/compressed" if compressed else topic
        return self._node.create_subscription(
            CompressedImage if compressed else Image,
            name,
            callback,
            profile(
                getattr(self.parameters, f"{side}_qos"),
                getattr(self.parameters, f"{side}_queue_size"),
            ),
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=lambda _event: self._on_mismatch(name)
            ),
        )

    def _visible_arrived(self, message: Any) -> None:
        if not self._admit("visible", message):
            return
        now = time.monotonic()
        if self.parameters.sync_method == "latest":
            self._fuse_with_latest(message, now)
            return
        self._filters["visible"].signalMessage(message)
        if self._watch.overdue(now, self.parameters.fallback_timeout):
            self._alone(message, now)

    def _infrared_arrived(self, message: Any) -> None:
        if not self._admit("infrared", message):
            return
        if self.parameters.sync_method == "latest":
            self._statistics.count("unpaired_infrared", self._latest_infrared is not None)
            self._latest_infrared = message
            self._watch.paired(time.monotonic())
        else:
            self._filters["infrared"].signalMessage(message)

    def _admit(self, side: str, message: Any) -> bool:
        """Count a message and make its stamp usable; False if that cannot be done."""
        self._statistics.tick(side, time.monotonic())
        if stamp_of(message) == 0:
            # A driver that does not stamp: the time of arrival is the best there is.
            message.header.stamp = self._node.get_clock().now().to_msg()
            self._statistics.count("zero_stamps")
        stamp = stamp_of(message)
        if side == "infrared":
            stamp -= int(self.parameters.sync_infrared_offset * NANOSECONDS)
        if not 0 <= stamp < LAST_STAMP:
            self._statistics.error("malformed", f"a {side} image has the stamp {stamp} ns")
            return False
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, NANOSECONDS)
        if self._stamps[side].jumped(stamp):
            self._statistics.count("clock_jumps")
            self._resynchronise()
            self._on_jump()
        self.offset.arrived(side, stamp)
        if self.parameters.sync_method == "stamps":
            given_up = self._waiting[side].arrived(stamp)
            self._statistics.count(f"unpaired_{side}", given_up)
        return True

    def _paired(self, visible: Any, infrared: Any) -> None:
        now = time.monotonic()
        self._watch.paired(now)
        self._statistics.tick("pairs", now)
        for side, message in (("visible", visible), ("infrared", infrared)):
            given_up = self._waiting[side].paired(stamp_of(message))
            self._statistics.count(f"unpaired_{side}", given_up)
        self._hand_over(Job(visible, infrared, hold=False, arrived=now))

    def _fuse_with_latest(self, visible: Any, now: float) -> None:
        infrared, self._latest_infrared = self._latest_infrared, None
        if infrared is not None:
            self._statistics.tick("pairs", now)
        if self._watch.overdue(now, self.parameters.fallback_timeout):
            self._alone(visible, now)
        else:
            self._hand_over(Job(visible, infrared, hold=True, arrived=now))

    def _alone(self, visible: Any, now: float) -> None:
        policy = self.parameters.fallback_policy
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
