"""The publishers of the fused image; nothing is converted or compressed that nobody wants."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.io.image_header import encoded_size
from lut_fuse_core.io.ros_messages import compressed_fields, image_fields, is_compressed
from lut_fuse_ros.frames.camera_info import fitted, misfit
from lut_fuse_ros.middleware import topics
from lut_fuse_ros.middleware.image_messages import image_prefix
from lut_fuse_ros.middleware.publisher import Publisher
from lut_fuse_ros.parameters.node_parameters import NodeParameters

PREFIX = 512
"""Bytes in front of the pixels for the other fields of the message."""


class Output:
    """Publishes images with the header of the visible image they stem from.

    The fused image is drawn where it is sent from, behind the place for the other fields of its
    message (`canvas`).

    Args:
        node: That publishes.
        parameters: Of the node.

    Attributes:
        camera_info: Of the visible camera, as last received.
        misfit: Why it is not published; empty if it is.
        refresh_info: Called before it is published.
    """

    def __init__(self, node: LifecycleNode, parameters: NodeParameters) -> None:
        self.parameters = parameters
        self._message: UInt8Array = np.empty(0, np.uint8)
        compressed = topics.compressed(node, topics.FUSED)
        settings = parameters.output
        self._image = Publisher(node, Image, topics.FUSED, settings)
        self._compressed = Publisher(node, CompressedImage, compressed, settings)
        self._info = Publisher(node, CameraInfo, topics.FUSED_INFO, settings)
        self._publishers = (self._image, self._compressed, self._info)
        self._send_image = self._send_compressed = False
        self.camera_info: CameraInfo | None = None
        self.misfit = ""
        self.refresh_info: Callable[[], object] = _nothing

    def close(self) -> None:
        """Take the topics down."""
        for publisher in self._publishers:
            publisher.close()

    @property
    def topics(self) -> list[str]:
        """Whole names of what is published."""
        return [publisher.topic for publisher in self._publishers]

    @property
    def wanted(self) -> bool:
        """Whether anybody subscribes to the fused image, raw or compressed."""
        return self._image.wanted or self._compressed.wanted

    def has_readers(self) -> bool:
        """Whether anybody subscribes now, for the next `publish`, which asks no more."""
        self._send_image, self._send_compressed = self._image.wanted, self._compressed.wanted
        return self._send_image or self._send_compressed

    def look(self) -> None:
        """See what subscribers ask for by now, and offer that; call it once in a while."""
        for publisher in self._publishers:
            publisher.look()

    def canvas(self, shape: tuple[int, ...]) -> UInt8Array:
        """Where to draw the next image: ``shape`` uint8, within the message that is sent."""
        size = PREFIX + math.prod(shape)
        if len(self._message) != size:
            self._message = np.empty(size, np.uint8)
        return self._message[PREFIX:].reshape(shape)

    def publish(self, message: Any, image: UInt8Array) -> None:
        """Send a fused image to those who wanted one in `has_readers`, and the camera_info.

        Args:
            message: The visible one that it stems from; its header is taken over.
            image: ``(H, W, 3) uint8``, RGB.
        """
        parameters, header = self.parameters, message.header
        if self._send_compressed:
            codec = parameters.output.compression
            fields = compressed_fields(image, codec, parameters.output.jpeg_quality)
            data = array("B")
            data.frombytes(fields.pop("data").data)
            self._compressed.publish(CompressedImage(header=header, data=data, **fields))
        if self._send_image:
            self._image.send(self._serialized(header, image))
        self._publish_info(header, image.shape[1], image.shape[0])

    def _serialized(self, header: Any, image: UInt8Array) -> UInt8Array:
        """A fused image as the message that is sent."""
        encoding = self.parameters.output.encoding
        samples = image_fields(image, encoding)["data"]
        canvas = self.canvas(samples.shape)
        if not np.may_share_memory(canvas, samples):
            np.copyto(canvas, samples)
        height, width = image.shape[:2]
        prefix = np.frombuffer(image_prefix(header, height, width, encoding, 3 * width), np.uint8)
        if len(prefix) > PREFIX:  # the frame has a long name
            return np.concatenate([prefix, canvas])
        self._message[PREFIX - len(prefix) : PREFIX] = prefix
        return self._message[PREFIX - len(prefix) :]

    def publish_info(self, message: Any) -> None:
        """Send the camera_info alone, as a camera does whether or not its images are wanted."""
        if not is_compressed(message):
            self._publish_info(message.header, message.width, message.height)
            return
        size = encoded_size(np.frombuffer(message.data, np.uint8)) if len(message.data) else None
        if size is not None:
            self._publish_info(message.header, *size)

    def _publish_info(self, header: Any, width: int, height: int) -> None:
        self.refresh_info()
        if self.camera_info is None:
            return
        self.misfit = misfit(self.camera_info, width, height)
        fitting = fitted(self.camera_info, width, height)
        if fitting is not None:
            # A copy: the message as it came in also tells the registration the camera's frame.
            info = copy(fitting)
            info.header = header
            self._info.publish(info)


def _nothing() -> None:
    """What is done before a camera_info while no camera is subscribed to."""
