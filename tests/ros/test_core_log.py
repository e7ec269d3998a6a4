"""What the core logs reaches the operator through the node's log."""

import gc
import logging
from typing import ClassVar

import pytest
import rclpy
import rclpy.lifecycle
import rclpy.logging

from lut_fuse_core.errors import InputError
from lut_fuse_ros.fusion_node import FusionNode
from lut_fuse_ros.middleware.core_log import CoreLog

CORE = logging.getLogger("lut_fuse_core")
ENGINE = logging.getLogger("lut_fuse_core.backends.gpu.tensorrt_engine")
CHOICE = logging.getLogger("lut_fuse_core.backends.registry")
# Loggers made after launch was imported, as here but not in a node, keep records to themselves.
ENGINE.propagate = CHOICE.propagate = True


@pytest.fixture
def make_node():
    rclpy.init()
    nodes = []

    def make(namespace: str = "/") -> FusionNode:
        nodes.append(FusionNode(namespace=namespace))
        return nodes[-1]

    yield make
    while nodes:
        nodes.pop().destroy_node()
    rclpy.shutdown()
    # A node that was configured is out of the collector's reach, and would haunt other tests.
    gc.unfreeze()
    gc.collect()


def lines(captured) -> list[str]:
    return (captured.out + captured.err).splitlines()


def test_records_keep_their_severity(make_node, capfd):
    make_node()
    for _ in range(2):  # rclpy refuses a second severity from the same place
        for level in ("info", "warning", "error", "critical"):
            getattr(ENGINE, level)("%d %% of an engine, %s", 50, level)
    found = [line for line in lines(capfd.readouterr()) if "of an engine" in line]
    severities = [("INFO", "info"), ("WARN", "warning"), ("ERROR", "error"), ("FATAL", "critical")]
    for line, (severity, word) in zip(found, severities * 2, strict=True):
        assert line.startswith(f"[{severity}]")
        assert line.endswith(f"[fusion_node]: 50 % of an engine, {word}")


def test_the_ros_log_level_decides_about_details(make_node, capfd):
    node = make_node()
    ENGINE.debug("hidden")
    node.get_logger().set_level(rclpy.logging.LoggingSeverity.DEBUG)
    ENGINE.debug("shown")
    node.get_logger().set_level(rclpy.logging.LoggingSeverity.INFO)
    text = "\n".join(lines(capfd.readouterr()))
    assert "[fusion_node]: shown" in text
    assert "hidden" not in text


def test_a_traceback_comes_along(make_node, capfd):
    make_node()
    try:
        raise OSError("no room")
    except OSError:
        ENGINE.exception("the engine is not kept")
    text = "\n".join(lines(capfd.readouterr()))
    assert "the engine is not kept" in text
    assert "OSError: no room" in text


def test_the_choice_of_the_backend_is_in_the_log(make_node, capfd):
    node = make_node()
    assert node.trigger_configure() == rclpy.lifecycle.TransitionCallbackReturn.SUCCESS
    backend = node.session.configured.pipeline.fuser.backend.name
    assert f"[fusion_node]: '{backend}' is taken" in "\n".join(lines(capfd.readouterr()))


def test_a_node_that_is_destroyed_hears_no_more_and_others_go_on(make_node, capfd):
    first, second = make_node("/first"), make_node("/second")
    first.destroy_node()
    ENGINE.info("still building")
    (line,) = (line for line in lines(capfd.readouterr()) if "still building" in line)
    assert "[second.fusion_node]" in line
    second.destroy_node()
    assert not any(isinstance(handler, CoreLog) for handler in CORE.handlers)
    assert CORE.level == logging.NOTSET


class Made(FusionNode):
    """A node that is known even if its making failed, as rclpy's context knows it since Kilted."""

    nodes: ClassVar[list[FusionNode]] = []

    def __new__(cls, **_):
        cls.nodes.append(super().__new__(cls))
        return cls.nodes[-1]


def test_a_node_that_was_refused_can_be_destroyed():
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", "-p", "strength:=2.0"], context=context)
    try:
        with pytest.raises(InputError, match="'strength' is 2"):
            Made(context=context)
        Made.nodes.pop().destroy_node()
    finally:
        context.try_shutdown()
        gc.collect()
