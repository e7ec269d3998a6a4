"""Subscriptions to camera_info, however it is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

PROFILES = (
    QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT),
    QoSProfile(
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    ),
)
"""The first takes what is published at any time, the second what was latched before: no single
profile does both, and the images' own suits neither."""


def subscribe_info(node: Node, topic: str, take: Callable[[CameraInfo], None]) -> list[Any]:
    """Subscribe to a camera_info, whatever the quality of service of its publisher.

    Returns:
        The subscriptions; the first one matches every publisher.
    """
    # Of a publisher that does not latch the second gets nothing, which is no fault.
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    return [
        node.create_subscription(CameraInfo, topic, take, each, event_callbacks=silent)
        for each in PROFILES
    ]
