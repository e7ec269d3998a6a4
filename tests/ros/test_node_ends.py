"""The threads of a node begin once it may send, and end with it, whoever destroys it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
import rclpy

from lut_fuse_ros import session
from lut_fuse_ros.fusion_node import FusionNode, Result

THREADS = {"images", "fusion"}


@pytest.fixture
def node() -> Iterator[FusionNode]:
    context = rclpy.Context()
    rclpy.init(context=context, args=["--ros-args", "-p", "backend:=cpu"])
    node = FusionNode(context=context)
    assert node.trigger_configure() == Result.SUCCESS
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)
    # A node that was configured is out of the collector's reach, and would haunt other tests.
    gc.unfreeze()
    gc.collect()


def running() -> set[str]:
    return {each.name for each in threading.enumerate()} & THREADS


def test_a_node_that_is_destroyed_while_active_leaves_no_thread(node: FusionNode) -> None:
    assert node.trigger_activate() == Result.SUCCESS
    assert running() == THREADS
    node.destroy_node()
    assert not running()


def test_images_are_taken_only_once_the_publishers_send(
    node: FusionNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what a latched image becomes, which comes once and at once, goes nowhere."""
    start = session.Inputs.start
    sending: list[bool] = []

    def noted(inputs: session.Inputs) -> None:
        publishers = [each for each in node.publishers if hasattr(each, "is_activated")]
        assert len(publishers) >= 3
        sending.extend(each.is_activated for each in publishers)
        start(inputs)

    monkeypatch.setattr(session.Inputs, "start", noted)
    assert node.trigger_activate() == Result.SUCCESS
    assert sending
    assert all(sending)


def test_a_thread_that_cannot_be_started_fails_the_activation_and_leaves_none(
    node: FusionNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: session.Inputs) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(session.Inputs, "start", refused)
    assert node.trigger_activate() != Result.SUCCESS
    assert "can't start new thread" in node.session.problem
    assert not running()
