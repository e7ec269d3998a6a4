"""Decoded frames to arrays: full depth, the right range, the right colors."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from videos import encode

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.video_pixels import InfraredPixels, VisiblePixels
from lut_fuse_core.io.video_reader import VideoReader

HEIGHT, WIDTH = 48, 70
RAMP = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)


def counts(bits: int) -> np.ndarray:
    """A ramp over the whole range of so many bits."""
    return (RAMP * ((1 << bits) - 1) // RAMP.max()).astype(np.uint8 if bits == 8 else np.uint16)


def infrared(path: Path) -> np.ndarray:
    return next(iter(VideoReader(path, InfraredPixels()))).image


def visible(path: Path) -> np.ndarray:
    return next(iter(VideoReader(path, VisiblePixels()))).image


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "bits"),
    [
        *(("v.mkv", "ffv1", f"gray{bits}le", bits) for bits in (9, 10, 12, 14, 16)),
        *(("v.nut", "rawvideo", f"gray{bits}be", bits) for bits in (10, 12, 14, 16)),
        ("v.avi", "ffv1", "gray16le", 16),
        ("v.mov", "png", "gray16be", 16),
        ("v.avi", "png", "gray16be", 16),
        ("v.mkv", "ffv1", "gray", 8),
        ("v.avi", "png", "gray", 8),
    ],
)
def test_gray_counts_come_as_they_were_recorded(tmp_path, name, codec, pixels, bits):
    path = encode(tmp_path / name, [counts(bits)], codec, pixels)
    found = infrared(path)
    assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
    np.testing.assert_array_equal(found, counts(bits))


@pytest.mark.parametrize("bits", [10, 12])
def test_lossless_hevc_keeps_gray_counts_whatever_range_it_is_tagged_with(tmp_path, bits):
    options = {"x265-params": "lossless=1:log-level=none"}
    path = encode(tmp_path / "v.hevc", [counts(bits)], "libx265", f"gray{bits}le", options=options)
    np.testing.assert_array_equal(infrared(path), counts(bits))


def luma_only(frame: av.VideoFrame, image: np.ndarray) -> None:
    kind = image.dtype
    for index, plane in enumerate(frame.planes):
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
        rows[:] = {8: 128, 10: 512, 12: 2048}[int(image.max()).bit_length()] if index else 0
        if not index:
            rows[:, : image.shape[1]] = image


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_color_formats_give_their_luma(tmp_path, bits):
    path = encode(tmp_path / "v.mkv", [counts(bits)], "ffv1", f"yuv420p{bits}le", fill=luma_only)
    np.testing.assert_array_equal(infrared(path), counts(bits))


def gray_channels(frame: av.VideoFrame, image: np.ndarray) -> None:
    for plane in frame.planes:
        np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : image.shape[1]] = image


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_gray_stored_as_deep_rgb_is_its_counts(tmp_path, bits):
    path = encode(tmp_path / "v.mkv", [counts(bits)], "ffv1", f"gbrp{bits}le", fill=gray_channels)
    np.testing.assert_array_equal(infrared(path), counts(bits))


def test_gray_stored_as_packed_16_bit_rgb_is_its_counts(tmp_path):
    packed = np.repeat(counts(16)[..., None], 3, axis=2)
    path = encode(tmp_path / "v.avi", [packed], "png", "rgb48be")
    np.testing.assert_array_equal(infrared(path), counts(16))


@pytest.mark.parametrize(
    ("pixels", "codec", "name"), [("yuv420p", "ffv1", "v.mkv"), ("yuvj420p", "mjpeg", "v.avi")]
)
def test_8_bit_luma_spans_black_to_white_in_limited_and_in_full_range(
    tmp_path, pixels, codec, name
):
    dark_to_bright = np.repeat(np.repeat(np.arange(0, 256, 8, np.uint8)[None], 48, 0), 8, 1)
    path = encode(tmp_path / name, [dark_to_bright], codec, pixels, layout="gray",
                  options={"qmin": "1", "qmax": "1"} if codec == "mjpeg" else None)  # fmt: skip
    assert np.abs(infrared(path).astype(int) - dark_to_bright).max() <= 3
    assert np.abs(visible(path).astype(int) - dark_to_bright[..., None]).max() <= 4


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "layout"),
    [
        ("v.nut", "png", "rgba", "rgb24"),
        ("v.mkv", "ffv1", "bgra", "rgb24"),
        ("v.mkv", "ffv1", "gbrp10le", "rgb24"),
        ("v.mkv", "ffv1", "gbrp16le", "rgb24"),
        ("v.mkv", "ffv1", "yuv444p", "rgb24"),
        ("v.mkv", "ffv1", "yuv444p10le", "rgb24"),
        ("v.mkv", "ffv1", "yuv444p16le", "rgb24"),
    ],
)
def test_colors_of_any_format_are_right(tmp_path, name, codec, pixels, layout):
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2], image[:, WIDTH // 2 :] = (219, 36, 85), (36, 182, 170)
    path = encode(tmp_path / name, [image], codec, pixels, layout=layout)
    assert np.abs(visible(path).astype(int) - image).max() <= 3


def test_the_palette_of_a_gif_is_looked_up(tmp_path):
    indices = np.zeros((HEIGHT, WIDTH), np.uint8)  # three bits of red, three of green, two of blue
    indices[:, : WIDTH // 2], indices[:, WIDTH // 2 :] = 0b110_001_01, 0b001_101_10
    path = encode(tmp_path / "v.gif", [indices], "gif", "rgb8")
    assert np.abs(visible(path)[0, 0].astype(int) - (219, 36, 85)).max() <= 3
    assert np.abs(visible(path)[0, -1].astype(int) - (36, 182, 170)).max() <= 3


FALSE_COLOR = {
    "v.avi": ("mjpeg", "yuvj444p", {"qmin": "1", "qmax": "2"}),
    "v.mkv": ("ffv1", "bgr0", {}),
    "v.mp4": ("libx264", "yuv444p", {"crf": "8"}),
    "deep.mkv": ("ffv1", "yuv444p10le", {}),
}


@pytest.mark.parametrize("name", FALSE_COLOR)
def test_false_colors_become_the_intensities_they_stand_for(tmp_path, name):
    ramp = np.repeat(np.repeat(np.arange(0, 256, 4, np.uint8)[None], 64, 0), 4, 1)
    colored = cv2.applyColorMap(ramp, cv2.COLORMAP_JET)[..., ::-1].copy()
    codec, pixels, options = FALSE_COLOR[name]
    path = encode(tmp_path / name, [colored], codec, pixels, layout="rgb24", options=options)
    assert np.abs(infrared(path).astype(int) - ramp).mean() < 8


def test_raw_counts_in_avi_which_knows_no_such_pixels_are_refused(tmp_path, rng):
    counts_ = (29_000 + rng.normal(0, 60, (48, 64))).astype(np.uint16)
    path = encode(tmp_path / "v.avi", [counts_], "rawvideo", "gray16le")
    with pytest.raises(InputError, match=r"declared as rgb555le.*if they are 16-bit counts"):
        infrared(path)


def test_a_format_that_ffmpeg_does_not_know_is_refused_as_that(tmp_path):
    path = encode(tmp_path / "v.avi", [counts(8)[:, :64]], "rawvideo", "gray")
    content = path.read_bytes()
    for tag in (b"Y800", b"GREY", b"Y8  "):
        content = content.replace(tag, b"Zq7!")
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot decode"):
        infrared(path)


def test_colors_of_no_palette_are_refused_as_infrared(tmp_path, rng):
    noise = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    path = encode(tmp_path / "v.mkv", [noise], "ffv1", "bgr0", layout="rgb24")
    with pytest.raises(InputError, match="no known palette"):
        infrared(path)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_visible_video_of_more_than_8_bits_keeps_its_upper_8(tmp_path, bits):
    path = encode(tmp_path / "v.mkv", [counts(bits)], "ffv1", f"gray{bits}le")
    expected = counts(bits).astype(float) / ((1 << bits) - 1) * 255
    assert np.abs(visible(path)[..., 1] - expected).max() <= 1.5


@pytest.mark.parametrize(("matrix", "number"), [("BT.709", 1), ("BT.601", 6)])
def test_colors_follow_the_matrix_that_a_video_is_tagged_with(tmp_path, matrix, number):
    color = np.full((HEIGHT, 64, 3), (200, 50, 30), np.uint8)
    frame = av.VideoFrame.from_ndarray(color, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=number, dst_color_range=1
    )
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, HEIGHT, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = number, 1
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert np.abs(visible(tmp_path / "v.mp4").astype(int) - color).max() <= 2, matrix


def converted(image: np.ndarray, layout: str, *pixels: str) -> av.VideoFrame:
    """An image as a frame, through one pixel format after the other."""
    frame = av.VideoFrame.from_ndarray(image, format=layout)
    for each in pixels:
        frame = frame.reformat(format=each, threads=1)
    return frame


@pytest.mark.parametrize(
    ("packed", "planar"),
    [
        ("y210le", "yuv422p10le"),
        ("y212le", "yuv422p12le"),
        ("v30xle", "yuv444p10le"),
        ("xv30le", "yuv444p10le"),
        ("xv36be", "yuv444p12le"),
        ("xv48le", "yuv444p16le"),
        ("ayuv64le", "yuv444p16le"),
    ],
)
def test_luma_that_is_packed_with_chroma_is_the_same_as_in_a_plane(packed, planar):
    expected = InfraredPixels()(converted(counts(16), "gray16le", planar))
    found = InfraredPixels()(converted(counts(16), "gray16le", planar, packed))
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 600


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv411p", "yuva444p", "nv12"])
@pytest.mark.parametrize("size", [(640, 48), (33, 17)])
@pytest.mark.parametrize("tag", [0, 1, 2])
def test_8_bit_luma_is_what_swscale_makes_of_it(rng, pixels, size, tag):
    width, height = size
    frame = av.VideoFrame(width, height, pixels)
    for plane in frame.planes:
        plane.update(rng.integers(0, 256, plane.buffer_size, dtype=np.uint8))
    for plane in frame.planes[1:3]:  # no palette's colors
        plane.update(np.full(plane.buffer_size, 128, np.uint8))
    frame.color_range = tag
    expected = frame.reformat(format="gray", threads=1).to_ndarray()
    np.testing.assert_array_equal(InfraredPixels()(frame), expected)


@pytest.mark.parametrize("width", [640, 33])
def test_pixels_stay_while_the_video_goes_on(width):
    image = np.arange(16 * width * 3, dtype=np.uint32).reshape(16, width, 3).astype(np.uint8)
    convert = VisiblePixels()
    first = convert(converted(image, "rgb24", "gbrp"))
    for _ in range(20):
        convert(converted(255 - image, "rgb24", "gbrp"))
    np.testing.assert_array_equal(first, image)


@pytest.mark.parametrize("pixels", ["x2rgb10le", "x2bgr10le", "xyz12le"])
def test_packed_colors_of_10_and_12_bits_rise_with_the_counts(pixels):
    found = InfraredPixels()(converted(counts(16), "gray16le", pixels)).ravel().astype(int)
    assert (np.diff(found) >= -1).all()
    assert len(np.unique(found)) > 600


@pytest.mark.parametrize("pixels", ["rgb565", "bgr565", "rgb555", "bgr555"])
def test_16_bit_colors_are_the_same_in_either_byte_order(pixels):
    image = np.zeros((HEIGHT, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (216, 36, 80), (32, 184, 168)
    little = converted(image, "rgb24", f"{pixels}le")
    big = av.VideoFrame(64, HEIGHT, f"{pixels}be")
    big.planes[0].update(np.frombuffer(little.planes[0], "<u2").byteswap())
    found = VisiblePixels()(big)
    np.testing.assert_array_equal(found, VisiblePixels()(little))
    assert np.abs(found.astype(int) - image).max() <= 12


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_jpeg_2000_of_fewer_bits_comes_scaled_to_16(tmp_path, bits):
    """Alike for all frames, so that the running range is right; counts for a fixed one are not."""
    frame = (np.arange(48 * 64).reshape(48, 64) % (1 << bits)).astype(np.uint16)
    path = encode(
        tmp_path / "v.mkv", [frame] * 2, "jpeg2000", f"gray{bits}le", options={"pred": "1"}
    )
    np.testing.assert_array_equal(infrared(path), frame << (16 - bits))


@pytest.mark.parametrize(("pixels", "kind"), [("grayf32le", "<f4"), ("grayf16be", ">f2")])
def test_floating_point_gray_is_read_as_it_is(pixels, kind):
    celsius = (20 + RAMP / 300).astype(kind)
    frame = av.VideoFrame(WIDTH, HEIGHT, pixels)
    rows = np.frombuffer(frame.planes[0], kind).reshape(HEIGHT, -1)
    rows[:, :WIDTH] = celsius
    found = InfraredPixels()(frame)
    assert found.dtype == np.dtype(kind).newbyteorder("=")
    np.testing.assert_array_equal(found, celsius)


@pytest.mark.parametrize("pixels", ["gbrpf32le", "gbrpf16le", "rgbf16le"])
def test_floating_point_colors_are_refused(pixels):
    with pytest.raises(InputError, match=r"floating-point numbers.*gray16le"):
        InfraredPixels()(av.VideoFrame(64, 48, pixels))


@pytest.mark.parametrize("convert", [VisiblePixels(), InfraredPixels()])
def test_pixels_that_ffmpeg_does_not_convert_are_refused(convert):
    with pytest.raises(InputError, match="are rgb4, which FFmpeg does not convert"):
        convert(av.VideoFrame(64, 48, "rgb4"))
