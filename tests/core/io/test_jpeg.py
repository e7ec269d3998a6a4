"""JPEG files: the pixels are OpenCV's, and damage is said as it is without simplejpeg."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_files import read_infrared, read_visible
from lut_fuse_core.io.jpeg import decode_jpeg


def encoded(image: np.ndarray, *settings: int) -> np.ndarray:
    return np.asarray(cv2.imencode(".jpg", image, list(settings))[1]).reshape(-1)


@pytest.fixture
def photograph(shared: Path) -> np.ndarray:
    path = sorted((shared / "data/roadscene/train/visible").iterdir())[0]
    return np.asarray(cv2.imread(str(path)))


def test_pixels_are_those_of_opencv(photograph: np.ndarray) -> None:
    pytest.importorskip("simplejpeg")
    part = photograph[:97, :131]
    for data in (encoded(photograph), encoded(part, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)):
        expected = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(decode_jpeg(data, "BGR"), expected)
        np.testing.assert_array_equal(decode_jpeg(data, "RGB"), expected[..., ::-1])
    data = encoded(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY))
    np.testing.assert_array_equal(
        decode_jpeg(data, "RGB"), cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    )


def test_files_read_alike_with_and_without_the_faster_decoder(
    photograph: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gray = cv2.cvtColor(photograph, cv2.COLOR_BGR2GRAY)
    for name, image in (("color", photograph), ("gray", gray)):
        encoded(image).tofile(tmp_path / f"{name}.jpg")
    names = ("gray.jpg", "color.jpg")
    readers = [(read, tmp_path / name) for read in (read_visible, read_infrared) for name in names]
    fast = [read(path) for read, path in readers]
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    for (read, path), image in zip(readers, fast, strict=True):
        expected = read(path)
        assert expected.dtype == image.dtype
        np.testing.assert_array_equal(expected, image)
        assert image.flags.c_contiguous


@pytest.mark.parametrize("damage", ["overwritten", "truncated", "no image"])
def test_damage_is_said_alike(
    photograph: np.ndarray, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(photograph)
    if damage == "overwritten":
        data[len(data) // 2 : len(data) // 2 + 400] = np.resize([0xFF, 0xD3, 0x11], 400)
    elif damage == "truncated":
        data = data[: len(data) // 2]
    else:
        data = data[:20]
    data.tofile(tmp_path / "damaged.jpg")
    said = []
    for module in (sys.modules.get("simplejpeg"), None):
        if module is None:
            monkeypatch.setitem(sys.modules, "simplejpeg", None)
        with pytest.raises(InputError) as caught:
            read_visible(tmp_path / "damaged.jpg")
        said.append(str(caught.value))
    assert said[0] == said[1]
