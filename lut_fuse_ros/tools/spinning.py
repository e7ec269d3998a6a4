"""The life of a tool's node as a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from lut_fuse_ros.interrupts import ignore_interrupts
from lut_fuse_ros.middleware.large_images import room_for_images


def spin_until_interrupted(
    name: str, make: Callable[[], Node], arguments: list[str] | None = None
) -> int:
    """Make a node and spin it until SIGINT or SIGTERM.

    Args:
        name: Of the tool, in front of what it says on stderr.
        make: Makes the node, once rclpy is initialized.
        arguments: Of ROS; None for those of the process.

    Returns:
        The exit status: 0, or 2 for parameters that the node refuses.
    """
    os.environ.update(room_for_images())
    rclpy.init(args=arguments)
    try:
        rclpy.spin(make())
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        # On Humble an interrupt in the middle of publishing surfaces as an error of rcl.
        if rclpy.ok():
            raise
    finally:
        ignore_interrupts()  # a second one must not break off the shutdown
        rclpy.try_shutdown()
    return 0
