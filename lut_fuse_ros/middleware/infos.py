"""Subscriptions to camera_info, however it is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

ANY = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Matches every publisher, but gets nothing of what was sent before."""

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
"""Gets what was sent before from a publisher that keeps it, and matches no other."""


class InfoSubscription:
    """Takes a camera_info whatever the quality of service of its publishers.

    That of the images says nothing about it: drivers publish it reliably beside best effort images,
    or once, latched, at their start.

    Args:
        node: That subscribes.
        topic: To subscribe to.
        take: Called with each message.
    """

    def __init__(self, node: Node, topic: str, take: Callable[[CameraInfo], None]) -> None:
        self._node, self._topic, self._take = node, topic, take
        self._any: Any = node.create_subscription(CameraInfo, topic, take, ANY)
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
            self._latched = self._node.create_subscription(
                CameraInfo, self._topic, self._take, LATCHED
            )

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in (self._any, self._latched):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
