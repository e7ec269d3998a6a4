"""A publisher that offers its subscribers what they ask for."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_ros.middleware.qos import alike, as_requested, profile, text_of
from lut_fuse_ros.middleware.serialized import send
from lut_fuse_ros.parameters.node_parameters import OutputParameters


class Publisher:
    """Publishes one topic while its node is active; any thread may use it.

    With ``qos`` auto it begins with what those who subscribe already ask for, best effort without
    any, and offers more once somebody asks for more; never less again, since that serves
    everybody.

    Args:
        node: That publishes.
        kind: The type of the messages.
        name: Of the topic.
        settings: Quality of service and queue are fixed from here on.

    Attributes:
        topic: Its whole name.
    """

    def __init__(
        self, node: LifecycleNode, kind: type[Any], name: str, settings: OutputParameters
    ) -> None:
        self._node, self._kind, self._name, self._settings = node, kind, name, settings
        self._lock = threading.Lock()
        self.topic = str(node.resolve_topic_name(name))
        auto = settings.qos == "auto"
        self._qos = self._requested() if auto else profile(settings.qos, settings.queue_size)
        self._publisher = self._advertise()

    @property
    def wanted(self) -> bool:
        """Whether somebody subscribes."""
        with self._lock:
            return bool(self._publisher.get_subscription_count() > 0)

    def publish(self, message: Any) -> None:
        """Send a message."""
        with self._lock:
            self._publisher.publish(message)

    def send(self, message: UInt8Array) -> None:
        """Send a message that is serialized already, ``(N,) uint8``."""
        with self._lock:
            send(self._publisher, message)

    def look(self) -> None:
        """Offer more if there is a subscriber by now that asks for more."""
        if self._settings.qos != "auto":
            return
        requested = self._requested(self._qos)
        if alike(requested, self._qos):
            return
        self._qos = requested
        with self._lock:
            active = self._publisher.is_activated
            self._node.destroy_lifecycle_publisher(self._publisher)
            self._publisher = self._advertise()
            if active:
                self._publisher.on_activate(None)  # the state, which it does not look at
        self._node.get_logger().info(f"{self.topic}: {text_of(requested)}, as asked for")

    def close(self) -> None:
        """Take the topic down."""
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _advertise(self) -> Any:
        return self._node.create_lifecycle_publisher(self._kind, self._name, self._qos)

    def _requested(self, *also: QoSProfile) -> QoSProfile:
        seen = self._node.get_subscriptions_info_by_topic(self.topic)
        requests = (each.qos_profile for each in seen)
        return as_requested((*requests, *also), self._settings.queue_size)
