"""The subscriptions to both cameras' images, and the thread that takes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from message_filters import Subscriber
from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image

from lut_fuse_core.errors import InputError
from lut_fuse_core.sync.jumps import SIDES, Side
from lut_fuse_core.sync.stamps import stamp_of
from lut_fuse_ros.frames.overlap import Overlap
from lut_fuse_ros.middleware import topics
from lut_fuse_ros.middleware.callback_groups import EventsAttended
from lut_fuse_ros.middleware.image_messages import read, read_image
from lut_fuse_ros.middleware.qos import alike, as_offered, profile, text_of
from lut_fuse_ros.middleware.serialized import Messages
from lut_fuse_ros.middleware.waiting import Waiting
from lut_fuse_ros.parameters.node_parameters import InputParameters, NodeParameters

STOPPING = 10.0
"""Seconds to wait for the image under way when unsubscribing."""

PAUSE = 0.1
"""Seconds after a failure of the middleware, or of a subscription that somebody else destroyed,
which may fail again at once."""


class Inputs:
    """Subscribes to the images of both cameras, raw or compressed, as the parameters say.

    A thread of its own takes them, the executor does not: they come in fewer steps, and what the
    executor does meanwhile holds them up only while both want the interpreter.

    Args:
        node: That subscribes.
        parameters: Topics and quality of service are fixed from here on.
        on_image: Called with each message and its camera, in the thread that takes them.
        on_error: Called there with what is wrong with a message, an `InputError` that names the
            camera, or with whatever else fails.
    """

    def __init__(
        self,
        node: LifecycleNode,
        parameters: NodeParameters,
        on_image: Callable[[Side, Any], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._on_error = on_error
        self._inputs: dict[Side, _Input] = {
            side: _Input(node, side, getattr(parameters, side), partial(on_image, side))
            for side in SIDES
        }
        self._waiting = Waiting(node.context)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="images", daemon=True)

    def start(self) -> None:
        """Begin to take images."""
        self._thread.start()

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
        self._waiting.wake()  # to wait for the subscriptions that there are now

    def close(self) -> None:
        """Finish the image under way and unsubscribe."""
        self._closed.set()
        self._waiting.wake()
        if self._thread.is_alive():
            self._thread.join(STOPPING)
        for each in self._inputs.values():
            each.close()
        if not self._thread.is_alive():
            self._waiting.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._waiting.wait([one for each in self._inputs.values() for one in each.entities])
                came = [True]
                while any(came) and not self._closed.is_set():
                    # One of each camera, so that neither keeps the other waiting.
                    came = [self._take(side) for side in SIDES]
            except InvalidHandle:  # one was replaced a moment ago, or destroyed with the node
                self._closed.wait(PAUSE)
            except Exception as error:
                # Whatever it is, the next image may be good; unless the node is ending anyway.
                if not self._closed.is_set():
                    self._on_error(error)
                self._closed.wait(PAUSE)

    def _take(self, side: Side) -> bool:
        """Pass the next image of a camera on; False if none has come."""
        try:
            return self._inputs[side].pass_on()
        except InputError as error:
            self._on_error(InputError(f"{side} camera: {error}"))
            return True


class _Source:
    """One subscription, and what comes by it."""

    def __init__(
        self,
        node: LifecycleNode,
        kind: type,
        name: str,
        qos: QoSProfile,
        take: Callable[[Any], None],
    ) -> None:
        group = EventsAttended()
        subscriber = Subscriber(node, kind, name, qos_profile=qos, callback_group=group, raw=True)
        subscriber.registerCallback(take)
        self.entity = subscriber.sub
        self.messages = Messages(subscriber.sub)
        self.pass_on = subscriber.signalMessage


class _Input:
    """The subscription to one camera, replaced where the camera turns out to offer more, or less.

    The one before stays until the new one delivers what it does, and what both deliver is passed
    on once: a subscription finds its publisher only after a while, and no image is to be lost
    meanwhile. One thread takes images, another one looks and closes.
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
        self._read = partial(read, kind=CompressedImage) if compressed else read_image
        name = topics.INPUTS[side]
        self._name = topics.compressed(node, name) if compressed else name
        self._lock = threading.Lock()
        self._overlap = Overlap()
        self._sources: list[_Source] = []
        self._subscribe(self._offered() or self._by_name())
        self.topic = self._topic()

    @property
    def text(self) -> str:
        """The quality of service in use, in words."""
        offered = ", as offered" if self._settings.qos == "auto" else ""
        return text_of(self._qos) + offered

    @property
    def entities(self) -> list[Any]:
        """The subscriptions that there are now."""
        return [each.entity for each in list(self._sources)]

    def look(self) -> None:
        """Replace the subscription if the publishers offer another quality of service by now."""
        with self._lock:
            if len(self._sources) > 1 and self._overlap.may_close(self._sources[0]):
                self._close_oldest()
        offered = self._offered()
        if offered is not None and not alike(offered, self._qos):
            with self._lock:
                if len(self._sources) > 1:
                    self._close_oldest()
            self._subscribe(offered)
            self._node.get_logger().info(f"{self._side} images: {self.text}")

    def pass_on(self) -> bool:
        """Pass on the next image of each subscription.

        Returns:
            Whether one has come.

        Raises:
            InputError: For a message that is no image.
        """
        came = False
        for source in list(self._sources):
            with self._lock:
                taken = source.messages.take() if source in self._sources else None
                if taken is None:
                    continue
                came = True
                message, sent = taken
                if isinstance(message, np.ndarray):
                    message = self._read(message)
                # A recording that is played in a loop has the same stamps again, so two
                # subscriptions know an image by when it was sent, unless the middleware is silent.
                is_new = self._overlap.is_new(source, sent or stamp_of(message))
            if is_new:
                source.pass_on(message)
        return came

    def close(self) -> None:
        """Unsubscribe."""
        for each in self._sources:
            self._node.destroy_subscription(each.entity)

    def _close_oldest(self) -> None:
        before = self._sources.pop(0)
        self._overlap.close(before)
        self._node.destroy_subscription(before.entity)

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
        source = _Source(self._node, self._kind, self._name, qos, self._take)
        with self._lock:
            self._overlap.open(source)
            self._sources.append(source)
