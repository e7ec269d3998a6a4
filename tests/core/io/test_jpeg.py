"""JPEG files: the pixels are OpenCV's, and damage is said as it is without simplejpeg."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_files import (
    read_infrared,
    read_visible,
    read_visible_as_stored,
    write_image,
)
from lut_fuse_core.io.jpeg import JpegPlanes, decode_jpeg, decode_planes


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
        for read in (read_visible, read_visible_as_stored):
            with pytest.raises(InputError) as caught:
                read(tmp_path / "damaged.jpg")
            said.append(str(caught.value))
    assert len(set(said)) == 1


def sampled(name: str) -> tuple[int, int]:
    return cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{name}")


def test_planes_are_luma_and_chroma_as_stored(tmp_path: Path) -> None:
    pytest.importorskip("simplejpeg", "1.8")
    rng = np.random.default_rng(0)
    # Flat blocks of 8x8 samples: what a JPEG keeps.
    luma, blue, red = (
        np.kron(rng.integers(60, 190, shape), np.ones((8, 8))).astype(np.uint8)
        for shape in ((6, 8), (3, 4), (3, 4))
    )
    write_image(tmp_path / "blocks.jpg", JpegPlanes(luma, blue, red))
    planes = read_visible_as_stored(tmp_path / "blocks.jpg")
    assert isinstance(planes, JpegPlanes)
    for plane, expected in ((planes.luma, luma), (planes.blue, blue), (planes.red, red)):
        assert np.abs(plane.astype(int) - expected).max() <= 1
        assert plane.flags.c_contiguous
    shown = cv2.cvtColor(read_visible(tmp_path / "blocks.jpg"), cv2.COLOR_RGB2YCrCb)
    inside = np.s_[3:5, 3:5]  # of a block, where chroma is not interpolated
    for channel, plane in ((2, blue), (1, red)):
        assert np.abs(shown[inside][..., channel].astype(int) - plane[1:3, 1:3]).max() <= 3


def test_every_kind_of_coding_gives_the_planes(photograph: np.ndarray) -> None:
    pytest.importorskip("simplejpeg", "1.8")
    part = photograph[:98, :130]
    expected = decode_planes(encoded(part))
    for settings in (
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        (cv2.IMWRITE_JPEG_RST_INTERVAL, 3),
    ):
        planes = decode_planes(encoded(part, *settings))
        for name, plane in vars(expected).items():
            np.testing.assert_array_equal(vars(planes)[name], plane)


def test_what_else_a_header_holds_makes_no_difference(photograph: np.ndarray) -> None:
    pytest.importorskip("simplejpeg", "1.8")
    data = encoded(photograph[:96, :130]).tobytes()
    luma = vars(decode_planes(np.frombuffer(data, np.uint8)))["luma"]
    start, jfif, rest = data[:2], data[2:20], data[20:]
    rotated = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06" + bytes(7)
    of_adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x01"
    for header in (
        b"",
        of_adobe,
        jfif + of_adobe,
        rotated,
        jfif + b"\xff\xfe\0\x06abcd",
        rotated + jfif,
    ):
        for behind in (b"", data, b"MotionPhoto" + bytes(99)):
            content = np.frombuffer(start + header + rest + behind, np.uint8)
            planes = decode_planes(content)
            assert planes is not None
            np.testing.assert_array_equal(planes.luma, luma)
    assert decode_planes(np.frombuffer(start + b"\xff\xff" + jfif + rest, np.uint8)) is None


@pytest.mark.parametrize("name", ["411", "422", "440", "444"])
def test_other_kinds_of_subsampling_become_rgb(photograph: np.ndarray, name: str) -> None:
    assert decode_planes(encoded(photograph, *sampled(name))) is None


def test_what_has_no_such_planes_becomes_rgb(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = photograph[:96, :130]
    for image in (part[:95], part[:, :129], cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)):
        assert decode_planes(encoded(image)) is None
    assert decode_planes(np.asarray(cv2.imencode(".png", part)[1]).reshape(-1)) is None
    simplejpeg = pytest.importorskip("simplejpeg", "1.8")
    assert decode_planes(encoded(part)) is not None
    monkeypatch.delattr(simplejpeg, "encode_jpeg_yuv_planes")  # before 1.8
    assert decode_planes(encoded(part)) is None
