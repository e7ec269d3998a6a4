"""Subscriptions to camera_info, however it is published."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from lut_fuse_ros.middleware.callback_groups import Unattended
from lut_fuse_ros.middleware.image_messages import read

ANY = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Matches every publisher, but gets nothing of what was sent before."""

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
"""Gets what was sent before from a publisher that keeps it, and matches no other."""


STAMP = slice(4, 12)
"""Where a serialized camera_info holds its stamp, behind the four bytes that tell the encoding."""


class InfoSubscription:
    """Takes a camera_info whatever the quality of service of its publishers.

    That of the images says nothing about it: drivers publish it reliably beside best effort images,
    or once, latched, at their start. One comes with each image and hardly ever says anything new;
    taken in a round of the executor, each would cost as much as an image.

    Args:
        node: That subscribes.
        topic: To subscribe to.
        take: Called by `refresh` with each message that says something new.
    """

    def __init__(self, node: Node, topic: str, take: Callable[[CameraInfo], None]) -> None:
        self._node, self._topic, self._take = node, topic, take
        self._lock = threading.Lock()
        self._known = b""
        self._group = Unattended()
        self._any: Any = self._subscribe(ANY)
        self._latched: Any = None
        self.look()

    def look(self) -> None:
        """See whether there is a publisher that latches by now, and ask for what it keeps.

        Not before: others would warn in their logs of a subscription that they cannot serve.
        """
        publishers = self._node.get_publishers_info_by_topic(self._any.topic_name)
        latched = any(
            each.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
            and each.qos_profile.reliability == ReliabilityPolicy.RELIABLE
            for each in publishers
        )
        if latched and self._latched is None:
            self._latched = self._subscribe(LATCHED)
        self.refresh()

    def refresh(self) -> None:
        """Take what has come since the last time; any thread may call it."""
        with self._lock:
            for subscription in filter(None, (self._latched, self._any)):
                self._take_from(subscription)

    def close(self) -> None:
        """Unsubscribe."""
        with self._lock:
            subscriptions, self._any, self._latched = (self._any, self._latched), None, None
        for subscription in filter(None, subscriptions):
            self._node.destroy_subscription(subscription)

    def _subscribe(self, qos: QoSProfile) -> Any:
        return self._node.create_subscription(
            CameraInfo, self._topic, self._take, qos, callback_group=self._group, raw=True
        )

    def _take_from(self, subscription: Any) -> None:
        newest = b""
        with subscription.handle:
            while (taken := subscription.handle.take_message(CameraInfo, True)) is not None:
                newest = taken[0]
        content = newest[: STAMP.start] + newest[STAMP.stop :]
        if newest and content != self._known:
            self._known = content
            self._take(read(np.frombuffer(newest, np.uint8), CameraInfo))
