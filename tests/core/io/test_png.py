"""The PNG encoder: exactly the pixels, in files that any reader takes."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from lut_fuse_core.io.image_header import is_whole
from lut_fuse_core.io.png import encode_png


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (47, 61), (480, 640)])
@pytest.mark.parametrize("kind", ["noise", "ramp", "flat"])
def test_pixels_come_back_exactly(rng, shape, kind):
    image = {
        "noise": lambda: rng.integers(0, 256, (*shape, 3), dtype=np.uint8),
        "ramp": lambda: np.arange(np.prod(shape) * 3).reshape(*shape, 3).astype(np.uint8),
        "flat": lambda: np.full((*shape, 3), 200, np.uint8),
    }[kind]()
    data = encode_png(image)
    np.testing.assert_array_equal(decoded(data), image)
    assert is_whole(np.frombuffer(data, np.uint8))


def test_part_of_an_image_is_encoded_as_it_looks(rng):
    image = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decoded(encode_png(image[5:50, 7:70])), image[5:50, 7:70])


def test_photographs_make_no_larger_files_than_with_opencv(shared):
    for path in sorted((shared / "data" / "roadscene" / "train" / "visible").iterdir())[:5]:
        photograph = cv2.imread(str(path))
        assert len(encode_png(photograph)) <= len(cv2.imencode(".png", photograph)[1])


def test_without_the_faster_compressor_opencv_encodes_the_same_pixels(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "isal", None)
    image = rng.integers(0, 256, (47, 61, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decoded(encode_png(image)), image)
