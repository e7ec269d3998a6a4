"""Raw pixels by ROS's names for them: every encoding of `sensor_msgs/image_encodings`.

Arrays come out in native byte order without the padding of their rows. What arrives in the needed
order is a view of the message's own data, read-only if that is.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.byte_order import in_native_order
from lut_fuse_core.io.message_data import bytes_of
from lut_fuse_core.io.palettes import intensities
from lut_fuse_core.libraries.opencv import cv2

MAX_SIDE = 32767
"""Longest side of an image that is believed, pixels; OpenCV's remapping has the same limit."""

MAX_PIXELS = 1 << 27
"""Most pixels of an image that is believed (134 million)."""

MAX_COLOR = 1.0001
"""Largest sample of a color image in floating point, in which white is 1; a little rounding."""

AnyArray = npt.NDArray[Any]


class ImageMessage(Protocol):
    """The fields of `sensor_msgs/msg/Image` that say what its ``data`` means."""

    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def encoding(self) -> str: ...  # noqa: D102
    @property
    def is_bigendian(self) -> int: ...  # noqa: D102
    @property
    def step(self) -> int: ...  # noqa: D102
    @property
    def data(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Layout:
    """Pixels of one encoding.

    Attributes:
        dtype: Type of a sample.
        channels: Samples per pixel in a row of the data.
        order: What the samples are, e.g. ``bgra``, ``gray``, ``uyvy``, ``nv12``, ``bayer_rggb``;
            empty where ROS does not say.
        rows: Rows of the data per row of the image; more than one where planes follow one another.
    """

    dtype: Any
    channels: int
    order: str
    rows: float = 1


def _generic() -> dict[str, Layout]:
    """OpenCV's types: a sample type and a number of channels, in OpenCV's order where they are
    colors."""
    types = {
        "8U": np.uint8,
        "8S": np.int8,
        "16U": np.uint16,
        "16S": np.int16,
        "32S": np.int32,
        "32F": np.float32,
        "64F": np.float64,
    }
    orders = {1: "gray", 2: "", 3: "bgr", 4: "bgra"}
    return {
        f"{name}C{count}": Layout(dtype, count, order)
        for name, dtype in types.items()
        for count, order in orders.items()
    }


LAYOUTS: dict[str, Layout] = {
    **{
        f"{order}{bits}": Layout(dtype, len(order), order)
        for order in ("rgb", "bgr", "rgba", "bgra")
        for bits, dtype in ((8, np.uint8), (16, np.uint16))
    },
    "mono8": Layout(np.uint8, 1, "gray"),
    "mono16": Layout(np.uint16, 1, "gray"),
    **_generic(),
    **{
        f"bayer_{pattern}{bits}": Layout(dtype, 1, f"bayer_{pattern}")
        for pattern in ("rggb", "bggr", "gbrg", "grbg")
        for bits, dtype in ((8, np.uint8), (16, np.uint16))
    },
    "uyvy": Layout(np.uint8, 2, "uyvy"),
    "yuyv": Layout(np.uint8, 2, "yuyv"),
    "yuv422": Layout(np.uint8, 2, "uyvy"),
    "yuv422_yuy2": Layout(np.uint8, 2, "yuyv"),
    "nv12": Layout(np.uint8, 1, "nv12", 1.5),
    "nv21": Layout(np.uint8, 1, "nv21", 1.5),
    "nv24": Layout(np.uint8, 1, "nv24", 3),
}
"""Every encoding, by its name in `sensor_msgs/image_encodings`."""

_SUBSAMPLED = ("uyvy", "yuyv", "nv12", "nv21")

_TO_RGB = {
    "bgr": "BGR2RGB",
    "rgba": "RGBA2RGB",
    "bgra": "BGRA2RGB",
    "gray": "GRAY2RGB",
    "uyvy": "YUV2RGB_UYVY",
    "yuyv": "YUV2RGB_YUYV",
    "nv12": "YUV2RGB_NV12",
    "nv21": "YUV2RGB_NV21",
    # OpenCV names a mosaic after the second row's second and third pixel, ROS after its first four.
    "bayer_rggb": "BayerBG2RGB",
    "bayer_bggr": "BayerRG2RGB",
    "bayer_gbrg": "BayerGR2RGB",
    "bayer_grbg": "BayerGB2RGB",
}
"""What OpenCV calls the conversion of each order, behind COLOR_."""

_TO_GRAY = {
    "rgb": "RGB2GRAY",
    "bgr": "BGR2GRAY",
    "rgba": "RGBA2GRAY",
    "bgra": "BGRA2GRAY",
}

_YUV_TO_RGB = np.array(
    [
        [1.164384, 0.0, 1.596027, -222.9209],
        [1.164384, -0.391762, -0.812968, 135.5754],
        [1.164384, 2.017232, 0.0, -276.8356],
    ]
)
"""BT.601, studio range, as OpenCV has it for the other YUV encodings."""


def check_image(message: ImageMessage) -> Layout:
    """Check, without touching its pixels, whether a raw image can be what it says it is.

    Args:
        message: The image.

    Returns:
        The layout of its encoding.

    Raises:
        InputError: For an unknown encoding, or a size or step that does not fit the data.
    """
    layout = LAYOUTS.get(message.encoding)
    if layout is None:
        raise InputError(
            f"image encoding '{message.encoding}' is not one of sensor_msgs/image_encodings"
        )
    height, width, step = int(message.height), int(message.width), int(message.step)
    check_size(width, height)
    row = _row_bytes(layout, width)
    if step < row:
        raise InputError(
            f"an image says its rows take {step} bytes, but {width} pixels of "
            f"{message.encoding} take {row}"
        )
    if layout.order in _SUBSAMPLED and width % 2:
        raise InputError(f"a {message.encoding} image must have an even width, not {width}")
    if layout.rows == 1.5 and height % 2:
        raise InputError(f"a {message.encoding} image must have an even height, not {height}")
    rows = int(height * layout.rows)
    needed = (rows - 1) * step + row  # some drivers leave out the padding of the last row
    if len(message.data) < needed:
        raise InputError(
            f"an image has {len(message.data)} bytes of data, but {rows} rows of {step} bytes need "
            f"{rows * step}"
        )
    return layout


def _row_bytes(layout: Layout, width: int) -> int:
    return width * layout.channels * int(np.dtype(layout.dtype).itemsize)


def samples_of(message: ImageMessage) -> tuple[AnyArray, str]:
    """The samples of a raw image, as they were sent.

    Args:
        message: The image.

    Returns:
        Two values: the samples, ``(rows, W)`` or ``(rows, W, C)`` in native byte order and of the
        encoding's type, where rows is H, or more where planes follow one another; and their order,
        see `Layout`. nv24 comes as ``(H, W, 3)`` in the order ``yuv``.

    Raises:
        InputError: For an unknown encoding, or a size or step that does not fit the data.
    """
    layout = check_image(message)
    height, width, step = int(message.height), int(message.width), int(message.step)
    order: Literal["<", ">"] = ">" if message.is_bigendian else "<"
    dtype = np.dtype(layout.dtype).newbyteorder(order)
    data = bytes_of(message.data)
    rows = int(height * layout.rows)
    shape = (rows, width, layout.channels) if layout.channels > 1 else (rows, width)
    if layout.order == "nv24":
        return _nv24(data, height, width, step), "yuv"
    strides = (step, layout.channels * dtype.itemsize, dtype.itemsize)[: len(shape)]
    view: AnyArray = np.ndarray(shape, dtype, data, strides=strides)
    if dtype.itemsize > 1 and (order == ">") != (sys.byteorder == "big"):
        return view.astype(layout.dtype), layout.order
    return np.require(view, layout.dtype, "A"), layout.order


def _nv24(data: UInt8Array, height: int, width: int, step: int) -> UInt8Array:
    """A plane of Y and one of U and V in turn, as ``(H, W, 3) uint8``."""
    luma: UInt8Array = np.ndarray((height, width), np.uint8, data, strides=(step, 1))
    chroma: UInt8Array = np.ndarray(
        (height, width, 2), np.uint8, data, height * step, strides=(2 * step, 2, 1)
    )
    return np.dstack([luma, chroma])


def check_size(width: int, height: int) -> None:
    """Refuse the size of an image that is empty or not believed.

    Args:
        width: In pixels.
        height: In pixels.

    Raises:
        InputError: For a side below 1 or above `MAX_SIDE`, or more than `MAX_PIXELS` in all.
    """
    if width < 1 or height < 1:
        raise InputError(f"an image says its size is {width}x{height}: there is nothing in it")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise InputError(
            f"an image says its size is {width}x{height}; up to {MAX_SIDE} pixels a side and "
            f"{MAX_PIXELS >> 20} megapixels are believed"
        )


def to_rgb(samples: AnyArray, order: str) -> UInt8Array:
    """Samples as a color image.

    16-bit samples keep their upper 8 bits; of floating point 0 to 1 becomes 0 to 255.

    Args:
        samples: As `samples_of` returns them.
        order: Their order, likewise.

    Returns:
        ``(H, W, 3) uint8``, RGB.

    Raises:
        InputError: For two channels, signed integers, or floating point above 1.
    """
    samples = _color_samples(samples, order)
    if order == "yuv":
        return np.asarray(cv2.transform(samples, _YUV_TO_RGB), np.uint8)
    if order != "rgb":
        if order.startswith("bayer") and min(samples.shape) < 4:
            raise InputError(
                f"a Bayer mosaic of {samples.shape[1]}x{samples.shape[0]} is too small for color"
            )
        samples = _converted(samples, _TO_RGB[order])
    deep = samples.dtype == np.uint16
    return np.asarray(np.right_shift(samples, 8) if deep else samples).astype(np.uint8, copy=False)


def _color_samples(samples: AnyArray, order: str) -> AnyArray:
    """Samples in 8 bits, of a mosaic in 8 or 16."""
    if not order:
        raise InputError("an image of two channels is no color image")
    if samples.dtype == np.uint16 and not order.startswith("bayer"):
        return (samples >> 8).astype(np.uint8)
    if samples.dtype.kind == "f":
        largest = float(np.nanmax(samples)) if np.isfinite(samples).any() else 0.0
        if largest > MAX_COLOR:
            raise InputError(
                f"a color image in floating point holds values up to {largest:g}, but white is 1; "
                "are the topics swapped?"
            )
        return (np.nan_to_num(samples).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    if samples.dtype.kind == "i":
        raise InputError("an image of signed numbers is no color image; are the topics swapped?")
    return samples


def to_gray(samples: AnyArray, order: str) -> AnyArray:
    """Samples as raw infrared.

    Of 8-bit colors the intensities are recovered (see `palettes`), of deeper ones the luma is
    taken; of YUV the Y samples are taken as they are, and so is a Bayer mosaic, whose filters pass
    infrared.

    Args:
        samples: As `samples_of` returns them.
        order: Their order, likewise.

    Returns:
        ``(H, W)`` uint8, uint16, int16 or float32.

    Raises:
        InputError: For two channels, or 8-bit colors of no known palette.
    """
    if order == "gray":
        # Drivers, too, send the bytes of a sensor as they come and say nothing of it.
        return in_native_order(_plain_numbers(samples))
    if order.startswith("bayer"):
        return _plain_numbers(samples)
    if order in ("uyvy", "yuyv"):
        return samples[..., 1 if order == "uyvy" else 0]
    if order in ("nv12", "nv21"):
        return samples[: samples.shape[0] * 2 // 3]
    if order == "yuv":
        return samples[..., 0]
    if not order:
        raise InputError("an infrared image has one channel, not two")
    numbers = _plain_numbers(samples)
    if numbers.dtype == np.int16:  # which OpenCV has no luma for
        return np.rint(_converted(numbers.astype(np.float32), _TO_GRAY[order])).astype(np.int16)
    if numbers.dtype == np.uint8:
        rgb = numbers if order == "rgb" else _converted(numbers, _TO_RGB[order])
        return intensities(rgb.astype(np.uint8, copy=False))
    return _converted(numbers, _TO_GRAY[order])


def _converted(samples: AnyArray, conversion: str) -> AnyArray:
    found: AnyArray = cv2.cvtColor(samples, getattr(cv2, f"COLOR_{conversion}"))
    return found


def _plain_numbers(samples: AnyArray) -> AnyArray:
    """Samples as uint8, uint16, int16 or float32; 32-bit integers and float64 are rounded."""
    if samples.dtype == np.int8:
        return samples.astype(np.int16)
    if samples.dtype in (np.int32, np.float64):
        return samples.astype(np.float32)
    return samples
