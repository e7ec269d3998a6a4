"""Infrared image files of every kind: read right, or refused with the reason."""

from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_files import read_infrared, read_visible

tifffile = pytest.importorskip("tifffile")


def counts() -> np.ndarray:
    """``(96, 128) uint16``: a smooth ground, a warm body, noise of two counts."""
    y, x = np.mgrid[:96, :128]
    body = (x - 80) ** 2 + (y - 50) ** 2 < 400
    noise = np.random.default_rng(0).normal(0, 2, x.shape)
    return (29_300 + 2 * y + np.where(body, 1600, 0) + noise).astype(np.uint16)


def tiff(path: Path, image: np.ndarray, **options: object) -> Path:
    tifffile.imwrite(path, image, **options)
    return path


LOSSLESS = {
    "little-endian": {},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "tiles": {"tile": (32, 48)},
    "strips": {"rowsperstrip": 7},
    "deflate": {"compression": "zlib"},
    "deflate with predictor": {"compression": "zlib", "predictor": True},
}


@pytest.mark.parametrize("layout", LOSSLESS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.float32])
def test_tiff_of_any_layout_and_type_is_read_as_it_is(layout, dtype, tmp_path) -> None:
    image = (counts() - 29_200).clip(0, 255) if dtype is np.uint8 else counts()
    image = image.astype(dtype)
    path = tiff(tmp_path / "i.tif", image, photometric="minisblack", **LOSSLESS[layout])
    found = read_infrared(path)
    assert found.dtype == dtype
    assert np.array_equal(found, image)


@pytest.mark.parametrize("compression", ["zstd", "lzw", "jpeg2000", "lerc", "packbits"])
def test_compressed_tiff_is_read_with_imagecodecs(compression, tmp_path) -> None:
    pytest.importorskip("imagecodecs")
    options = {"photometric": "minisblack", "compression": compression}
    if compression == "jpeg2000":
        options["compressionargs"] = {"reversible": True, "level": 0}
    assert np.array_equal(read_infrared(tiff(tmp_path / "i.tif", counts(), **options)), counts())


def test_12_bits_packed_are_read(tmp_path) -> None:
    pytest.importorskip("imagecodecs")
    image = counts() >> 4
    try:
        path = tiff(tmp_path / "i.tif", image, bitspersample=12, photometric="minisblack")
    except NotImplementedError:
        pytest.skip("this imagecodecs packs no 12 bits")
    assert np.array_equal(read_infrared(path), image)


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_gray_in_three_channels_is_read_however_they_are_stored(planes, tmp_path) -> None:
    axis = -1 if planes == "contig" else 0
    image = np.stack([counts()] * 3, axis=axis)
    path = tiff(tmp_path / "i.tif", image, photometric="rgb", planarconfig=planes)
    assert np.array_equal(read_infrared(path), counts())
    assert np.array_equal(read_visible(path)[..., 1], counts() >> 8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_is_inverted_to_white_is_hot(dtype, tmp_path) -> None:
    image = (counts() >> (8 if dtype is np.uint8 else 0)).astype(dtype)
    path = tiff(tmp_path / "i.tif", np.iinfo(dtype).max - image, photometric="miniswhite")
    assert np.array_equal(read_infrared(path), image)


def test_transparent_pixels_are_not_seen(tmp_path) -> None:
    alpha = np.full(counts().shape, 65535, np.uint16)
    alpha[:, :20] = 0
    image = np.dstack([counts(), alpha])
    path = tiff(tmp_path / "i.tif", image, photometric="minisblack", extrasamples=["unassalpha"])
    found = read_infrared(path)
    assert not found[:, :20].any()
    assert np.array_equal(found[:, 20:], counts()[:, 20:])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_pixels_without_data_are_not_seen(dtype, tmp_path) -> None:
    image = counts().astype(dtype)
    image[:10] = 9999
    tag = (42113, "s", 0, "9999", True)
    path = tiff(tmp_path / "i.tif", image, photometric="minisblack", extratags=[tag])
    found = read_infrared(path)
    assert np.isnan(found[:10]).all() if dtype is np.float32 else not found[:10].any()
    assert np.array_equal(found[10:], image[10:])


def test_a_palette_in_the_file_is_followed(tmp_path) -> None:
    gray = (counts() - 29_200).clip(0, 255).astype(np.uint8)
    jet = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_JET)
    colormap = (jet[:, 0, ::-1].astype(np.uint16) * 257).T
    path = tiff(tmp_path / "i.tif", gray, photometric="palette", colormap=colormap)
    assert np.abs(read_infrared(path).astype(int) - gray).max() <= 2


def test_a_palette_of_16_bits_keeps_them(tmp_path) -> None:
    colormap = np.stack([np.arange(65_536)] * 3).astype(np.uint16)
    path = tiff(tmp_path / "i.tif", counts(), photometric="palette", colormap=colormap)
    assert np.array_equal(read_infrared(path), counts())


def ycbcr_tiff(path: Path, **options: object) -> Path:
    """Luma 120, and chroma of a red, uncompressed."""
    image = np.full((24, 32, 3), (120, 100, 180), np.uint8)
    return tiff(path, image, photometric="ycbcr", subsampling=(1, 1), **options)


def test_tiff_of_luma_and_chroma_is_converted(tmp_path) -> None:
    path = ycbcr_tiff(tmp_path / "i.tif")
    red = np.array([120 + 1.402 * 52, 120 + 0.344 * 28 - 0.714 * 52, 120 - 1.772 * 28])
    assert np.abs(read_visible(path) - red).max() <= 1.5


def test_tiff_of_luma_and_chroma_in_a_limited_range_is_refused(tmp_path) -> None:
    limited = (16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1)
    path = ycbcr_tiff(tmp_path / "i.tif", extratags=[(532, 5, 6, limited, True)])
    with pytest.raises(InputError, match="limited range"):
        read_visible(path)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_picture_that_moves_is_no_single_image(suffix, tmp_path) -> None:
    if not hasattr(cv2, "imwriteanimation"):
        pytest.skip("this OpenCV writes no animations")
    animation = cv2.Animation()
    animation.frames = [np.full((24, 32, 4), level, np.uint8) for level in (80, 160)]
    animation.durations = [100, 100]
    cv2.imwriteanimation(str(tmp_path / f"i{suffix}"), animation)
    with pytest.raises(InputError, match="several images"):
        read_infrared(tmp_path / f"i{suffix}")


def test_a_thumbnail_beside_the_image_does_not_matter(tmp_path) -> None:
    path = tmp_path / "i.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(counts(), photometric="minisblack")
        writer.write(counts()[::4, ::4], photometric="minisblack", subfiletype=1)
    assert np.array_equal(read_infrared(path), counts())


def frames_as_samples(path: Path) -> None:
    stack = np.dstack([counts(), counts()[::-1]])
    tiff(path, stack, photometric="minisblack", extrasamples=["unspecified"])


REFUSED = {
    "stack": (
        lambda path: tiff(path, np.stack([counts(), counts()[::-1]]), photometric="minisblack"),
        "2 images.*one image per file",
    ),
    "frames as samples": (frames_as_samples, "2 numbers per pixel"),
    "16-bit colors": (
        lambda path: tiff(
            path, np.dstack([counts(), counts()[::-1], counts()[:, ::-1]]), photometric="rgb"
        ),
        "colors of more than 8 bits",
    ),
    "premultiplied alpha": (
        lambda path: tiff(
            path,
            np.dstack([counts(), counts()]),
            photometric="minisblack",
            extrasamples=["assocalpha"],
        ),
        "without alpha",
    ),
    "CMYK": (
        lambda path: tiff(path, np.dstack([counts()] * 4).astype(np.uint8), photometric=5),
        "color space",
    ),
    "float where white is zero": (
        lambda path: tiff(path, counts().astype(np.float32), photometric="miniswhite"),
        "minisblack",
    ),
    "orientation": (
        lambda path: tiff(
            path, counts(), photometric="minisblack", extratags=[(274, "H", 1, 6, True)]
        ),
        "orientation of 6",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_tiff_that_is_no_one_image_of_intensities_is_refused(kind, tmp_path) -> None:
    write, reason = REFUSED[kind]
    write(tmp_path / "i.tif")
    with pytest.raises(InputError, match=reason):
        read_infrared(tmp_path / "i.tif")


def test_compressed_tiff_without_imagecodecs_says_what_to_install(tmp_path, monkeypatch) -> None:
    path = tiff(tmp_path / "i.tif", counts(), compression="zstd", photometric="minisblack")

    def missing(*_, **__):
        raise ValueError("<COMPRESSION.ZSTD: 50000> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", missing)
    with pytest.raises(InputError, match=r"ZSTD.*pip install imagecodecs"):
        read_infrared(path)


def png16(path: Path, image: np.ndarray, byte_order: str, color_type: int = 0) -> Path:
    """A PNG of 16 bits with the bytes of its samples in an order of ours."""
    height, width = image.shape[:2]
    rows = image.astype(f"{byte_order}u2").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(name + body))
        data += struct.pack(">I", len(body)) + name + body + checksum
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("byte_order", [">", "<"])
def test_png_is_read_in_either_byte_order(byte_order, tmp_path) -> None:
    assert np.array_equal(read_infrared(png16(tmp_path / "i.png", counts(), byte_order)), counts())


def test_pgm_is_read_in_either_byte_order(tmp_path) -> None:
    for byte_order in ("<", ">"):
        header = b"P5\n128 96\n65535\n"
        (tmp_path / "i.pgm").write_bytes(header + counts().astype(f"{byte_order}u2").tobytes())
        assert np.array_equal(read_infrared(tmp_path / "i.pgm"), counts())


@pytest.mark.parametrize(
    "image",
    [
        np.random.default_rng(0).integers(0, 65536, (96, 128)).astype(np.uint16),
        (counts() >> 8) << 8,
        counts() & 255,
        (counts() - 29_000) * 8,
        np.full((96, 128), 7000, np.uint16),
    ],
    ids=["noise", "high byte alone", "low byte alone", "left-aligned", "flat"],
)
def test_counts_in_the_right_order_are_left_alone(image, tmp_path) -> None:
    assert cv2.imwrite(str(tmp_path / "i.png"), image)
    assert np.array_equal(read_infrared(tmp_path / "i.png"), image)


def test_gray_png_with_alpha_is_read(tmp_path) -> None:
    alpha = np.full(counts().shape, 65535, np.uint16)
    alpha[:10] = 0
    path = png16(tmp_path / "i.png", np.dstack([counts(), alpha]), ">", color_type=4)
    found = read_infrared(path)
    assert not found[:10].any()
    assert np.array_equal(found[10:], counts()[10:])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_false_colors_are_read_from_any_format(suffix, tmp_path) -> None:
    gray = cv2.GaussianBlur((counts() - 29_200).clip(0, 255).astype(np.uint8), (0, 0), 3)
    assert cv2.imwrite(str(tmp_path / f"i{suffix}"), cv2.applyColorMap(gray, cv2.COLORMAP_JET))
    found = read_infrared(tmp_path / f"i{suffix}")
    assert np.corrcoef(found.ravel(), gray.ravel())[0, 1] > 0.97


def written(kind: str, path: Path) -> bytes:
    gray = (counts() - 29_200).clip(0, 255).astype(np.uint8)
    if kind.startswith("tiff"):
        floating = kind.startswith("tiff of floats")
        deflated = kind.endswith("deflate")
        options = {"byteorder": ">", "tile": (16, 16)} if floating and deflated else {}
        numbers = (counts() / 100 - 273.15).astype(np.float32) if floating else counts()
        compression = "zlib" if deflated else None
        tiff(path, numbers, photometric="minisblack", compression=compression, **options)
        return path.read_bytes()
    image = counts() if kind == ".png" else gray
    return cv2.imencode(kind, image)[1].tobytes()


FLOATS = ["tiff of floats", "tiff of floats, deflate"]


@pytest.mark.parametrize("kind", ["tiff", "tiff deflate", *FLOATS, ".png", ".jpg", ".webp"])
@pytest.mark.parametrize("read", [read_infrared, read_visible])
def test_damaged_files_are_refused_or_read_but_raise_nothing_else(kind, read, tmp_path) -> None:
    path = tmp_path / "i.bin"
    content = written(kind, path)
    rng = np.random.default_rng(1)
    for length in np.linspace(1, len(content) - 1, 50).astype(int):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            read(path)
    for _ in range(100):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), 4):
            damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            assert read(path).size <= 1 << 27


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xd8\xff\xc1\x00\x0b\x0c\0\x10\0\x10\x01\x01\x11\0", "a JPEG of 12 bits per sample"),
        (b"\xff\xd8\xff\xc3\x00\x0b\x10\0\x10\0\x10\x01\x01\x11\0", "a lossless JPEG"),
        (b"\xff\xd8\xff\xf7\x00\x0b\x10\0\x10\0\x10\x01\x01\x11\0", "a JPEG-LS image"),
        (b"\xff\x0a", "a JPEG XL image"),
        (b"\0\0\0\x18ftypheic", "a HEIF image"),
        (b"\0" * 128 + b"DICM", "a DICOM file"),
        (b"PK\x03\x04", "a ZIP archive"),
    ],
)
def test_images_of_other_kinds_are_refused_by_name(content, kind, tmp_path) -> None:
    path = tmp_path / "i.png"
    path.write_bytes(content + b"\xff\xda" + bytes(200) + b"\xff\xd9")
    with pytest.raises(InputError, match=f"it is {kind}.*, which is not read here; save it as PNG"):
        read_infrared(path)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_pgm_of_text_is_read(end, tmp_path) -> None:
    rows = "\n".join(" ".join(map(str, row)) for row in counts().tolist())
    height, width = counts().shape
    (tmp_path / "i.pgm").write_text(f"P2\n# by hand\n{width} {height}\n65535\n{rows}{end}")
    np.testing.assert_array_equal(read_infrared(tmp_path / "i.pgm"), counts())


def test_the_transparent_count_of_a_gray_png_is_not_seen(tmp_path) -> None:
    image = counts()
    image[:, :5] = 7
    data = cv2.imencode(".png", image)[1].tobytes()
    chunk = b"tRNS" + (7).to_bytes(2, "big")
    mark = (2).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    (tmp_path / "i.png").write_bytes(data[:33] + mark + data[33:])
    image[:, :5] = 0
    np.testing.assert_array_equal(read_infrared(tmp_path / "i.png"), image)


@pytest.mark.parametrize(
    ("tile", "compression", "why"),
    [(True, "zlib", "fewer parts"), (False, "zlib", "cannot hold"), (False, None, "truncated")],
)
def test_a_tiff_that_says_it_is_larger_than_its_data_is_refused(
    tile, compression, why, tmp_path
) -> None:
    path = tmp_path / "i.tif"
    shape = {"tile": (16, 16)} if tile else {}
    tiff(path, counts(), photometric="minisblack", compression=compression, **shape)
    with tifffile.TiffFile(path, mode="r+") as file:
        for code in (256, 257) if tile else (256,):
            file.pages[0].tags[code].overwrite(10_000 if tile else 1 << 20)
    with pytest.raises(InputError, match=why):
        read_infrared(path)


@pytest.mark.parametrize("read", [read_infrared, read_visible])
def test_a_jpeg_that_its_decoder_bridges_with_errors_is_refused(read, tmp_path, capfd) -> None:
    """libjpeg fills what it cannot decode, and says so on stderr only."""
    data = bytearray(written(".jpg", tmp_path / "i.jpg"))
    middle = len(data) * 2 // 3
    data[middle : middle + 2] = b"\xff\xd9"  # the end of an image
    (tmp_path / "i.jpg").write_bytes(data)
    with pytest.raises(InputError, match=r"i.jpg: it is damaged: its decoder reports 'Corrupt"):
        read(tmp_path / "i.jpg")
    assert capfd.readouterr().err == ""


def test_a_jpeg_with_a_damaged_header_says_nothing_but_a_sentence(tmp_path, capfd) -> None:
    data = bytearray(written(".jpg", tmp_path / "i.jpg"))
    data[data.index(b"JFIF\0") + 5] = 154  # the revision
    (tmp_path / "i.jpg").write_bytes(data)
    with pytest.raises(InputError, match="unknown JFIF revision"):
        read_infrared(tmp_path / "i.jpg")
    assert capfd.readouterr().err == ""
