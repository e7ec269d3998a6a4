"""The subscriptions to both cameras' images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from message_filters import Subscriber
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from lut_fuse_core.sync.jumps import SIDES, Side
from lut_fuse_core.sync.stamps import stamp_of
from lut_fuse_ros.frames.overlap import Overlap
from lut_fuse_ros.middleware import topics
from lut_fuse_ros.middleware.qos import alike, as_offered, profile, text_of
from lut_fuse_ros.parameters.node_parameters import InputParameters, NodeParameters

TOLD_WHEN_SENT = hasattr(Subscription, "CallbackType")
"""Whether rclpy hands on what the middleware says of a message; Humble's does not."""


class Inputs:
    """Subscribes to the images of both cameras, raw or compressed, as the parameters say.

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
        self._on_image = on_image
        self._inputs: dict[Side, _Input] = {
            side: _Input(node, side, getattr(parameters, side), partial(self._take, side))
            for side in SIDES
        }

    def _take(self, side: Side, message: Any) -> None:
        """Pass an image on, and after it that of the other camera, if it has come by now.

        It mostly has: both cameras send at the same time. Another round of the executor, which
        looks after everything that a node has, would take half a millisecond.
        """
        self._on_image(side, message)
        self._inputs["infrared" if side == "visible" else "visible"].pass_on(self._on_image)

    @property
    def topics(self) -> list[str]:
        """Whole names of the topics that images are taken from."""
        return [each.topic for each in self._inputs.values()]

    @property
    def qos(self) -> dict[Side, str]:
        """The quality of service in use, in words."""
        return {side: each.text for side, each in self._inputs.items()}

    def look(self) -> None:
        """See what the publishers offer by now, and ask for that; call it once in a while."""
        for each in self._inputs.values():
            each.look()

    def close(self) -> None:
        """Unsubscribe."""
        for each in self._inputs.values():
            each.close()


class _Input:
    """The subscription to one camera, replaced where the camera turns out to offer more, or less.

    The one before stays until the new one delivers what it does, and what both deliver is passed
    on once: a subscription finds its publisher only after a while, and no image is to be lost
    meanwhile.
    """

    def __init__(
        self,
        node: LifecycleNode,
        side: Side,
        settings: InputParameters,
        take: Callable[[Any], None],
    ) -> None:
        self._node, self._side, self._settings, self._take = node, side, settings, take
        compressed = settings.transport == "compressed"
        self._kind = CompressedImage if compressed else Image
        name = topics.INPUTS[side]
        self._name = topics.compressed(node, name) if compressed else name
        self._overlap = Overlap()
        self._subscriptions: list[Subscriber] = []
        self._subscribe(self._offered() or self._by_name())
        self.topic = self._topic()

    @property
    def text(self) -> str:
        """The quality of service in use, in words."""
        offered = ", as offered" if self._settings.qos == "auto" else ""
        return text_of(self._qos) + offered

    def look(self) -> None:
        """Replace the subscription if the publishers offer another quality of service by now."""
        if len(self._subscriptions) > 1 and self._overlap.may_close(self._subscriptions[0]):
            self._close_oldest()
        offered = self._offered()
        if offered is not None and not alike(offered, self._qos):
            if len(self._subscriptions) > 1:
                self._close_oldest()
            self._subscribe(offered)
            self._node.get_logger().info(f"{self._side} images: {self.text}")

    def pass_on(self, on_image: Callable[[Side, Any], None]) -> None:
        """Pass on the next image, if it has come."""
        for subscriber in self._subscriptions:
            handle = subscriber.sub.handle
            with handle:
                taken = handle.take_message(self._kind, False)
            if taken is not None and self._overlap.is_new(subscriber, _identity(*taken)):
                on_image(self._side, taken[0])

    def close(self) -> None:
        """Unsubscribe."""
        for each in self._subscriptions:
            self._node.destroy_subscription(each.sub)

    def _close_oldest(self) -> None:
        before = self._subscriptions.pop(0)
        self._overlap.close(before)
        self._node.destroy_subscription(before.sub)

    def _by_name(self) -> QoSProfile:
        name = "sensor_data" if self._settings.qos == "auto" else self._settings.qos
        return profile(name, self._settings.queue_size)

    def _offered(self) -> QoSProfile | None:
        """What the publishers offer; None while there are none, or it is not to be followed."""
        if self._settings.qos != "auto":
            return None
        kind = f"sensor_msgs/msg/{self._kind.__name__}"
        offers = [
            each.qos_profile
            for each in self._node.get_publishers_info_by_topic(self._topic())
            if each.topic_type == kind
        ]
        return as_offered(offers, self._settings.queue_size) if offers else None

    def _topic(self) -> str:
        return str(self._node.resolve_topic_name(self._name))

    def _subscribe(self, qos: QoSProfile) -> None:
        self._qos = qos
        subscriber = _Subscriber(self._node, self._kind, self._name, qos_profile=qos)
        self._overlap.open(subscriber)
        subscriber.registerCallback(partial(self._receive, subscriber))
        self._subscriptions.append(subscriber)

    def _receive(self, subscriber: Subscriber, message: Any, info: Mapping[str, int]) -> None:
        if self._overlap.is_new(subscriber, _identity(message, info)):
            self._take(message)


class _WithInfo(Subscriber):  # type: ignore[misc]
    """Hands on what the middleware says of a message, too."""

    def callback(self, message: Any, info: Mapping[str, int]) -> None:
        self.signalMessage(message, info)


class _WithoutInfo(Subscriber):  # type: ignore[misc]
    """The same where nothing is said; rclpy counts the arguments, so it is another method."""

    def callback(self, message: Any) -> None:
        self.signalMessage(message, {})


_Subscriber = _WithInfo if TOLD_WHEN_SENT else _WithoutInfo


def _identity(message: Any, info: Mapping[str, int]) -> int:
    """What two subscriptions know the same message by.

    The time at which it was sent, since a recording that is played in a loop has the same stamps
    again; the stamp where the middleware or rclpy does not tell.
    """
    sent = info["source_timestamp"] if TOLD_WHEN_SENT else 0
    return sent or stamp_of(message)
