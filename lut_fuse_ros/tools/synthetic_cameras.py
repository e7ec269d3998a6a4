"""Two cameras that see a synthetic street: `ros2 run lut_fuse_ros synthetic_cameras`.

For the demo and the benchmark: any ROS machine can show the node at work without a camera.
"""

from __future__ import annotations

import sys
from array import array
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from tqdm import tqdm

from lut_fuse_core.synthetic import SceneConfig, SceneFrame, StreetScene
from lut_fuse_core.synthetic.camera_info import camera_info_fields
from lut_fuse_ros.middleware.qos import profile
from lut_fuse_ros.tools.spinning import spin_until_interrupted


class SyntheticCameras(Node):  # type: ignore[misc]
    """Plays a scene forwards and backwards, both cameras with equal stamps.

    The frames are rendered once, at the start, so that playing costs next to nothing.
    """

    def __init__(self) -> None:
        super().__init__("synthetic_cameras")
        width = self._whole_number("width", 640, "Width in pixels.", 16, 4096)
        height = self._whole_number("height", 480, "Height in pixels.", 16, 4096)
        count = self._whole_number("frames", 60, "Frames rendered before they repeat.", 1, 10000)
        rate = self._rate()
        day = self.declare_parameter("day", False, _described("Daylight instead of night.")).value
        reliable = self.declare_parameter(
            "reliable", False, _described("Publish reliably instead of best effort.")
        ).value
        scene = StreetScene(SceneConfig(width=width, height=height, rate=rate, day=day))
        bar = tqdm(range(count), "rendering the street", unit="frame", disable=None)
        frames = [_messages(scene.frame(index)) for index in bar]
        self._frames = frames + frames[-2:0:-1]
        self._next = 0
        qos = profile("reliable" if reliable else "sensor_data", 5)
        self._publishers_of = {
            side: (
                self.create_publisher(Image, f"{side}/image_raw", qos),
                self.create_publisher(CameraInfo, f"{side}/camera_info", 100),
            )
            for side in ("visible", "infrared")
        }
        self._info = CameraInfo(**camera_info_fields(width, height))
        self.create_timer(1 / rate, self._publish)
        self.get_logger().info(f"playing {count} frames of {width}x{height} at {rate:g} Hz")

    def _publish(self) -> None:
        stamp: Time = self.get_clock().now().to_msg()
        pair = self._frames[self._next % len(self._frames)]
        self._next += 1
        for (side, (images, infos)), image in zip(self._publishers_of.items(), pair, strict=True):
            image.header.stamp = stamp
            image.header.frame_id = f"{side}_optical_frame"
            self._info.header = image.header
            images.publish(image)
            infos.publish(self._info)

    def _whole_number(self, name: str, default: int, text: str, low: int, high: int) -> int:
        described = _described(text)
        described.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        return int(self.declare_parameter(name, default, described).value)

    def _rate(self) -> float:
        described = _described("Pairs per second.")
        described.floating_point_range = [FloatingPointRange(from_value=0.1, to_value=240.0)]
        return float(self.declare_parameter("rate", 30.0, described).value)


def _described(text: str) -> Any:
    return ParameterDescriptor(description=text, read_only=True)


def _messages(frame: SceneFrame) -> tuple[Image, Image]:
    return _image(frame.visible, "rgb8"), _image(frame.infrared, "mono16")


def _image(pixels: Any, encoding: str) -> Image:
    """A message of ``(H, W, ...)`` native samples."""
    data = array("B")
    data.frombytes(np.ascontiguousarray(pixels).tobytes())
    return Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels.strides[0],
        data=data,
    )


def main(arguments: list[str] | None = None) -> int:
    """Play until interrupted.

    Returns:
        The exit status.
    """
    return spin_until_interrupted("synthetic_cameras", SyntheticCameras, arguments)


if __name__ == "__main__":
    sys.exit(main())
