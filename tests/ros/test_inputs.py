"""Images are passed on as they come, those of both cameras in turn, and each once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.exceptions import InvalidHandle
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from rig import TIMEOUT
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_ros.frames import inputs
from lut_fuse_ros.frames.inputs import Inputs
from lut_fuse_ros.middleware.serialized import RclError
from lut_fuse_ros.parameters.node_parameters import NodeParameters


class Subscription:
    """One whose messages wait until they are taken."""

    def __init__(self, node: Any, kind: type, name: str, **_: Any) -> None:
        node.subscriptions.setdefault(name.split("/")[0], []).append(self)
        self.waiting: list[tuple[UInt8Array, int]] = []
        self.sub = self

    def registerCallback(self, callback: Any) -> None:  # noqa: N802 - as message_filters has it
        self.signalMessage = callback

    def take(self) -> tuple[UInt8Array, int] | None:
        return self.waiting.pop(0) if self.waiting else None

    def hold(self, second: int, sent: int = 0) -> None:
        """Let an image come that was sent then; 0 where the middleware does not tell."""
        self.waiting.append((np.frombuffer(serialize_message(image(second)), np.uint8), sent))


class Waiting:
    """Goes on at once while an image waits."""

    def __init__(self, _: Any) -> None:
        self._woken = threading.Event()

    def wait(self, subscriptions: list[Subscription]) -> None:
        if not any(each.waiting for each in subscriptions):
            self._woken.wait()
            self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        ended.append("waiting" if thread_of_images() is None else "waiting, under the thread")


ended: list[str] = []


def thread_of_images() -> threading.Thread | None:
    return next((each for each in threading.enumerate() if each.name == "images"), None)


class Node:
    context = None

    def __init__(self) -> None:
        self.subscriptions: dict[str, list[Subscription]] = {}
        self.offered: list[Any] = []

    def resolve_topic_name(self, name: str) -> str:
        return name

    def get_publishers_info_by_topic(self, name: str) -> list[Any]:
        return self.offered if name.startswith("visible") else []

    def get_logger(self) -> Any:
        return SimpleNamespace(info=lambda _: None)

    def destroy_subscription(self, subscription: Subscription) -> None:
        pass


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(inputs, "Subscriber", Subscription)
    monkeypatch.setattr(inputs, "Messages", lambda subscription: subscription)
    monkeypatch.setattr(inputs, "Waiting", Waiting)
    return Node()


class Seen:
    """The images that were passed on, camera and second of the stamp, and the errors."""

    def __init__(self) -> None:
        self.images: list[tuple[str, int]] = []
        self.errors: list[Exception] = []
        self._came = threading.Condition()

    def image(self, side: str, message: Any) -> None:
        with self._came:
            self.images.append((side, message.header.stamp.sec))
            self._came.notify()

    def error(self, error: Exception) -> None:
        with self._came:
            self.errors.append(error)
            self._came.notify()

    def wait(self, images: int, errors: int = 0) -> None:
        with self._came:
            assert self._came.wait_for(
                lambda: len(self.images) >= images and len(self.errors) >= errors, TIMEOUT
            )


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def cameras(node: Node, seen: Seen) -> Iterator[Inputs]:
    cameras = subscribed(node, seen)
    yield cameras
    cameras.close()


def subscribed(node: Any, seen: Seen) -> Inputs:
    return Inputs(node, NodeParameters(), seen.image, seen.error)


def image(second: int) -> Image:
    return Image(header=Header(stamp=Time(sec=second)))


def test_each_camera_comes_in_turn_so_that_neither_keeps_the_other_waiting(
    node: Node, seen: Seen, cameras: Inputs
) -> None:
    for second in (6, 7):
        node.subscriptions["infrared"][0].hold(second)
    node.subscriptions["visible"][0].hold(7)
    cameras.start()
    seen.wait(3)
    assert seen.images == [("visible", 7), ("infrared", 6), ("infrared", 7)]


def test_one_camera_comes_alone_while_the_other_one_sends_nothing(
    node: Node, seen: Seen, cameras: Inputs
) -> None:
    for second in (7, 8):
        node.subscriptions["visible"][0].hold(second)
    cameras.start()
    seen.wait(2)
    assert seen.images == [("visible", 7), ("visible", 8)]


def test_what_is_no_image_is_reported_and_the_next_one_comes(
    node: Node, seen: Seen, cameras: Inputs
) -> None:
    infrared = node.subscriptions["infrared"][0]
    infrared.waiting.append((np.frombuffer(serialize_message(image(6))[:30], np.uint8), 0))
    infrared.hold(7)
    cameras.start()
    seen.wait(1, errors=1)
    assert seen.images == [("infrared", 7)]
    (error,) = seen.errors
    assert isinstance(error, InputError)
    assert "infrared camera: an image message of 30 bytes is truncated" in str(error)


def test_a_failure_of_the_middleware_is_reported_and_the_next_image_comes(
    node: Node, seen: Seen, cameras: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    visible = node.subscriptions["visible"][0]
    visible.hold(7)
    take = visible.take

    def fails_once() -> Any:
        monkeypatch.setattr(visible, "take", take)
        raise RclError("out of memory")

    monkeypatch.setattr(visible, "take", fails_once)
    cameras.start()
    seen.wait(1, errors=1)
    assert seen.images == [("visible", 7)]
    assert [str(error) for error in seen.errors] == ["out of memory"]


def test_what_waiting_took_is_released_once_the_thread_has_ended(node: Node, seen: Seen) -> None:
    ended.clear()
    cameras = subscribed(node, seen)
    cameras.start()
    cameras.close()
    assert ended == ["waiting"]


class FirstPause(threading.Event):
    """Set by the first one who would wait for it to be."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


def test_a_subscription_that_somebody_destroyed_keeps_no_core_busy(
    node: Node, seen: Seen, cameras: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    visible = node.subscriptions["visible"][0]
    visible.hold(7)

    def destroyed() -> Any:
        assert next(tries) < 1000, "again and again, at once"
        raise InvalidHandle

    tries = itertools.count()
    monkeypatch.setattr(visible, "take", destroyed)
    monkeypatch.setattr(cameras, "_closed", FirstPause())
    cameras.start()
    thread = thread_of_images()
    if thread is not None:
        thread.join(TIMEOUT)
    assert next(tries) == 1
    assert not seen.errors


@pytest.fixture
def both(node: Node, cameras: Inputs) -> list[Subscription]:
    """The visible camera's subscriptions: one as nothing was known yet, one as it offers."""
    node.offered = [
        SimpleNamespace(topic_type="sensor_msgs/msg/Image", qos_profile=QoSProfile(depth=10))
    ]
    cameras.look()
    return node.subscriptions["visible"]


def test_a_recording_that_loops_loses_no_image_that_one_of_two_subscriptions_misses(
    both: list[Subscription], cameras: Inputs, seen: Seen
) -> None:
    old, new = both
    for sent in (1, 2):  # before the new one is connected
        old.hold(sent, sent)
    cameras.start()
    seen.wait(2)
    new.hold(1, 3)  # again, and lost on its way to the old one
    cameras.look()
    seen.wait(3)
    assert seen.images == [("visible", 1), ("visible", 2), ("visible", 1)]


def test_what_both_still_hold_when_one_is_closed_comes_once(
    both: list[Subscription], cameras: Inputs, seen: Seen
) -> None:
    old, new = both
    for subscription in both:
        subscription.hold(1, 1)
    cameras.start()
    seen.wait(1)
    while old.waiting or new.waiting:
        time.sleep(0.001)
    old.hold(2, 2)  # comes while it is being closed
    old.take = lambda: None  # type: ignore[method-assign]
    cameras.look()
    new.hold(2, 2)
    cameras.look()
    seen.wait(2)
    assert seen.images == [("visible", 1), ("visible", 2)]


@pytest.fixture
def ros() -> Iterator[tuple[Any, SingleThreadedExecutor]]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("inputs", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node, executor
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_the_middleware_tells_two_subscriptions_the_same_of_an_image(
    ros: tuple[Any, SingleThreadedExecutor],
) -> None:
    node, executor = ros
    seen = Seen()
    cameras = subscribed(node, seen)
    cameras.start()
    camera = node.create_publisher(Image, "visible/image_raw", 10)

    def until(condition: Any) -> None:
        end = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < end
            executor.spin_once(timeout_sec=0.01)

    def opened() -> bool:
        cameras.look()
        return camera.get_subscription_count() == 2

    until(opened)
    # Stamped alike: only the middleware can tell them apart.
    for number in range(1, 4):
        camera.publish(image(7))
        until(lambda number=number: len(seen.images) >= number)
    for _ in range(20):
        executor.spin_once(timeout_sec=0.01)
    assert seen.images == [("visible", 7)] * 3
    assert not seen.errors
    cameras.close()
