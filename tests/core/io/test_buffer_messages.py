"""Messages whose data is in the memory of another device until somebody looks into it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.ros_messages import decode_infrared, decode_visible

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="classes have no buffers before Python 3.12"
)


class DeviceBuffer:
    """As `rosidl_buffer.Buffer` of ROS 2 Lyrical: its size is known, its bytes are fetched."""

    def __init__(self, content: np.ndarray) -> None:
        self._content, self.fetched = content.tobytes(), 0

    def __len__(self) -> int:
        return len(self._content)

    def __buffer__(self, flags: int) -> memoryview:
        self.fetched += 1
        return memoryview(self._content)


def message_of(image: np.ndarray, encoding: str, data: DeviceBuffer) -> SimpleNamespace:
    height, width = image.shape[:2]
    step = image.nbytes // height
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=0, step=step, data=data
    )


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_a_visible_image_is_fetched_and_read(encoding: str, rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    found = decode_visible(message_of(image, encoding, DeviceBuffer(image)))
    assert np.array_equal(found, image if encoding == "rgb8" else image[..., ::-1])


def test_an_infrared_image_is_fetched_and_read(rng: np.random.Generator) -> None:
    image = rng.integers(0, 1 << 16, (4, 6), dtype=np.uint16)
    found = decode_infrared(message_of(image, "mono16", DeviceBuffer(image)))
    assert np.array_equal(found, image)


def test_one_that_is_too_short_is_refused_before_it_is_fetched(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (4, 6), dtype=np.uint8)
    data = DeviceBuffer(image[:3])
    with pytest.raises(InputError, match="bytes of data"):
        decode_infrared(message_of(image, "mono8", data))
    assert data.fetched == 0
