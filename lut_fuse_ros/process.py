"""The process of the fusion node, from `rclpy.init` to its exit status."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from lut_fuse_core.errors import InputError
from lut_fuse_core.parallel.heap import one_heap
from lut_fuse_ros.fusion_node import FusionNode
from lut_fuse_ros.interrupts import INTERRUPTED, SIGNALS
from lut_fuse_ros.middleware.large_images import room_for_images
from lut_fuse_ros.registration.live_calibration import estimating

SWITCH_INTERVAL = 0.001
"""Seconds for which callbacks and worker may keep the interpreter from each other; Python's own
5 ms would be a good part of a frame's latency."""

GRACE = 5.0
"""Seconds after an interrupt in which the node may end by itself: a model that is loaded, a GPU
engine that is built, a frame under way."""


class Interrupt:
    """Notes interrupts; never raises, so that nothing breaks off in the middle of a C callback.

    rclpy's own handler, which calls this one, ends the executor.
    """

    def __init__(self) -> None:
        self.came = False
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, *_: Any) -> None:
        if self.came:
            return
        self.came = True
        sys.unraisablehook = _say_nothing
        timer = threading.Timer(GRACE, os._exit, [INTERRUPTED])
        timer.daemon = True
        timer.start()


def _say_nothing(_: object) -> None:
    """Of what an interrupt left half made: rclpy's objects complain of that when they are freed."""


def run(arguments: list[str] | None) -> int:
    """Run the node until it is interrupted.

    Returns:
        The exit status: 2 for bad parameters.
    """
    try:
        return _run(arguments)
    finally:
        # What refers to each other, and was frozen while the node started, goes now, and the
        # middleware's threads with it: the end of the process would take their code away.
        gc.unfreeze()
        gc.collect()


def _run(arguments: list[str] | None) -> int:
    one_heap()
    os.environ.update(room_for_images())
    interrupt = Interrupt()
    try:
        rclpy.init(args=arguments)
    except Exception as error:
        print(f"fusion_node: {error}", file=sys.stderr)
        return 2
    node: FusionNode | None = None
    try:
        sys.setswitchinterval(SWITCH_INTERVAL)
        if interrupt.came:  # before rclpy could notice
            return INTERRUPTED
        node = FusionNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        _spin(executor, node)
    except InputError as error:
        print(f"fusion_node: {error}", file=sys.stderr)
        return 2
    except Exception:
        # What an interrupt breaks off while the node is made surfaces as all kinds of errors.
        if rclpy.ok() and not interrupt.came:
            raise
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    _leave_if_estimating()
    return 0


def _spin(executor: SingleThreadedExecutor, node: FusionNode) -> None:
    """Spin until shutdown, whatever comes."""
    while rclpy.ok():
        try:
            executor.spin()
        except ExternalShutdownException:
            return
        except Exception as error:
            # rclpy lets an exception from taking a message or from any callback end the process.
            if rclpy.ok():
                node.broken(error)


def _leave_if_estimating() -> None:
    """Python's own end would tear a calibration's thread out of OpenCV, which aborts."""
    if estimating():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
