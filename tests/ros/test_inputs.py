"""Images are passed on as they come, that of the other camera right behind, and each once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rig import TIMEOUT
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from lut_fuse_ros.frames import inputs
from lut_fuse_ros.frames.inputs import Inputs
from lut_fuse_ros.parameters.node_parameters import NodeParameters


class Subscription:
    """One whose messages wait until they are taken."""

    def __init__(self, node: Any, kind: type, name: str, qos_profile: Any) -> None:
        node.subscriptions.setdefault(name.split("/")[0], []).append(self)
        self.waiting: list[Image] = []
        self.sub = self.handle = self

    def registerCallback(self, callback: Any) -> None:  # noqa: N802 - as message_filters has it
        self.deliver = callback

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def take_message(self, kind: type, raw: bool) -> tuple[Image, dict[str, int]] | None:
        return (self.waiting.pop(0), sent_at(0)) if self.waiting else None


class Node:
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


def sent_at(time: int) -> dict[str, int]:
    """What the middleware says of a message; 0 where it does not know."""
    return {"source_timestamp": time}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(inputs, "_Subscriber", Subscription)
    return Node()


@pytest.fixture
def seen() -> list[tuple[str, int]]:
    """The images that were passed on: camera and second of the stamp."""
    return []


@pytest.fixture
def cameras(node: Node, seen: list[tuple[str, int]]) -> Inputs:
    return subscribed(node, seen)


def subscribed(node: Any, seen: list[tuple[str, int]]) -> Inputs:
    return Inputs(
        node, NodeParameters(), lambda side, image: seen.append((side, image.header.stamp.sec))
    )


def image(second: int) -> Image:
    return Image(header=Header(stamp=Time(sec=second)))


@pytest.mark.usefixtures("cameras")
@pytest.mark.parametrize(("first", "second"), [("visible", "infrared"), ("infrared", "visible")])
def test_what_the_other_camera_has_sent_follows_at_once(
    node: Node, seen: list[tuple[str, int]], first: str, second: str
) -> None:
    node.subscriptions[second][0].waiting.append(image(7))
    node.subscriptions[first][0].deliver(image(7), sent_at(0))
    assert seen == [(first, 7), (second, 7)]


@pytest.mark.usefixtures("cameras")
def test_nothing_follows_while_the_other_camera_has_sent_nothing(
    node: Node, seen: list[tuple[str, int]]
) -> None:
    for second in (7, 8):
        node.subscriptions["visible"][0].deliver(image(second), sent_at(0))
    assert seen == [("visible", 7), ("visible", 8)]


@pytest.mark.usefixtures("cameras")
def test_only_one_image_follows_so_that_neither_camera_keeps_the_other_waiting(
    node: Node, seen: list[tuple[str, int]]
) -> None:
    node.subscriptions["infrared"][0].waiting += [image(6), image(7)]
    node.subscriptions["visible"][0].deliver(image(7), sent_at(0))
    assert seen == [("visible", 7), ("infrared", 6)]


@pytest.fixture
def both(node: Node, cameras: Inputs) -> list[Subscription]:
    """The visible camera's subscriptions: one as nothing was known yet, one as it offers."""
    node.offered = [
        SimpleNamespace(topic_type="sensor_msgs/msg/Image", qos_profile=QoSProfile(depth=10))
    ]
    cameras.look()
    return node.subscriptions["visible"]


@pytest.mark.skipif(not inputs.TOLD_WHEN_SENT, reason="rclpy does not say when it was sent")
def test_a_recording_that_loops_loses_no_image_that_one_of_two_subscriptions_misses(
    both: list[Subscription], seen: list[tuple[str, int]]
) -> None:
    old, new = both
    for sent in (1, 2):  # before the new one is connected
        old.deliver(image(sent), sent_at(sent))
    new.deliver(image(1), sent_at(3))  # again, and lost on its way to the old one
    assert seen == [("visible", 1), ("visible", 2), ("visible", 1)]


def test_what_both_still_hold_when_one_is_closed_comes_once(
    both: list[Subscription], cameras: Inputs, seen: list[tuple[str, int]]
) -> None:
    _, new = both
    for subscription in both:
        subscription.deliver(image(1), sent_at(1))
        subscription.waiting.append(image(2))
    cameras.look()
    assert seen == [("visible", 1)]
    new.deliver(new.waiting.pop(), sent_at(2))
    assert seen == [("visible", 1), ("visible", 2)]


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
    seen: list[tuple[str, int]] = []
    cameras = subscribed(node, seen)
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
        until(lambda number=number: len(seen) >= number)
    for _ in range(20):
        executor.spin_once(timeout_sec=0.01)
    assert seen == [("visible", 7)] * 3
    cameras.close()
