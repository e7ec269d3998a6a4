"""Messages whose data is in the memory of another device until somebody looks into it."""

from __future__ import annotations

import sys
from array import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.ros_messages import decode_compressed_visible, decode_infrared, decode_visible


class ReleasedBuffer:
    """As `rosidl_buffer.Buffer` of ROS 2 Lyrical as it was released: its bytes are asked for."""

    def __init__(self, content: bytes) -> None:
        self._content, self.fetched = content, 0

    def __len__(self) -> int:
        return len(self._content)

    def to_array(self) -> array[int]:
        self.fetched += 1
        return array("B", self._content)


class LaterBuffer:
    """As in the sources since: whatever reads a buffer fetches the bytes."""

    def __init__(self, content: bytes) -> None:
        self._content, self.fetched = content, 0

    def __len__(self) -> int:
        return len(self._content)

    def __buffer__(self, flags: int) -> memoryview:
        self.fetched += 1
        return memoryview(self._content)


Buffer = type[ReleasedBuffer] | type[LaterBuffer]


@pytest.fixture(
    params=[
        ReleasedBuffer,
        pytest.param(
            LaterBuffer,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 12), reason="classes have no buffers before Python 3.12"
            ),
        ),
    ]
)
def buffer(request: pytest.FixtureRequest) -> Buffer:
    kind: Buffer = request.param
    return kind


def message_of(image: np.ndarray, encoding: str, data: object) -> SimpleNamespace:
    height, width = image.shape[:2]
    step = image.nbytes // height
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=0, step=step, data=data
    )


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_a_visible_image_is_fetched_and_read(
    buffer: Buffer, encoding: str, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    found = decode_visible(message_of(image, encoding, buffer(image.tobytes())))
    assert np.array_equal(found, image if encoding == "rgb8" else image[..., ::-1])


def test_an_infrared_image_is_fetched_and_read(buffer: Buffer, rng: np.random.Generator) -> None:
    image = rng.integers(0, 1 << 16, (4, 6), dtype=np.uint16)
    found = decode_infrared(message_of(image, "mono16", buffer(image.tobytes())))
    assert np.array_equal(found, image)


def test_a_compressed_image_is_fetched_and_read(buffer: Buffer, rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    content = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
    message = SimpleNamespace(format="rgb8; png compressed bgr8", data=buffer(content))
    assert np.array_equal(decode_compressed_visible(message), image)


def test_one_that_is_too_short_is_refused_before_it_is_fetched(
    buffer: Buffer, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (4, 6), dtype=np.uint8)
    data = buffer(image[:3].tobytes())
    with pytest.raises(InputError, match="bytes of data"):
        decode_infrared(message_of(image, "mono8", data))
    assert data.fetched == 0
