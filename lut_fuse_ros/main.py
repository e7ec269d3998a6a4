"""The process of the fusion node: from its first millisecond to its exit status."""

from __future__ import annotations

import os
import signal
import sys

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from lut_fuse_core.errors import InputError
from lut_fuse_ros.fusion_node import FusionNode
from lut_fuse_ros.middleware.cyclonedds import room_for_images
from lut_fuse_ros.registration.live_calibration import estimating

SWITCH_INTERVAL = 0.001
"""Seconds for which callbacks and worker may keep the interpreter from each other; Python's own
5 ms would be a good part of a frame's latency."""


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


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is interrupted. Returns the exit status: 2 for bad parameters."""
    os.environ.update(room_for_images())
    # Before rclpy, whose own handlers end its part and then call these.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        rclpy.init(args=arguments)
    except KeyboardInterrupt:
        return 0
    except Exception as error:
        print(f"fusion_node: {error}", file=sys.stderr)
        return 2
    node: FusionNode | None = None
    try:
        sys.setswitchinterval(SWITCH_INTERVAL)
        node = FusionNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        _spin(executor, node)
    except InputError as error:
        print(f"fusion_node: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        # What an interrupt breaks off while the node is made surfaces as all kinds of errors.
        if rclpy.ok():
            raise
    finally:
        # A launch file and a terminal both interrupt; the second must not break off the clean-up.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    if estimating():
        # Python's own end would tear its thread out of OpenCV, which aborts the process.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
