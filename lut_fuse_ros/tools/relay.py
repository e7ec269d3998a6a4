"""A node that publishes the visible images unchanged: what rclpy and the middleware cost alone."""

from __future__ import annotations

import os
import signal
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Image

from lut_fuse_ros.middleware import topics
from lut_fuse_ros.middleware.cyclonedds import room_for_images
from lut_fuse_ros.middleware.qos import profile

RELAYED = "relayed/image"


class Relay(Node):  # type: ignore[misc]
    """Takes each visible image and publishes it."""

    def __init__(self) -> None:
        super().__init__("relay")
        qos = profile(self.declare_parameter("qos", "sensor_data").value, 5)
        self._images = self.create_publisher(Image, RELAYED, qos)
        self.create_subscription(Image, topics.INPUTS["visible"], self._images.publish, qos)


def main() -> int:
    """Relay until interrupted. Returns the exit status."""
    os.environ.update(room_for_images())
    rclpy.init()
    try:
        rclpy.spin(Relay())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        # What an interrupt breaks off in rclpy surfaces as all kinds of errors.
        if rclpy.ok():
            raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
