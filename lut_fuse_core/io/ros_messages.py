"""ROS image messages to arrays and back, without ROS: any object with the right fields will do.

Both rclpy's and rosbags' `sensor_msgs/Image` satisfy `ImageMessage`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.compressed_messages import (
    CompressedImageMessage,
    decompress,
    infrared_samples,
)
from lut_fuse_core.io.image_encodings import LAYOUTS, ImageMessage, samples_of, to_gray, to_rgb
from lut_fuse_core.io.png import encode_png
from lut_fuse_core.libraries.opencv import cv2

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
    "infrared_pixels",
    "is_compressed",
    "visible_pixels",
]


def visible_pixels(message: Any) -> UInt8Array:
    """The color image in a message, raw or compressed.

    Args:
        message: `ImageMessage` or `CompressedImageMessage`.

    Returns:
        ``(H, W, 3) uint8``, RGB; see `decode_visible`.

    Raises:
        InputError: For a message that cannot be used.
    """
    if is_compressed(message):
        return decode_compressed_visible(message)
    return decode_visible(message)


def infrared_pixels(message: Any) -> AnyInfrared:
    """The raw infrared image in a message, raw or compressed.

    Args:
        message: `ImageMessage` or `CompressedImageMessage`.

    Returns:
        ``(H, W)`` uint8, uint16, int16 or float32; see `decode_infrared`.

    Raises:
        InputError: For a message that cannot be used.
    """
    if is_compressed(message):
        return decode_compressed_infrared(message)
    return decode_infrared(message)


def is_compressed(message: Any) -> bool:
    """Whether a message is a `CompressedImageMessage`, not an `ImageMessage`."""
    return hasattr(message, "format")


def decode_visible(message: ImageMessage) -> UInt8Array:
    """The color image in a message.

    Gray fills all three channels; 16-bit samples keep their upper 8 bits; of floating point 0 to 1
    becomes 0 to 255.

    Args:
        message: The image.

    Returns:
        ``(H, W, 3) uint8``, RGB; for rgb8 a view of ``message.data``.

    Raises:
        InputError: For an encoding that holds no color, or a size or step that does not fit the
            data.
    """
    return to_rgb(*samples_of(message))


def decode_infrared(message: ImageMessage) -> AnyInfrared:
    """The raw infrared image in a message.

    Of 8-bit colors the intensities are recovered, of deeper ones the luma is taken; of YUV the Y
    samples are taken as they are, and so is a Bayer mosaic.

    Args:
        message: The image.

    Returns:
        ``(H, W)`` uint8, uint16, int16 or float32; for gray and YUV of these types, but nv24, a
        view of ``message.data`` if its byte order is that of this machine.

    Raises:
        InputError: For two channels, 8-bit colors of no known palette, or a size or step that does
            not fit the data.
    """
    return to_gray(*samples_of(message))


def decode_compressed_visible(message: CompressedImageMessage) -> UInt8Array:
    """The color image in a compressed message.

    Args:
        message: The compressed image.

    Returns:
        ``(H, W, 3) uint8``, RGB; see `decode_visible`.

    Raises:
        InputError: For a damaged image, or one that holds no color.
    """
    return to_rgb(*decompress(message))


def decode_compressed_infrared(message: CompressedImageMessage) -> AnyInfrared:
    """The raw infrared image in a compressed message.

    Args:
        message: The compressed image.

    Returns:
        ``(H, W)`` uint8, uint16, int16 or float32; see `infrared_samples`.

    Raises:
        InputError: For a damaged image, one whose encoder has lost what the camera saw, or colors
            of no known palette.
    """
    return infrared_samples(message)


def image_fields(image: UInt8Array, encoding: Literal["rgb8", "bgr8"]) -> dict[str, Any]:
    """The fields of `sensor_msgs/msg/Image` for an image, except the header.

    Args:
        image: ``(H, W, 3) uint8``, RGB.
        encoding: Encoding of the message.

    Returns:
        Values by field; ``data`` is ``(H * W * 3,) uint8``, for rgb8 a view of a contiguous
        ``image``.

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
    """The fields of `sensor_msgs/msg/CompressedImage` for an image, except the header.

    Args:
        image: ``(H, W, 3) uint8``, RGB.
        codec: Codec of the message.
        quality: Quality of JPEG, 1 to 100; not used for PNG.

    Returns:
        Values by field: ``format`` as image_transport writes it, ``data`` as ``(N,) uint8``.

    Raises:
        InputError: For another codec.
    """
    if codec not in ("jpeg", "png"):
        raise InputError(f"compression '{codec}' is not jpeg or png")
    if codec == "png":
        data = np.frombuffer(encode_png(image), np.uint8)
    else:
        settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
        encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)[1]
        data = encoded.reshape(-1).astype(np.uint8, copy=False)
    return {"format": f"rgb8; {codec} compressed bgr8", "data": data}
