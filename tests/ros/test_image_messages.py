"""Serialized images are read and written in place as rclpy reads and writes them."""

from __future__ import annotations

import struct
import sys
from array import array

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from lut_fuse_core.errors import InputError
from lut_fuse_ros.middleware.image_messages import image_prefix, read, read_image

FIELDS = ("header", "height", "width", "encoding", "is_bigendian", "step")
TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=30)

IMAGES = st.builds(
    Image,
    header=st.builds(
        Header,
        stamp=st.builds(
            Time, sec=st.integers(-(2**31), 2**31 - 1), nanosec=st.integers(0, 2**32 - 1)
        ),
        frame_id=TEXTS,
    ),
    height=st.integers(0, 2**32 - 1),
    width=st.integers(0, 2**32 - 1),
    encoding=TEXTS,
    is_bigendian=st.integers(0, 255),
    step=st.integers(0, 2**32 - 1),
    data=st.binary(max_size=20).map(lambda data: array("B", data)),
)


def serialized(image: Image) -> np.ndarray:
    return np.frombuffer(serialize_message(image), np.uint8)


@given(IMAGES)
@settings(deadline=None)
def test_it_is_read_as_rclpy_reads_it(image: Image) -> None:
    message = serialized(image)
    found = read_image(message)
    for name in FIELDS:
        assert getattr(found, name) == getattr(image, name)
    assert bytes(found.data) == bytes(image.data)
    assert not len(found.data) or np.may_share_memory(found.data, message)


def test_a_message_of_a_big_endian_machine_is_read() -> None:
    message = b"\0\0\0\0" + struct.pack(">iII8s", -5, 6, 8, b"thermal")
    message += struct.pack(">III6sBxI", 2, 3, 6, b"mono8", 1, 3)
    message += struct.pack(">I", 6) + bytes(range(6))
    found = read_image(np.frombuffer(message, np.uint8))
    assert found.header == Header(stamp=Time(sec=-5, nanosec=6), frame_id="thermal")
    assert (found.height, found.width, found.step) == (2, 3, 3)
    assert (found.encoding, found.is_bigendian) == ("mono8", 1)
    assert found.data.tolist() == list(range(6))


def test_what_is_truncated_is_refused_wherever_it_ends() -> None:
    image = Image(height=2, width=3, encoding="mono8", step=3, data=array("B", range(6)))
    message = serialized(image)
    end = bytes(message).index(bytes(range(6))) + 6
    for size in range(2, end):
        with pytest.raises(InputError, match=f"an image message of {size} bytes is truncated"):
            read_image(message[:size])
    assert read_image(message[:end]).data.tolist() == list(range(6))


@pytest.mark.parametrize("start", [b"", b"\0", b"\0\7\0\0", b"\xff\xff\xff\xff"])
@pytest.mark.parametrize("kind", [Image, CompressedImage])
def test_what_is_no_message_is_refused(start: bytes, kind: type) -> None:
    message = np.frombuffer(start + bytes(1), np.uint8)
    with pytest.raises(InputError, match=r"bytes cannot be read as|is truncated"):
        read_image(message) if kind is Image else read(message, kind)


@given(IMAGES, st.integers(0, 40), st.integers(0, 40))
@settings(deadline=None)
def test_it_is_written_as_rclpy_writes_it(image: Image, height: int, width: int) -> None:
    image.height, image.width, image.step = height, width, 3 * width
    image.is_bigendian = int(sys.byteorder == "big")
    image.data = array("B", bytes(range(256)) * 20)[: 3 * width * height]
    image.data = image.data + array("B", bytes(3 * width * height - len(image.data)))
    prefix = image_prefix(image.header, height, width, image.encoding, 3 * width)
    written = prefix + image.data.tobytes()
    assert deserialize_message(written, Image) == image
    # Not byte by byte: some middleware leaves what it will between the fields, or adds to the end.
    assert len(serialize_message(image)) - len(written) in range(4)
