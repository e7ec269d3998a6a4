"""`sensor_msgs/CompressedImage` to samples: what image_transport's plugins put into it.

``compressed`` (JPEG, PNG, TIFF), ``compressedDepth`` (PNG, RVL) and ``zstd``, and the WebP of
Foxglove's messages.
Source: ros-perception/image_transport_plugins.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.decoder import decode
from lut_fuse_core.io.image_encodings import (
    LAYOUTS,
    AnyArray,
    check_size,
    samples_of,
    to_gray,
)
from lut_fuse_core.io.image_header import encoded_size, is_whole
from lut_fuse_core.io.jpeg import decode_jpeg
from lut_fuse_core.io.message_data import bytes_of
from lut_fuse_core.io.rvl import decode_rvl
from lut_fuse_core.io.tiff_files import MARKS as TIFF_MARKS
from lut_fuse_core.io.tiff_files import read_tiff_samples
from lut_fuse_core.libraries.opencv import cv2

DEPTH_HEADER = 12
"""Bytes in front of a compressedDepth image: a format and two quantization parameters."""

LOST_TO_DEPTH = 0.01
"""Share of zeros above which the encoder of a compressedDepth image is taken to have dropped
counts: it writes zero for whatever exceeds its ``depth_max``."""

_ZSTANDARD = b"\x28\xb5\x2f\xfd"

_ZSTD_HEADER = struct.Struct("<IIBII")


class CompressedImageMessage(Protocol):
    """The fields of `sensor_msgs/msg/CompressedImage`."""

    format: str
    data: Any


@dataclass(frozen=True)
class RawImage:
    """A raw image message, with the fields of `sensor_msgs/msg/Image`.

    Attributes:
        height: In pixels.
        width: In pixels.
        encoding: A name of sensor_msgs.
        is_bigendian: 1 for big-endian samples.
        step: Bytes per row.
        data: Bytes of the samples, row by row: bytes or ``(N,) uint8``.
    """

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


def decompress(message: CompressedImageMessage) -> tuple[AnyArray, str]:
    """The image as it was handed to the codec.

    Args:
        message: The compressed image.

    Returns:
        Its samples and their order, see `samples_of`.

    Raises:
        InputError: For a damaged image, or one whose encoder has lost what the camera saw.
    """
    name = message.format.strip()
    data = bytes_of(message.data)
    if "compressedDepth" in name:
        return _depth(data, name), "gray"
    if name == "zstd":
        return samples_of(_zstd(data))
    image = _decode(data, name)
    original, codec = _parts(name)
    layout = LAYOUTS.get(original)
    if image.ndim == 2:
        # Since 2021 the plugin makes gray of a mosaic before it hands it to JPEG, and says mono8.
        is_mosaic = layout is not None and layout.order.startswith("bayer")
        if layout is not None and is_mosaic and codec != "mono8":
            return image, layout.order
        if _is_jpeg(data) and original in ("mono16", "16UC1", "16SC1") and codec != "mono8":
            raise InputError(
                f"a JPEG of {original} images ('{name}') holds nothing above 255: its encoder cut "
                "it off; record the raw topic, or set the plugin's format to png"
            )
        return image, "gray"
    if _is_tiff(data) and layout is not None and layout.channels == image.shape[2]:
        return image, layout.order  # the plugin hands samples to TIFF in the order they have
    if image.shape[2] > 4:
        raise InputError(
            f"a compressed image of format '{name}' holds {image.shape[2]} numbers per pixel; a "
            "color image has 3 or 4"
        )
    # image_transport notes the order of the samples it handed to the codec, which assumes bgr.
    order = "rgb" if codec.startswith("rgb") else "bgr"
    return image, order if image.shape[2] == 3 else f"{order}a"


def infrared_samples(message: CompressedImageMessage) -> AnyInfrared:
    """The raw infrared image in a compressed message.

    A JPEG of 16-bit counts gives uint16 again, with 256 different values at most.

    Args:
        message: The compressed image.

    Returns:
        ``(H, W)`` uint8, uint16, int16 or float32, see `to_gray`.

    Raises:
        InputError: As `decompress` and `to_gray`.
    """
    raw = to_gray(*decompress(message))
    if raw.dtype == np.uint8 and is_coarse(message.format):
        return raw.astype(np.uint16) * 257
    return raw


def is_coarse(name: str) -> bool:
    """Whether 16-bit counts were reduced to 8 bits, in steps of 256 counts.

    Args:
        name: The message's ``format``.
    """
    original, codec = _parts(name.strip())
    return original == "mono16" and "jpeg" in name and codec == "mono8"


def _parts(name: str) -> tuple[str, str]:
    """What was published and what was encoded, of a format like ``mono16; jpeg compressed mono8``:
    ``mono16`` and ``mono8``."""
    original, _, rest = name.partition(";")
    return original.strip(), rest.partition("compressed")[2].strip()


def _is_jpeg(data: UInt8Array) -> bool:
    return data[:2].tobytes() == b"\xff\xd8"


def _is_tiff(data: UInt8Array) -> bool:
    return data[:4].tobytes() in TIFF_MARKS


def _is_webp(data: UInt8Array) -> bool:
    return data[:4].tobytes() == b"RIFF" and data[8:12].tobytes() == b"WEBP"


def _decode(data: UInt8Array, name: str) -> AnyArray:
    size = encoded_size(data)
    if size is not None:
        check_size(*size)
        whole = is_whole(data)
    elif _is_tiff(data) or _is_webp(data):
        whole = True  # their decoders refuse what is not
    else:
        raise InputError(
            f"a compressed image of format '{name}' holds neither a JPEG nor a PNG, TIFF or WebP"
        )
    image = _samples(data) if whole else None
    if image is None or image.dtype not in (np.uint8, np.uint16, np.int16, np.float32):
        raise InputError(f"a compressed image of {data.size} bytes is damaged or truncated")
    check_size(image.shape[1], image.shape[0])
    return image


def _samples(data: UInt8Array) -> AnyArray | None:
    """Decoded samples; None if they cannot be decoded."""
    if _is_tiff(data):
        # OpenCV silently scrambles some layouts; it is used on robots without tifffile.
        with suppress(ModuleNotFoundError):
            return read_tiff_samples(data.tobytes())
    pixels = decode_jpeg(data, "BGR")
    return decode(data, cv2.IMREAD_UNCHANGED) if pixels is None else pixels


def _depth(data: UInt8Array, name: str) -> AnyArray:
    """16-bit counts that were sent as depth, ``(H, W) uint16``."""
    original = name.partition(";")[0].strip()
    if original not in ("16UC1", "mono16"):
        raise InputError(
            f"a compressedDepth image of {original or 'unknown'} pixels holds quantized distances, "
            "not intensities; choose a topic with JPEG, PNG or TIFF images"
        )
    content = data[DEPTH_HEADER:]
    counts = decode_rvl(content) if "rvl" in name else _decode(content, name)
    if counts.ndim != 2 or counts.dtype != np.uint16:
        raise InputError(f"a compressedDepth image of {data.size} bytes holds no 16-bit counts")
    lost = 1 - np.count_nonzero(counts) / counts.size
    if lost > LOST_TO_DEPTH:
        raise InputError(
            f"{lost:.0%} of a compressedDepth image are zero: its encoder drops counts above its "
            "depth_max (10 means 10000 counts); set it to 65.535, or record the raw topic"
        )
    return counts


def _zstd(data: UInt8Array) -> RawImage:
    """The raw image in a message of zstd_image_transport, which in fact uses Deflate; other
    programs compress the same layout with Zstandard."""
    content = data.tobytes()
    if len(content) < _ZSTD_HEADER.size:
        raise InputError(f"a zstd image of {len(content)} bytes is truncated")
    height, width, big, step, length = _ZSTD_HEADER.unpack_from(content)
    start = _ZSTD_HEADER.size + length
    if length > 64 or start > len(content):
        raise InputError(f"a zstd image of {len(content)} bytes is damaged")
    encoding = content[_ZSTD_HEADER.size : start].decode(errors="replace")
    check_size(width, height)
    layout = LAYOUTS.get(encoding)
    most = int(height * step * (layout.rows if layout else 1))
    if step > 64 * width:
        raise InputError(f"an image says its rows of {width} pixels take {step} bytes")
    return RawImage(height, width, encoding, big, step, _inflated(content[start:], most))


def _inflated(packed: bytes, most: int) -> bytes:
    try:
        if not packed.startswith(_ZSTANDARD):
            return zlib.decompressobj(wbits=47).decompress(packed, most)
        import zstandard

        return bytes(zstandard.ZstdDecompressor().stream_reader(packed).read(most))
    except ModuleNotFoundError:
        raise InputError(
            "a zstd image is compressed with Zstandard; run 'pip install zstandard'"
        ) from None
    # The error of zstandard is known by this name only once it is imported.
    except Exception as error:
        raise InputError(f"a zstd image of {len(packed)} bytes is damaged ({error})") from None
