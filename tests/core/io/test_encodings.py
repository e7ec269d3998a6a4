"""ROS image messages to arrays and back."""

from __future__ import annotations

import array
import gzip
import io
import struct
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.ros_messages import (
    LAYOUTS,
    compressed_fields,
    decode_compressed_infrared,
    decode_compressed_visible,
    decode_infrared,
    decode_visible,
    image_fields,
)

HEIGHT, WIDTH = 6, 8
RNG = np.random.default_rng(1)
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
RAW = RNG.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)


@dataclass(frozen=True)
class Image:
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


@dataclass(frozen=True)
class Compressed:
    format: str
    data: Any


def message(samples: np.ndarray, encoding: str, padding: int = 0, big: bool = False) -> Image:
    """A message whose rows carry `padding` bytes of rubbish after the pixels."""
    height, width = samples.shape[:2]
    ordered = samples.astype(samples.dtype.newbyteorder(">" if big else "<"))
    rows = np.frombuffer(ordered.tobytes(), np.uint8).reshape(height, -1)
    padded = np.full((height, rows.shape[1] + padding), 0xA5, np.uint8)
    padded[:, : rows.shape[1]] = rows
    return Image(height, width, encoding, int(big), padded.shape[1], padded.tobytes())


def mosaic(color: tuple[int, int, int], pattern: str, dtype: type) -> np.ndarray:
    """A uniformly colored scene as a sensor with this pattern sees it."""
    values = dict(zip("rgb", color, strict=True))
    tile = np.array([[values[pattern[0]], values[pattern[1]]], [values[p] for p in pattern[2:]]])
    return np.tile(tile, (4, 4)).astype(dtype)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "samples"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("8UC3", RGB[..., ::-1]),
        ("rgba8", np.dstack([RGB, GRAY])),
        ("bgra8", np.dstack([RGB[..., ::-1], GRAY])),
        ("8UC4", np.dstack([RGB[..., ::-1], GRAY])),
    ],
)
def test_visible_colors_arrive_as_rgb(encoding, samples, padding):
    np.testing.assert_array_equal(decode_visible(message(samples, encoding, padding)), RGB)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("encoding", "order"), [("rgb16", 1), ("bgr16", -1)])
def test_visible_of_16_bits_keeps_its_upper_8(encoding, order, big):
    samples = RGB[..., ::order].astype(np.uint16) * 256 + 77
    np.testing.assert_array_equal(decode_visible(message(samples, encoding, 2, big)), RGB)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_visible_gray_fills_three_channels(encoding):
    np.testing.assert_array_equal(decode_visible(message(GRAY, encoding, 3)), np.dstack([GRAY] * 3))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_colors_are_not_swapped(pattern, bits):
    color = (200, 120, 40)
    dtype, scale = (np.uint8, 1) if bits == 8 else (np.uint16, 256)
    samples = mosaic(tuple(scale * c for c in color), pattern, dtype)
    image = decode_visible(message(samples, f"bayer_{pattern}{bits}", 6))
    np.testing.assert_array_equal(image[2:-2, 2:-2], np.broadcast_to(color, (4, 4, 3)))


@pytest.mark.parametrize(
    ("encoding", "luma_at"),
    [("yuv422", 1), ("uyvy", 1), ("yuv422_yuy2", 0), ("yuyv", 0)],
)
def test_yuv422_gives_color_for_visible_and_its_luma_for_infrared(encoding, luma_at):
    samples = np.empty((HEIGHT, WIDTH, 2), np.uint8)
    samples[..., luma_at] = 81
    samples[:, 0::2, 1 - luma_at] = 90  # BT.601 studio range: Y 81, U 90, V 240 is pure red
    samples[:, 1::2, 1 - luma_at] = 240
    padded = message(samples, encoding, 4)
    red = decode_visible(padded).astype(int)
    assert np.abs(red - (255, 0, 0)).max() <= 2
    assert np.all(decode_infrared(padded) == 81)


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 6])
def test_infrared_counts_survive_byte_order_and_padding(encoding, big, padding):
    counts = decode_infrared(message(RAW, encoding, padding, big))
    assert counts.dtype == np.uint16
    assert counts.dtype.isnative
    np.testing.assert_array_equal(counts, RAW)


def test_infrared_stored_as_gray_color_is_that_gray():
    np.testing.assert_array_equal(decode_infrared(message(np.dstack([GRAY] * 3), "rgb8")), GRAY)


@pytest.mark.parametrize(
    ("decode", "encoding", "samples"),
    [
        (decode_visible, "rgb8", RGB),
        (decode_infrared, "mono8", GRAY),
        (decode_infrared, "16UC1", RAW),
    ],
)
def test_what_needs_no_change_is_not_copied(decode, encoding, samples):
    original = message(samples, encoding, 4)
    mutable = replace(original, data=array.array("B", original.data))
    assert np.shares_memory(decode(mutable), np.frombuffer(mutable.data, np.uint8))


# In `sensor_msgs/image_encodings.hpp` of ROS 2, and nv12 of its newest.
ROS_ENCODINGS = [
    "rgb8", "rgba8", "rgb16", "rgba16", "bgr8", "bgra8", "bgr16", "bgra16", "mono8", "mono16",
    "8UC1", "8UC2", "8UC3", "8UC4", "8SC1", "8SC2", "8SC3", "8SC4", "16UC1", "16UC2", "16UC3",
    "16UC4", "16SC1", "16SC2", "16SC3", "16SC4", "32SC1", "32SC2", "32SC3", "32SC4", "32FC1",
    "32FC2", "32FC3", "32FC4", "64FC1", "64FC2", "64FC3", "64FC4", "bayer_rggb8", "bayer_bggr8",
    "bayer_gbrg8", "bayer_grbg8", "bayer_rggb16", "bayer_bggr16", "bayer_gbrg16", "bayer_grbg16",
    "uyvy", "yuyv", "yuv422", "yuv422_yuy2", "nv12", "nv21", "nv24",
]  # fmt: skip


def blank(encoding: str, value: float = 0) -> Image:
    """An image of one value, in rows with padding."""
    layout = LAYOUTS[encoding]
    rows = int(HEIGHT * layout.rows)
    shape = (rows, WIDTH, layout.channels) if layout.channels > 1 else (rows, WIDTH)
    return replace(message(np.full(shape, value, layout.dtype), encoding, 8), height=HEIGHT)


@pytest.mark.parametrize("encoding", ROS_ENCODINGS)
def test_every_encoding_of_ros_is_an_infrared_image_or_refused_with_a_reason(encoding):
    if encoding.endswith("C2"):
        with pytest.raises(InputError, match="one channel"):
            decode_infrared(blank(encoding))
        return
    image = decode_infrared(blank(encoding, 1))
    assert image.shape == (HEIGHT, WIDTH)
    assert image.dtype in (np.uint8, np.uint16, np.int16, np.float32)
    assert np.all(image == 1)


@pytest.mark.parametrize("encoding", ROS_ENCODINGS)
def test_every_encoding_of_ros_is_a_color_image_or_refused_with_a_reason(encoding):
    if encoding.endswith("C2") or "SC" in encoding:
        with pytest.raises(InputError, match="no color image"):
            decode_visible(blank(encoding))
        return
    image = decode_visible(blank(encoding))
    assert (image.shape, image.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("encoding", "dtype", "decoded"),
    [
        ("32FC1", np.float32, np.float32),
        ("64FC1", np.float64, np.float32),
        ("16SC1", np.int16, np.int16),
        ("32SC1", np.int32, np.float32),
        ("8SC1", np.int8, np.int16),
    ],
)
def test_infrared_measurements_keep_their_values(encoding, dtype, decoded, big):
    values = RNG.integers(-100, 100, (HEIGHT, WIDTH)).astype(dtype)
    image = decode_infrared(message(values, encoding, 8, big))
    assert image.dtype == decoded
    np.testing.assert_array_equal(image, values.astype(decoded))


def test_colors_in_floating_point_go_from_0_to_1():
    image = decode_visible(message(RGB[..., ::-1] / np.float32(255), "32FC3", 4))
    np.testing.assert_array_equal(image, RGB)
    with pytest.raises(InputError, match="swapped"):
        decode_visible(message(np.full((6, 8, 3), 293.15, np.float32), "32FC3"))


def yuv_image(encoding: str, y: int, u: int, v: int) -> Image:
    """An image of one color in planes: Y, then U and V in turn, rows padded by 4 bytes."""
    chroma_rows = HEIGHT if encoding == "nv24" else HEIGHT // 2
    across = 2 * WIDTH if encoding == "nv24" else WIDTH
    pair = (v, u) if encoding == "nv21" else (u, v)
    luma = np.full((HEIGHT, WIDTH), y, np.uint8)
    chroma = np.tile(np.array(pair, np.uint8), (chroma_rows, across // 2))
    data = np.zeros((HEIGHT, WIDTH + 4), np.uint8), np.zeros((chroma_rows, across), np.uint8)
    data[0][:, :WIDTH] = luma
    padding = 8 if encoding == "nv24" else 4
    chroma = np.pad(chroma, ((0, 0), (0, padding)))
    content = data[0].tobytes() + chroma.tobytes()
    return Image(HEIGHT, WIDTH, encoding, 0, WIDTH + 4, content)


@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_yuv_in_planes_gives_color_for_visible_and_its_luma_for_infrared(encoding):
    image = yuv_image(encoding, 81, 90, 240)  # BT.601 studio range: pure red
    red = decode_visible(image).astype(int)
    assert np.abs(red - (255, 0, 0)).max() <= 2
    infrared = decode_infrared(image)
    assert infrared.shape == (HEIGHT, WIDTH)
    assert np.all(infrared == 81)


@pytest.mark.parametrize("decode", [decode_visible, decode_infrared])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": b""}, "0 bytes of data"),
        ({"data": bytes(47)}, "6 rows of 8 bytes need 48"),
        ({"height": 0}, "8x0"),
        ({"width": 0}, "0x6"),
        ({"height": 2**31}, "8x2147483648"),
        ({"height": 30000, "width": 30000, "step": 30000}, "megapixels"),
        ({"step": 7}, "rows take 7 bytes, but 8 pixels"),
        ({"step": 0}, "rows take 0 bytes"),
        ({"encoding": "32FC7"}, "'32FC7' is not one of"),
        ({"encoding": ""}, "'' is not one of"),
        ({"encoding": "yuv422", "width": 3}, "even width"),
        ({"encoding": "nv12", "height": 5}, "even height"),
        ({"encoding": "nv21"}, "9 rows of 8 bytes need 72"),
    ],
)
def test_a_malformed_message_is_refused_with_a_sentence(decode, change, words):
    good = message(GRAY, "mono8")
    with pytest.raises(InputError, match=words):
        decode(replace(good, **change))


@pytest.mark.parametrize(("encoding", "samples"), [("bayer_rggb8", GRAY), ("bayer_gbrg16", RAW)])
def test_a_mosaic_as_infrared_is_taken_as_gray(encoding, samples):
    np.testing.assert_array_equal(decode_infrared(message(samples, encoding, 4, big=True)), samples)


def test_missing_padding_of_the_last_row_is_no_error():
    padded = message(GRAY, "mono8", 4)
    np.testing.assert_array_equal(decode_infrared(replace(padded, data=padded.data[:-4])), GRAY)


def encoded(suffix: str, image: np.ndarray) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def test_compressed_png_is_lossless_in_both_roles():
    bgr = np.ascontiguousarray(RGB[..., ::-1])
    png = Compressed("rgb8; png compressed bgr8", encoded(".png", bgr))
    np.testing.assert_array_equal(decode_compressed_visible(png), RGB)
    raw = Compressed("16UC1; png compressed ", encoded(".png", RAW))
    counts = decode_compressed_infrared(raw)
    assert counts.dtype == np.uint16
    np.testing.assert_array_equal(counts, RAW)


def test_compressed_jpeg_keeps_red_red():
    red = np.full((16, 16, 3), (10, 20, 220), np.uint8)
    image = decode_compressed_visible(Compressed("jpeg", encoded(".jpg", red))).astype(int)
    assert np.abs(image - (220, 20, 10)).max() < 8


def test_compressed_gray_jpeg_is_infrared():
    flat = np.full((16, 16), 99, np.uint8)
    image = decode_compressed_infrared(Compressed("mono8; jpeg compressed ", encoded(".jpg", flat)))
    assert np.all(image == 99)


def test_compressed_samples_noted_as_rgb_are_taken_as_such():
    png = Compressed("rgb8; png compressed rgb8", encoded(".png", RGB))
    np.testing.assert_array_equal(decode_compressed_visible(png), RGB)


def test_compressed_mosaic_becomes_color():
    samples = mosaic((200, 120, 40), "grbg", np.uint8)
    png = Compressed("bayer_grbg8; png compressed ", encoded(".png", samples))
    assert tuple(decode_compressed_visible(png)[4, 4]) == (200, 120, 40)


def test_a_jpeg_of_16_bits_gives_16_bits_again_or_is_refused():
    jpeg = encoded(".jpg", np.full((16, 16), 115, np.uint8))
    counts = decode_compressed_infrared(Compressed("mono16; jpeg compressed mono8", jpeg))
    assert counts.dtype == np.uint16
    assert np.all(counts == 115 * 257)
    for decode in (decode_compressed_infrared, decode_compressed_visible):
        with pytest.raises(InputError, match="nothing above 255"):
            decode(Compressed("mono16; jpeg compressed ", jpeg))


def test_a_jpeg_that_was_made_gray_of_a_mosaic_is_gray():
    jpeg = encoded(".jpg", np.full((16, 16), 115, np.uint8))
    image = decode_compressed_visible(Compressed("bayer_rggb8; jpeg compressed mono8", jpeg))
    assert np.all(image == 115)


@pytest.mark.parametrize(
    ("encoding", "samples"), [("mono16", RAW), ("32FC1", RAW / np.float32(7)), ("mono8", GRAY)]
)
def test_compressed_tiff_is_lossless(encoding, samples):
    tiff = Compressed(f"{encoding}; tiff compressed ", encoded(".tiff", samples))
    np.testing.assert_array_equal(decode_compressed_infrared(tiff), samples)


def test_compressed_tiff_holds_colors_in_the_order_they_were_published():
    tiff = Compressed("rgb8; tiff compressed ", encoded(".tiff", RGB))
    np.testing.assert_array_equal(decode_compressed_visible(tiff), RGB)


def tiff(image: np.ndarray, **options: object) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    tifffile.imwrite(stream, image, **options)
    return stream.getvalue()


TIFF_LAYOUTS = {
    "tiles": lambda: tiff(RAW, tile=(16, 16)),
    "BigTIFF": lambda: tiff(RAW, bigtiff=True),
    "white is zero": lambda: tiff(65_535 - RAW, photometric="miniswhite"),
    "planes": lambda: tiff(np.stack([RAW] * 3), photometric="rgb", planarconfig="separate"),
}


@pytest.mark.parametrize("layout", TIFF_LAYOUTS)
def test_compressed_tiff_of_any_layout_is_read(layout):
    found = decode_compressed_infrared(
        Compressed("mono16; tiff compressed ", TIFF_LAYOUTS[layout]())
    )
    np.testing.assert_array_equal(found, RAW)


def test_compressed_tiff_of_several_images_is_refused():
    stack = Compressed("mono16; tiff compressed ", tiff(np.stack([RAW] * 3), photometric=1))
    with pytest.raises(InputError, match="holds 3 images"):
        decode_compressed_infrared(stack)


@pytest.mark.parametrize("decode", [decode_compressed_visible, decode_compressed_infrared])
def test_compressed_tiff_of_more_numbers_per_pixel_than_colors_have_is_refused(decode):
    image = tiff(np.zeros((20, 20, 5), np.uint8), photometric="rgb", planarconfig="contig")
    with pytest.raises(InputError, match="5 numbers per pixel"):
        decode(Compressed("rgb8; tiff compressed", image))


SMOOTH = (29_000 + 7 * np.add.outer(np.arange(48), np.arange(64))).astype(np.uint16)


def test_bytes_in_the_wrong_order_are_put_right():
    """A driver that sends them as the sensor does, and does not say so."""
    np.testing.assert_array_equal(decode_infrared(message(SMOOTH.byteswap(), "mono16")), SMOOTH)
    png = Compressed("mono16; png compressed ", encoded(".png", SMOOTH.byteswap()))
    np.testing.assert_array_equal(decode_compressed_infrared(png), SMOOTH)


DEEP = RNG.integers(7000, 9000, (HEIGHT, WIDTH)).astype(np.uint16)


def rvl(image: np.ndarray) -> bytes:
    """RVL, written from its description: runs of zeros and of differences, in nibbles."""
    nibbles: list[int] = []

    def put(number: int) -> None:
        while number > 7:
            nibbles.append(number & 7 | 8)
            number >>= 3
        nibbles.append(number)

    pixels, at, previous = image.reshape(-1).astype(int).tolist(), 0, 0
    while at < len(pixels):
        start = at
        while at < len(pixels) and not pixels[at]:
            at += 1
        put(at - start)
        start = at
        while at < len(pixels) and pixels[at]:
            at += 1
        put(at - start)
        for pixel in pixels[start:at]:
            step, previous = pixel - previous, pixel
            put(2 * step if step >= 0 else -2 * step - 1)
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        sum(nibble << 4 * (7 - place) for place, nibble in enumerate(nibbles[i : i + 8]))
        for i in range(0, len(nibbles), 8)
    ]
    size = np.array([image.shape[1], image.shape[0]], "<u4").tobytes()
    return size + np.array(words, "<u4").tobytes()


@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_counts_that_travel_as_depth_are_read(codec):
    content = rvl(DEEP) if codec == "rvl" else encoded(".png", DEEP)
    depth = Compressed(f"16UC1; compressedDepth {codec}", bytes(12) + content)
    np.testing.assert_array_equal(decode_compressed_infrared(depth), DEEP)


def test_a_few_zeros_among_counts_of_rvl_are_kept_in_their_place():
    image = np.full((40, 50), 8123, np.uint16)
    image[3, 4:7] = 0
    image[0, 0] = 0
    depth = Compressed("16UC1; compressedDepth rvl", bytes(12) + rvl(image))
    np.testing.assert_array_equal(decode_compressed_infrared(depth), image)


def test_counts_that_a_depth_encoder_dropped_are_told():
    dropped = np.where(DEEP > 8000, 0, DEEP).astype(np.uint16)
    depth = Compressed("16UC1; compressedDepth png", bytes(12) + encoded(".png", dropped))
    with pytest.raises(InputError, match="depth_max"):
        decode_compressed_infrared(depth)


@pytest.mark.parametrize("keep", range(8, 60, 3))
def test_a_truncated_rvl_image_is_refused(keep):
    data = bytes(12) + rvl(DEEP)[:keep]
    with pytest.raises(InputError, match="RVL image"):
        decode_compressed_infrared(Compressed("16UC1; compressedDepth rvl", data))


def zstd(samples: np.ndarray, encoding: str, big: bool = False) -> bytes:
    """As zstd_image_transport writes it."""
    image = message(samples, encoding, 2, big)
    name = encoding.encode()
    head = struct.pack("<IIBII", image.height, image.width, big, image.step, len(name)) + name
    return head + gzip.compress(image.data)


@pytest.mark.parametrize("big", [False, True])
def test_the_zstd_transport_is_read(big):
    counts = decode_compressed_infrared(Compressed("zstd", zstd(RAW, "mono16", big)))
    np.testing.assert_array_equal(counts, RAW)
    color = decode_compressed_visible(Compressed("zstd", zstd(RGB, "rgb8")))
    np.testing.assert_array_equal(color, RGB)


def test_the_zstd_transport_may_use_zstandard():
    zstandard = pytest.importorskip("zstandard")
    head = struct.pack("<IIBII", HEIGHT, WIDTH, False, 2 * WIDTH, len("mono16")) + b"mono16"
    data = head + zstandard.ZstdCompressor().compress(RAW.tobytes())
    np.testing.assert_array_equal(decode_compressed_infrared(Compressed("zstd", data)), RAW)
    with pytest.raises(InputError, match="bytes of data"):
        decode_compressed_infrared(Compressed("zstd", data[: len(head) + 9]))
    with pytest.raises(InputError, match=r"zstd image of .* bytes is damaged"):
        decode_compressed_infrared(Compressed("zstd", data[: len(head) + 4] + b"\xff" * 40))


def test_a_damaged_message_of_the_zstd_transport_is_refused():
    good = zstd(RAW, "mono16")
    for data in (good[:10], good[:25], good[:-30], good[:30] + bytes(40), good[:13] + good[60:]):
        with pytest.raises(InputError):
            decode_compressed_infrared(Compressed("zstd", data))


PNG = encoded(".png", RGB)
JPEG = encoded(".jpg", np.kron(GRAY, np.ones((16, 16), np.uint8)))


@pytest.mark.parametrize(
    ("image_format", "data", "words"),
    [
        ("16UC1; compressedDepth png", PNG, "compressedDepth"),
        ("jpeg", b"", "neither a JPEG nor a PNG"),
        ("jpeg", b"GIF89a" + bytes(40), "neither a JPEG nor a PNG"),
        ("png", PNG[: len(PNG) // 2], "truncated"),
        ("jpeg", JPEG[: len(JPEG) // 2], "truncated"),
        ("png", PNG[:40] + b"IEND", "damaged"),
        ("png", PNG[:16] + b"\x00\x00\x70\x00\x00\x00\x70\x00" + PNG[24:], "megapixels"),
        ("png", PNG[:16] + bytes(8) + PNG[24:], "0x0"),
    ],
)
def test_an_unusable_compressed_message_is_refused_with_a_sentence(image_format, data, words):
    for decode in (decode_compressed_visible, decode_compressed_infrared):
        with pytest.raises(InputError, match=words):
            decode(Compressed(image_format, data))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_an_image_written_to_a_message_reads_back(encoding):
    fields = image_fields(RGB, encoding)
    assert fields["step"] == 3 * WIDTH
    np.testing.assert_array_equal(decode_visible(Image(**fields)), RGB)


def test_writing_rgb8_copies_nothing():
    assert np.shares_memory(image_fields(RGB, "rgb8")["data"], RGB)


def test_a_compressed_image_written_to_a_message_reads_back():
    np.testing.assert_array_equal(
        decode_compressed_visible(Compressed(**compressed_fields(RGB, "png"))), RGB
    )
    smooth = np.full((32, 32, 3), (200, 90, 30), np.uint8)
    jpeg = decode_compressed_visible(Compressed(**compressed_fields(smooth, "jpeg")))
    assert np.abs(jpeg.astype(int) - smooth).max() < 6


@pytest.mark.parametrize("write", [image_fields, compressed_fields])
def test_an_unknown_output_encoding_is_refused(write):
    with pytest.raises(InputError, match="is not"):
        write(RGB, "mono8")
