"""ROS image messages to arrays and back, without ROS: any object with the right fields will do.

Both rclpy's and rosbags' `sensor_msgs/Image` satisfy `ImageMessage`. What arrives in the order we
need is returned as a view of the message's own data (read-only if that is); nothing else is copied
more than once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_header import encoded_size, is_whole

MAX_SIDE = 32767
"""Longest side in pixels of an image that is believed; OpenCV's remapping has the same limit."""

MAX_PIXELS = 1 << 27
"""Most pixels of an image that is believed (134 megapixels)."""

AnyArray = npt.NDArray[Any]


class ImageMessage(Protocol):
    """The fields of `sensor_msgs/msg/Image` that say what its ``data`` means."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImageMessage(Protocol):
    """The fields of `sensor_msgs/msg/CompressedImage`."""

    format: str
    data: Any


@dataclass(frozen=True)
class Layout:
    """Pixels of one encoding: their sample type, samples per pixel and the order of these."""

    dtype: type[np.uint8] | type[np.uint16]
    channels: int
    order: str


LAYOUTS: dict[str, Layout] = {
    "rgb8": Layout(np.uint8, 3, "rgb"),
    "bgr8": Layout(np.uint8, 3, "bgr"),
    "rgba8": Layout(np.uint8, 4, "rgba"),
    "bgra8": Layout(np.uint8, 4, "bgra"),
    "rgb16": Layout(np.uint16, 3, "rgb"),
    "bgr16": Layout(np.uint16, 3, "bgr"),
    "mono8": Layout(np.uint8, 1, "gray"),
    "mono16": Layout(np.uint16, 1, "gray"),
    "8UC1": Layout(np.uint8, 1, "gray"),
    "8UC3": Layout(np.uint8, 3, "bgr"),
    "8UC4": Layout(np.uint8, 4, "bgra"),
    "16UC1": Layout(np.uint16, 1, "gray"),
    "uyvy": Layout(np.uint8, 2, "uyvy"),
    "yuyv": Layout(np.uint8, 2, "yuyv"),
    "yuv422": Layout(np.uint8, 2, "uyvy"),
    "yuv422_yuy2": Layout(np.uint8, 2, "yuyv"),
} | {
    f"bayer_{pattern}{bits}": Layout(dtype, 1, f"bayer_{pattern}")
    for pattern in ("rggb", "bggr", "gbrg", "grbg")
    for bits, dtype in ((8, np.uint8), (16, np.uint16))
}
"""Every encoding that is understood, by its name in `sensor_msgs/image_encodings`."""

_TO_RGB = {
    "bgr": cv2.COLOR_BGR2RGB,
    "rgba": cv2.COLOR_RGBA2RGB,
    "bgra": cv2.COLOR_BGRA2RGB,
    "gray": cv2.COLOR_GRAY2RGB,
    "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuyv": cv2.COLOR_YUV2RGB_YUYV,
    # OpenCV names a mosaic after the second row's second and third pixel, ROS after its first four.
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}

_TO_GRAY = {
    "rgb": cv2.COLOR_RGB2GRAY,
    "bgr": cv2.COLOR_BGR2GRAY,
    "rgba": cv2.COLOR_RGBA2GRAY,
    "bgra": cv2.COLOR_BGRA2GRAY,
}


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

    Gray is spread over the three channels; 16-bit samples keep their upper 8 bits.
    Returns ``(H, W, 3) uint8``, RGB; for rgb8 a view of ``message.data``. Raises InputError.
    """
    return _to_rgb(_samples(message), LAYOUTS[message.encoding].order)


def decode_infrared(message: ImageMessage) -> RawInfrared:
    """The raw infrared image in a message.

    Color becomes its luma; of YUV the Y samples are taken as they are.
    Returns ``(H, W) uint8 or uint16``; for gray and YUV a view of ``message.data`` if its byte
    order is ours. Raises InputError.
    """
    return _to_gray(_samples(message), LAYOUTS[message.encoding].order)


def decode_compressed_visible(message: CompressedImageMessage) -> UInt8Array:
    """The color image in a compressed message (JPEG, PNG). See `decode_visible`."""
    return _to_rgb(*_decompress(message))


def decode_compressed_infrared(message: CompressedImageMessage) -> RawInfrared:
    """The raw infrared image in a compressed message (JPEG, 8 or 16-bit PNG)."""
    return _to_gray(*_decompress(message))


def image_fields(image: UInt8Array, encoding: Literal["rgb8", "bgr8"]) -> dict[str, Any]:
    """The fields of `sensor_msgs/msg/Image` for an image, but for its header.

    image: ``(H, W, 3) uint8``, RGB. ``data`` is ``(H * W * 3,) uint8``, a view of ``image`` for
    rgb8. Raises InputError for another encoding.
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

    image: ``(H, W, 3) uint8``, RGB. quality: of JPEG, 1 to 100. ``data`` is ``(N,) uint8``.
    ``format`` is what image_transport writes. Raises InputError for another codec.
    """
    if codec not in ("jpeg", "png"):
        raise InputError(f"compression '{codec}' is not jpeg or png")
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if codec == "jpeg" else []
    suffix = ".jpg" if codec == "jpeg" else ".png"
    _, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    return {"format": f"rgb8; {codec} compressed bgr8", "data": data.reshape(-1)}


def _samples(message: ImageMessage) -> AnyArray:
    """``(H, W)`` or ``(H, W, C)`` view of the data in native byte order; InputError if it lies."""
    layout = LAYOUTS.get(message.encoding)
    if layout is None:
        raise InputError(
            f"image encoding '{message.encoding}' is not one of {', '.join(sorted(LAYOUTS))}"
        )
    height, width, step = int(message.height), int(message.width), int(message.step)
    _check_size(width, height)
    order: Literal["<", ">"] = ">" if message.is_bigendian else "<"
    dtype = np.dtype(layout.dtype).newbyteorder(order)
    row = width * layout.channels * dtype.itemsize
    if step < row:
        raise InputError(
            f"an image says its rows take {step} bytes, but {width} pixels of "
            f"{message.encoding} take {row}"
        )
    if layout.order in ("uyvy", "yuyv") and width % 2:
        raise InputError(f"a {message.encoding} image must have an even width, not {width}")
    data = np.frombuffer(message.data, np.uint8) if len(message.data) else np.empty(0, np.uint8)
    needed = (height - 1) * step + row  # some drivers leave out the padding of the last row
    if data.size < needed:
        raise InputError(
            f"an image has {data.size} bytes of data, but {height} rows of {step} bytes need "
            f"{height * step}"
        )
    shape = (height, width, layout.channels) if layout.channels > 1 else (height, width)
    strides = (step, layout.channels * dtype.itemsize, dtype.itemsize)[: len(shape)]
    view: AnyArray = np.ndarray(shape, dtype, data, strides=strides)
    if dtype.itemsize > 1 and (order == ">") != (sys.byteorder == "big"):
        return view.astype(layout.dtype)
    return np.require(view, layout.dtype, "A")


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f"an image says its size is {width}x{height}: there is nothing in it")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise InputError(
            f"an image says its size is {width}x{height}; up to {MAX_SIDE} pixels a side and "
            f"{MAX_PIXELS >> 20} megapixels are believed"
        )


def _to_rgb(samples: AnyArray, order: str) -> UInt8Array:
    if samples.dtype == np.uint16 and not order.startswith("bayer"):
        samples = (samples >> 8).astype(np.uint8)
    if order != "rgb":
        if order.startswith("bayer") and min(samples.shape) < 4:
            raise InputError(
                f"a Bayer mosaic of {samples.shape[1]}x{samples.shape[0]} is too small for color"
            )
        samples = cv2.cvtColor(samples, _TO_RGB[order])
    return (samples >> 8).astype(np.uint8) if samples.dtype == np.uint16 else samples


def _to_gray(samples: AnyArray, order: str) -> RawInfrared:
    if order == "gray":
        return samples
    if order in ("uyvy", "yuyv"):
        return samples[..., 1 if order == "uyvy" else 0]
    if order.startswith("bayer"):
        raise InputError("an infrared image cannot be a Bayer mosaic; are the topics swapped?")
    gray: AnyArray = cv2.cvtColor(samples, _TO_GRAY[order])
    return gray


def _decompress(message: CompressedImageMessage) -> tuple[AnyArray, str]:
    """The image as it was compressed, and the order of its samples."""
    name = message.format.strip()
    if "compressedDepth" in name:
        raise InputError(
            "a compressedDepth image holds quantized distances, not intensities; "
            "choose a topic with JPEG or PNG images"
        )
    data = np.frombuffer(message.data, np.uint8) if len(message.data) else np.empty(0, np.uint8)
    size = encoded_size(data)
    if size is None:
        raise InputError(f"a compressed image of format '{name}' holds neither a JPEG nor a PNG")
    _check_size(*size)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if is_whole(data) else None
    except cv2.error:
        image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"a compressed image of {data.size} bytes is damaged or cut short")
    if image.ndim == 2:
        original = LAYOUTS.get(name.partition(";")[0].strip())
        is_mosaic = original is not None and original.order.startswith("bayer")
        return image, original.order if original is not None and is_mosaic else "gray"
    # image_transport notes the order of the samples it handed to the codec, which assumes bgr.
    swapped = "compressed rgb" in name
    return image, {3: "rgb" if swapped else "bgr", 4: "rgba" if swapped else "bgra"}[image.shape[2]]
