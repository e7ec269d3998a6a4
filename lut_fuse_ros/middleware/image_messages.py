"""Serialized messages (CDR), of which `sensor_msgs/Image` is read and written in place."""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError

ORDERS = {b"\x00\x00": ">", b"\x00\x01": "<"}
"""Order of bytes by the encodings of plain CDR."""

ENCODING = 4
"""Bytes in front of a message that tell its encoding."""


@dataclass
class ReceivedImage:
    """The fields of a `sensor_msgs/Image` that was received.

    Attributes:
        header: Stamp and frame.
        height: In pixels.
        width: In pixels.
        encoding: By its name in `sensor_msgs/image_encodings`.
        is_bigendian: Whether samples of several bytes begin with the highest.
        step: Bytes per row.
        data: The rows, ``(N,) uint8`` in the memory of the message, which stays as it is while
            anybody refers to it; read-only.
    """

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: UInt8Array


class _Fields:
    """Reads the fields of a serialized message one after the other."""

    def __init__(self, message: UInt8Array, order: str) -> None:
        self._body, self._order, self._at = message.data[ENCODING:], order, 0

    def numbers(self, kinds: str) -> tuple[int, ...]:
        """Numbers of 4 bytes (``I``, ``i``), which begin at a multiple of that."""
        self._at += -self._at % 4
        layout = f"{self._order}{kinds}"
        found = struct.unpack_from(layout, self._body, self._at)
        self._at += struct.calcsize(layout)
        return found

    def byte(self) -> int:
        self._at += 1
        return self._body[self._at - 1]

    def bytes(self) -> memoryview:
        """As many as are announced before them."""
        (count,) = self.numbers("I")
        found = self._body[self._at : self._at + count]
        if len(found) < count:
            raise struct.error("too few bytes")
        self._at += count
        return found

    def text(self) -> str:
        return str(self.bytes(), "utf-8", "replace").partition("\0")[0]


def read(message: UInt8Array, kind: type[Any]) -> Any:
    """Read a serialized message as rclpy does.

    Args:
        message: ``(N,) uint8``, as the middleware delivers it.
        kind: Its type.

    Raises:
        InputError: If it is no such message.
    """
    size, name = message.size, kind.__name__
    if size < ENCODING:  # which rmw_cyclonedds does not survive
        raise InputError(f"{size} bytes cannot be read as {name}")
    try:
        return deserialize_message(message.tobytes(), kind)
    except Exception as error:  # each middleware has its own
        raise InputError(f"{size} bytes cannot be read as {name}: {error}") from None


def read_image(message: UInt8Array) -> ReceivedImage | Image:
    """Read a serialized `sensor_msgs/Image` without copying its pixels.

    Args:
        message: ``(N,) uint8``, as the middleware delivers it.

    Returns:
        The image; what is not plain CDR comes as rclpy reads it, copied.

    Raises:
        InputError: If it is truncated, or else no such message.
    """
    order = ORDERS.get(message[:2].tobytes())
    if order is None:
        return read(message, Image)
    fields = _Fields(message, order)
    try:
        sec, nanosec = fields.numbers("iI")
        header = Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=fields.text())
        height, width = fields.numbers("II")
        encoding, is_bigendian = fields.text(), fields.byte()
        (step,) = fields.numbers("I")
        data = np.frombuffer(fields.bytes().toreadonly(), np.uint8)
    except (struct.error, IndexError):
        raise InputError(f"an image message of {message.size} bytes is truncated") from None
    return ReceivedImage(header, height, width, encoding, is_bigendian, step, data)


def image_prefix(header: Header, height: int, width: int, encoding: str, step: int) -> bytes:
    """What precedes the pixels of an image of 8-bit samples in a serialized `sensor_msgs/Image`.

    Args:
        header: Stamp and frame.
        height: In pixels.
        width: In pixels.
        encoding: By its name in `sensor_msgs/image_encodings`.
        step: Bytes per row.
    """
    little = sys.byteorder == "little"
    stamp = header.stamp
    body = struct.pack("=iI", stamp.sec, stamp.nanosec) + _text(header.frame_id)
    body += bytes(-len(body) % 4) + struct.pack("=II", height, width) + _text(encoding)
    body += bytes([not little])
    body += bytes(-len(body) % 4) + struct.pack("=II", step, height * step)
    return (b"\x00\x01\x00\x00" if little else b"\x00\x00\x00\x00") + body


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8", "replace") + b"\0"
    return struct.pack("=I", len(encoded)) + encoded
