"""JPEG files, decoded with simplejpeg in half the time that OpenCV takes, with the same pixels.

Both use libjpeg-turbo. OpenCV converts row by row, and what libjpeg finds wrong appears on stderr
only; simplejpeg raises it. Encoding of RGB is left to OpenCV: simplejpeg takes as long, and below a
quality of 96 has the cosine transform computed in the fast way, whose errors are larger
(findings/simplejpeg_fast_dct.sh).

Nearly all color JPEGs store luma, and chroma at half the resolution. Since the fusion changes luma
alone, such planes need not become RGB in between: that is faster, and the chroma stays exact.
Source: ITU-T T.81 (JPEG), annex B; ITU-T T.872, section 6.5.3 (the Adobe marker).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.native.planes import split_planes

Order = Literal["RGB", "BGR"]

RGB_QUALITY, PLANES_QUALITY = 95, 96
"""Of the files that are written, of 100: from RGB with OpenCV, from planes with simplejpeg."""

_COLORS = ("YCbCr", "RGB")
"""How three channels are stored; printers' four are left to OpenCV."""

_START = b"\xff\xd8"
_MARK, _LAST = b"\xff", (b"\xda", b"\xff", b"")
"""What a segment of the header begins with, and what its second byte is not: the first of a scan,
of filling, the end of the file."""

_JFIF, _ADOBE = 0xE0, 0xEE
"""Markers of the segments that say how colors are stored."""

_IS_RGB = b"\xff\xee\x00\x0eAdobe" + bytes([0, 100, 0, 0, 0, 0, 0])
"""An Adobe segment which says that they are stored as RGB."""


@dataclass(frozen=True, eq=False)
class JpegPlanes:
    """A color image as JPEG stores it with chroma subsampled 4:2:0; BT.601, full range.

    Attributes:
        luma: ``(H, W) uint8``, of even height and width.
        blue: Chroma Cb, ``(H / 2, W / 2) uint8``.
        red: Chroma Cr, likewise.
    """

    luma: UInt8Array
    blue: UInt8Array
    red: UInt8Array


def decode_jpeg(data: UInt8Array, order: Order) -> UInt8Array | None:
    """The image in a JPEG file, not rotated, whatever its EXIF says.

    Args:
        data: ``(N,) uint8``, the file.
        order: Order of the channels.

    Returns:
        ``(H, W, 3) uint8`` or, where only gray is stored, ``(H, W) uint8``. None where OpenCV has
        to decode it: it is no JPEG, has errors (which OpenCV names) or four channels, or simplejpeg
        is not installed.
    """
    if data[:2].tobytes() != _START:
        return None
    try:
        import simplejpeg
    except ImportError:
        return None
    try:
        colors = simplejpeg.decode_jpeg_header(data)[2]
        if colors == "Gray":
            return np.asarray(simplejpeg.decode_jpeg(data, "GRAY"))[..., 0]
        return np.asarray(simplejpeg.decode_jpeg(data, order)) if colors in _COLORS else None
    except ValueError:
        return None


def decode_planes(data: UInt8Array) -> JpegPlanes | None:
    """The planes of a color JPEG, not rotated, whatever its EXIF says.

    Args:
        data: ``(N,) uint8``, the file.

    Returns:
        The planes. None where `decode_jpeg` serves: for another kind of file or of subsampling, an
        odd height or width, errors, or if simplejpeg 1.8 or later is not installed.
    """
    if data[:2].tobytes() != _START:
        return None
    try:
        import simplejpeg
    except ImportError:
        return None
    if not hasattr(simplejpeg, "encode_jpeg_yuv_planes"):
        return None
    try:
        height, width, *stored = simplejpeg.decode_jpeg_header(data)
        if stored != ["YCbCr", "420"] or height % 2 or width % 2:
            return None
        # It converts to RGB, but for what is stored as RGB already.
        as_rgb = _labeled_rgb(data.data)
        if simplejpeg.decode_jpeg_header(as_rgb)[2] != "RGB":
            return None
        # Fast upsampling repeats each sample of chroma.
        pixels = np.asarray(simplejpeg.decode_jpeg(as_rgb, "RGB", fastupsample=True))
    except ValueError:
        return None
    return JpegPlanes(*split_planes(pixels))


def encode_planes(planes: JpegPlanes) -> bytes:
    """Encode what `decode_planes` gave, with other luma.

    Args:
        planes: The planes.

    Returns:
        The file, of `PLANES_QUALITY`.
    """
    import simplejpeg

    stored = map(np.ascontiguousarray, (planes.luma, planes.blue, planes.red))
    return bytes(simplejpeg.encode_jpeg_yuv_planes(*stored, PLANES_QUALITY))


def _labeled_rgb(content: memoryview) -> bytes:
    """A JPEG whose header says that its three channels are RGB."""
    parts: list[bytes | memoryview] = [_START, _IS_RGB]
    at = len(_START)
    # Of a header that is none the rest is kept as it is, for the decoder to refuse.
    while content[at : at + 1] == _MARK and content[at + 1 : at + 2] not in _LAST:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if content[at + 1] not in (_JFIF, _ADOBE):
            parts.append(content[at:end])
        at = end
    return b"".join((*parts, content[at:]))
