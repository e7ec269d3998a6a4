"""Messages pass through rcl, below rclpy, unchanged; without it through rclpy."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import deserialize_message, serialize_message
from rig import TIMEOUT
from sensor_msgs.msg import Image

from lut_fuse_ros.middleware import serialized
from lut_fuse_ros.middleware.callback_groups import Unattended
from lut_fuse_ros.middleware.serialized import KEPT, Messages, RclError, send

SIZES = (1, 700, 100_000, 3, 700)


@pytest.fixture(params=["rcl", "rclpy"])
def node(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    assert serialized.RCL is not None
    if request.param == "rclpy":
        monkeypatch.setattr(serialized, "RCL", None)
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("serialized", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


class Channel:
    """A publisher and the subscription that it found."""

    def __init__(self, node: Any) -> None:
        self.subscription = node.create_subscription(
            Image, "images", lambda _: None, 10, callback_group=Unattended(), raw=True
        )
        self.messages = Messages(self.subscription)
        self.publisher = node.create_publisher(Image, "images", 10)
        until(lambda: self.publisher.get_subscription_count() == 1)

    def pass_through(self, message: np.ndarray) -> tuple[np.ndarray, int]:
        send(self.publisher, message)
        received, sent = until(self.messages.take)
        if isinstance(received, Image):  # all that this middleware has
            received = np.frombuffer(serialize_message(received), np.uint8)
        return received, sent


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + TIMEOUT
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.001)
    return found


def message(size: int) -> np.ndarray:
    """A serialized image with so many bytes of data."""
    image = Image(data=np.random.default_rng(size).bytes(size))
    return np.frombuffer(serialize_message(image), np.uint8)


def content(message: np.ndarray) -> Image:
    """Not the bytes: what lies between the fields and behind them may change on the way."""
    return deserialize_message(message.tobytes(), Image)


def test_messages_of_all_sizes_come_as_they_were_sent(node: Any) -> None:
    channel = Channel(node)
    assert channel.messages.take() is None
    sent = [message(size) for size in SIZES]
    received = [channel.pass_through(each)[0] for each in sent]
    for one, other in zip(sent, received, strict=True):
        assert content(one) == content(other)


def test_the_sender_tells_when_it_sent_them(node: Any) -> None:
    before = time.time_ns()
    _, sent = Channel(node).pass_through(message(5))
    assert before <= sent <= time.time_ns()


@pytest.mark.parametrize("node", ["rcl"], indirect=True)
def test_what_cannot_be_taken_serialized_comes_as_rclpy_has_it(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serialized, "TYPED_TOO", True)
    channel = Channel(node)
    monkeypatch.setattr(channel.messages, "_by_rcl", lambda _: None)
    channel.publisher.publish(content(message(9)))
    received, sent = until(channel.messages.take)
    assert received == content(message(9))
    assert sent > 0


@pytest.mark.skipif(serialized.TYPED_TOO, reason="not by this middleware")
@pytest.mark.parametrize("node", ["rcl"], indirect=True)
def test_memory_serves_again_once_nobody_looks_at_it(node: Any) -> None:
    channel = Channel(node)
    held = [channel.pass_through(message(1000))[0] for _ in range(2 * KEPT)]
    places = {array.ctypes.data for array in held}
    assert len(places) == 2 * KEPT
    view = held[0][10:20]
    expected = view.copy()
    del held
    gc.collect()
    later = [channel.pass_through(message(1001 + i))[0] for i in range(KEPT)]
    assert {array.ctypes.data for array in later} <= places - {view.ctypes.data - 10}
    assert np.array_equal(view, expected)


@pytest.mark.parametrize("node", ["rcl"], indirect=True)
def test_what_rcl_refuses_is_an_error_that_says_why(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel(node)
    rcl = serialized.RCL
    assert rcl is not None
    take, publish = rcl.take, rcl.publish
    monkeypatch.setattr(rcl, "take", lambda _, *rest: take(None, *rest))
    monkeypatch.setattr(rcl, "publish", lambda _, *rest: publish(None, *rest))
    with pytest.raises(RclError, match=r"a message cannot be taken: .*\(rcl returned 400\)"):
        channel.messages.take()
    with pytest.raises(RclError, match=r"a message cannot be published: .*\(rcl returned 300\)"):
        send(channel.publisher, message(5))


def test_an_inactive_publisher_sends_nothing(node: Any) -> None:
    other = LifecycleNode("inactive", context=node.context)
    channel = Channel(node)
    publisher = other.create_lifecycle_publisher(Image, "images", 10)
    until(lambda: publisher.get_subscription_count() == 1)
    send(publisher, message(7))
    sent = message(8)
    received, _ = channel.pass_through(sent)
    assert content(received) == content(sent)
    other.destroy_node()
