"""From messages to pixels; every refusal says which camera it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.compressed_messages import is_coarse
from lut_fuse_core.io.image_encodings import AnyArray, check_image, to_gray, to_rgb
from lut_fuse_core.io.image_header import encoded_size
from lut_fuse_core.io.library_lines import library_lines
from lut_fuse_core.io.message_data import bytes_of
from lut_fuse_core.io.ros_messages import (
    decode_compressed_infrared,
    decode_compressed_visible,
    is_compressed,
)
from lut_fuse_core.io.stream_bound import StreamBound
from lut_fuse_core.sync.jumps import SIDES, Side
from lut_fuse_ros.frames.samples import Log, Samples
from lut_fuse_ros.meters import Statistics
from lut_fuse_ros.parameters.node_parameters import NodeParameters

T = TypeVar("T", bound=AnyArray)

MEGA = 1_000_000

GRAY_16_BIT = ("mono16", "16UC1", "16SC1")
"""Encodings of thermal cameras, and hardly of others."""


def check_message(side: Side, message: Any) -> None:
    """Refuse what cannot be an image before it is paired: its partner would be lost with it.

    Raises:
        InputError: Naming the camera.
    """
    try:
        if not is_compressed(message):
            check_image(message)
        elif not len(message.data):
            raise InputError("a compressed image has no data")
    except InputError as error:
        raise InputError(f"{side} camera: {error}") from None


class Decoder:
    """Decodes the images of both cameras.

    Args:
        parameters: Of the node; how large images may be is fixed from here on.
        statistics: Where to count what could be decoded but is not as it should be.
        log: Takes a warning for the user.
    """

    def __init__(self, parameters: NodeParameters, statistics: Statistics, log: Log) -> None:
        self._statistics = statistics
        self._samples = Samples(log)
        self._bounds = {
            side: StreamBound(round(getattr(parameters, side).max_megapixels * MEGA))
            for side in SIDES
        }
        self._layout: tuple[Any, ...] | None = None

    def visible(self, message: Any) -> UInt8Array:
        """The color image, ``(H, W, 3) uint8``, RGB.

        Raises:
            InputError: For a message that holds no usable image.
        """
        if not is_compressed(message) and message.encoding in GRAY_16_BIT:
            self._statistics.count("gray_16_bit_visible")
        return self._decode("visible", message, to_rgb, decode_compressed_visible)

    def infrared(self, message: Any) -> AnyInfrared:
        """The raw infrared image, ``(h, w) uint8 or uint16``.

        Raises:
            InputError: For a message that holds no usable image.
        """
        if is_compressed(message) and is_coarse(message.format):
            self._statistics.count("lossy_16_bit")
        image = self._decode("infrared", message, to_gray, decode_compressed_infrared)
        layout = (image.dtype, image.shape)
        self._statistics.count("format_changes", self._layout not in (None, layout))
        self._layout = layout
        return image

    def _decode(
        self,
        side: Side,
        message: Any,
        convert: Callable[[AnyArray, str], T],
        decompress: Callable[[Any], T],
    ) -> T:
        try:
            if is_compressed(message):
                return self._decompress(side, message, decompress)
            self._bounds[side].check(int(message.width), int(message.height))
            return convert(*self._samples.of(message))
        except InputError as error:
            raise InputError(f"{side} camera: {error}") from None

    def _decompress(self, side: Side, message: Any, decode: Callable[[Any], T]) -> T:
        size = encoded_size(bytes_of(message.data))
        if size is not None:
            self._bounds[side].check(*size)
        with library_lines() as lines:
            image = decode(message)
        if lines:
            self._statistics.damaged(side, lines[-1])
        self._bounds[side].showed(image.shape[1], image.shape[0])
        return image
