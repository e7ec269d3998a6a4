"""Images are passed on as they come, that of the other camera right behind."""

from __future__ import annotations

from typing import Any

import pytest
from builtin_interfaces.msg import Time
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

    def take_message(self, kind: type, raw: bool) -> tuple[Image, None] | None:
        return (self.waiting.pop(0), None) if self.waiting else None


class Node:
    def __init__(self) -> None:
        self.subscriptions: dict[str, list[Subscription]] = {}

    def resolve_topic_name(self, name: str) -> str:
        return name

    def get_publishers_info_by_topic(self, name: str) -> list[Any]:
        return []


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(inputs, "Subscriber", Subscription)
    return Node()


@pytest.fixture
def seen(node: Node) -> list[tuple[str, int]]:
    """The images that were passed on: camera and second of the stamp."""
    passed_on: list[tuple[str, int]] = []
    Inputs(
        node,
        NodeParameters(),
        lambda side, message: passed_on.append((side, message.header.stamp.sec)),
    )
    return passed_on


def image(second: int) -> Image:
    return Image(header=Header(stamp=Time(sec=second)))


@pytest.mark.parametrize(("first", "second"), [("visible", "infrared"), ("infrared", "visible")])
def test_what_the_other_camera_has_sent_follows_at_once(
    node: Node, seen: list[tuple[str, int]], first: str, second: str
) -> None:
    node.subscriptions[second][0].waiting.append(image(7))
    node.subscriptions[first][0].deliver(image(7))
    assert seen == [(first, 7), (second, 7)]


def test_nothing_follows_while_the_other_camera_has_sent_nothing(
    node: Node, seen: list[tuple[str, int]]
) -> None:
    for second in (7, 8):
        node.subscriptions["visible"][0].deliver(image(second))
    assert seen == [("visible", 7), ("visible", 8)]


def test_only_one_image_follows_so_that_neither_camera_keeps_the_other_waiting(
    node: Node, seen: list[tuple[str, int]]
) -> None:
    node.subscriptions["infrared"][0].waiting += [image(6), image(7)]
    node.subscriptions["visible"][0].deliver(image(7))
    assert seen == [("visible", 7), ("infrared", 6)]
