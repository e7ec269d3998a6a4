"""The subscriptions to both cameras' images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from message_filters import Subscriber
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image

from lut_fuse_core.sync.jumps import SIDES, Side
from lut_fuse_ros.middleware import topics
from lut_fuse_ros.middleware.qos import profile
from lut_fuse_ros.parameters.node_parameters import InputParameters, NodeParameters


class Inputs:
    """Subscribes to the images, raw or compressed, as the parameters say.

    Args:
        node: That subscribes.
        parameters: Topics and quality of service are fixed from here on.
        on_image: Called with each message and its camera, in the executor's thread.
    """

    def __init__(
        self,
        node: LifecycleNode,
        parameters: NodeParameters,
        on_image: Callable[[Side, Any], None],
    ) -> None:
        self._node = node
        self._filters = {
            side: self._subscribe(side, getattr(parameters, side), on_image) for side in SIDES
        }

    @property
    def subscriptions(self) -> list[Any]:
        """What rclpy made."""
        return [each.sub for each in self._filters.values()]

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self.subscriptions:
            self._node.destroy_subscription(subscription)

    def _subscribe(
        self, side: Side, settings: InputParameters, on_image: Callable[[Side, Any], None]
    ) -> Subscriber:
        compressed, topic = settings.transport == "compressed", topics.INPUTS[side]
        subscriber = Subscriber(
            self._node,
            CompressedImage if compressed else Image,
            topics.compressed(self._node, topic) if compressed else topic,
            qos_profile=profile(settings.qos, settings.queue_size),
        )
        subscriber.registerCallback(lambda message: on_image(side, message))
        return subscriber
