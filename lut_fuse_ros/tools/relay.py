"""A node that publishes the visible images unchanged: what rclpy and the middleware cost alone."""

from __future__ import annotations

import sys

from rclpy.node import Node
from sensor_msgs.msg import Image

from lut_fuse_ros.middleware import topics
from lut_fuse_ros.middleware.qos import profile
from lut_fuse_ros.tools.spinning import spin_until_interrupted

RELAYED = "relayed/image"


class Relay(Node):  # type: ignore[misc]
    """Takes each visible image and publishes it."""

    def __init__(self) -> None:
        super().__init__("relay")
        qos = profile(self.declare_parameter("qos", "sensor_data").value, 5)
        self._images = self.create_publisher(Image, RELAYED, qos)
        self.create_subscription(Image, topics.INPUTS["visible"], self._images.publish, qos)


def main() -> int:
    """Relay until interrupted.

    Returns:
        The exit status.
    """
    return spin_until_interrupted("relay", Relay)


if __name__ == "__main__":
    sys.exit(main())
