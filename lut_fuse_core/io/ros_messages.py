"""ROS image messages to arrays and back, without ROS: any object with the right fields will do.

Both rclpy's and rosbags' `sensor_msgs/Image` satisfy `ImageMessage`.
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.compressed_messages import (
    CompressedImageMessage,
    decompress,
    infrared_samples,
)
from lut_fuse_core.io.image_encodings import LAYOUTS, ImageMessage, samples_of, to_gray, to_rgb

__all__ = [
    "LAYOUTS",
    "CompressedImageMessage",
    "ImageMessage",
    "compressed_fields",
    "decode_compressed_infrared",
    "decode_compressed_visible",
    "decode_infrared",
    "decode_visible",
    "image_fields",
]


def visible_pixels(message: Any) -> UInt8Array:
    """The color image in a message, raw or compressed.

    Args:
        message: `ImageMessage` or `CompressedImageMessage`.

    Returns:
        See `decode_visible`.

    Raises:
        InputError: For one that cannot be used.
    """
    if is_compressed(message):
        return decode_compressed_visible(message)
    return decode_visible(message)


def infrared_pixels(message: Any) -> RawInfrared:
    """The raw infrared image in a message, raw or compressed; see `visible_pixels`."""
    if is_compressed(message):
        return decode_compressed_infrared(message)
    return decode_infrared(message)


def is_compressed(message: Any) -> bool:
    """Whether a message is a `CompressedImageMessage`, not an `ImageMessage`."""
    return hasattr(message, "format")


def decode_visible(message: ImageMessage) -> UInt8Array:
    """The color image in a message.

    Gray is spread over the three channels; 16-bit samples keep their upper 8 bits, of floating
    point 0 to 1 becomes 0 to 255.
    Returns ``(H, W, 3) uint8``, RGB; for rgb8 a view of ``message.data``.

    Raises:
        InputError: For an encoding, size or step that does not fit the data.
    """
    return to_rgb(*samples_of(message))


def decode_infrared(message: ImageMessage) -> RawInfrared:
    """The raw infrared image in a message.

    Color becomes its luma; of YUV the Y samples are taken as they are, and so is a Bayer mosaic.
    Returns ``(H, W)`` uint8, uint16, int16 or float32 as they were sent; for gray and YUV a view
    of ``message.data`` if its byte order is ours.

    Raises:
        InputError: For an encoding, size or step that does not fit the data.
    """
    return to_gray(*samples_of(message))


def decode_compressed_visible(message: CompressedImageMessage) -> UInt8Array:
    """The color image in a compressed message. See `decode_visible` and `decompress`."""
    return to_rgb(*decompress(message))


def decode_compressed_infrared(message: CompressedImageMessage) -> RawInfrared:
    """The raw infrared image in a compressed message. See `decode_infrared` and `decompress`."""
    return infrared_samples(message)


def image_fields(image: UInt8Array, encoding: Literal["rgb8", "bgr8"]) -> dict[str, Any]:
    """The fields of `sensor_msgs/msg/Image` for an image, but for its header.

    Args:
        image: ``(H, W, 3) uint8``, RGB. ``data`` is ``(H * W * 3,) uint8``, a view of ``image`` for
            rgb8.
        encoding: Of the message.

    Raises:
        InputError: For another encoding.
    """
    if encoding not in ("rgb8", "bgr8"):
        raise InputError(f"output encoding '{encoding}' is not rgb8 or bgr8")
    height, width = image.shape[:2]
    samples = image if encoding == "rgb8" else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return {
        "height": height,
        "width": width,
        "encoding": encoding,
        "is_bigendian": 0,
        "step": 3 * width,
        "data": np.ascontiguousarray(samples).reshape(-1),
    }


def compressed_fields(
    image: UInt8Array, codec: Literal["jpeg", "png"] = "jpeg", quality: int = 95
) -> dict[str, Any]:
    """The fields of `sensor_msgs/msg/CompressedImage` for an image, but for its header.

    Args:
        image: ``(H, W, 3) uint8``, RGB.
        codec: Of the message.
        quality: Of JPEG, 1 to 100. ``data`` is ``(N,) uint8``. ``format`` is what image_transport
            writes.

    Raises:
        InputError: For another codec.
    """
    if codec not in ("jpeg", "png"):
        raise InputError(f"compression '{codec}' is not jpeg or png")
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if codec == "jpeg" else []
    suffix = ".jpg" if codec == "jpeg" else ".png"
    _, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    return {"format": f"rgb8; {codec} compressed bgr8", "data": data.reshape(-1)}
