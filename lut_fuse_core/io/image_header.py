"""What the headers of image files say, without decoding them.

Of JPEG and PNG the size, and whether they are whole: a few bytes can announce gigabytes, and
decoders fill what is missing with gray.
Source: ITU-T T.81 (JPEG), section B.1.1; W3C Portable Network Graphics, section 5.
"""

from __future__ import annotations

import zlib

import numpy as np

from lut_fuse_core.arrays import UInt8Array

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8"
_JPEG_START_OF_SCAN = b"\xff\xda"
_JPEG_END = b"\xff\xd9"
_PNG_END = b"IEND"
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEFLATE_RATIO = 1032
"""Most bytes that Deflate can make of one."""

_BMP_RATIO = 255
"""Most pixels that BMP's run-length code makes of two bytes."""

_HEAD = 4096
"""Bytes from its frame header on in which the first scan of a JPEG begins, with few exceptions."""

_JPEG_PIXELS_PER_BYTE = 8192
"""More than a flat progressive JPEG has, which has some thousands."""

_SPECIAL_JPEGS = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "a hierarchical JPEG"),
    0xF7: "a JPEG-LS image",
}
"""What JPEGs with these frame headers are, none of which common decoders read."""

_OTHERS = (
    (0, b"\xff\x0a", "a JPEG XL image"),
    (4, b"JXL \r\n", "a JPEG XL image"),
    (4, b"ftyphei", "a HEIF image"),
    (4, b"ftypmif1", "a HEIF image"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftyp", "a video"),
    (0, b"v/1\x01", "an OpenEXR image"),
    (128, b"DICM", "a DICOM file"),
    (0, b"SIMPLE  =", "a FITS file"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"MATLAB 5.0", "a MATLAB file"),
    (0, b"PK\x03\x04", "a ZIP archive (.npz is one)"),
    (0, b"%PDF", "a PDF"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"RIFF", "a RIFF file"),
)
"""Where a mark stands in files of kinds that OpenCV does not read, or not in each build."""

_NOT_FRAME_HEADERS = (0xC4, 0xC8, 0xCC)
_JPEG_LS = 0xF7
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))


def encoded_size(data: UInt8Array) -> tuple[int, int] | None:
    """The size that the header of an image announces.

    Args:
        data: ``(N,) uint8``, the file.

    Returns:
        Width and height in pixels; None if it is neither JPEG nor PNG, or has no header.
    """
    if data[:8].tobytes() == _PNG_SIGNATURE and data.size >= 24:
        width, height = np.ndarray(2, ">u4", data[16:24].tobytes())
        return int(width), int(height)
    if data[:2].tobytes() == _JPEG_SIGNATURE:
        return _jpeg_size(data)
    return None


def kind_of_file(data: UInt8Array) -> str:
    """What a file is that is no image that can be decoded, with its article; empty if unknown.

    Args:
        data: ``(N,) uint8``, the file.
    """
    if data[:2].tobytes() == _JPEG_SIGNATURE and (at := _jpeg_frame(data)):
        marker, bits = int(data[at + 1]), int(data[at + 4])
        deep = f"a JPEG of {bits} bits per sample" if bits != 8 else ""
        return _SPECIAL_JPEGS.get(marker, deep)
    head = data[:512].tobytes()
    return next((kind for at, mark, kind in _OTHERS if head.startswith(mark, at)), "")


def is_plausible(data: UInt8Array) -> bool:
    """Whether a file can hold as many pixels as it announces, however well they are compressed.

    Decoders allocate memory for all of them first, and report damage on stderr only. The checksums
    of a PNG's chunks are verified, too.

    Args:
        data: ``(N,) uint8``, the file.

    Returns:
        False for a JPEG, PNG or BMP that cannot; True for all other formats.
    """
    if data[:2].tobytes() == b"BM" and data.size >= 30:
        width, height = (float(side) for side in np.ndarray(2, "<i4", data[18:26].tobytes()))
        return abs(width * height) * max(1, int(data[28])) / 8 <= _BMP_RATIO * data.size
    size = encoded_size(data)
    if size is None:
        return True
    pixels = size[0] * size[1]
    if data[:8].tobytes() != _PNG_SIGNATURE:
        return pixels <= _JPEG_PIXELS_PER_BYTE * data.size
    if data.size < 26:
        return False
    if not _chunks_are_intact(data):
        return False
    bits = int(data[24]) * _PNG_SAMPLES.get(int(data[25]), 1)
    return pixels * bits / 8 <= _DEFLATE_RATIO * data.size


def _chunks_are_intact(data: UInt8Array) -> bool:
    """Whether each chunk of a PNG has the length and the checksum that it says, up to the last."""
    content, at = data.tobytes(), 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        if end + 4 > len(content):
            return False
        if zlib.crc32(content[at + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            return False
        if content[at + 4 : at + 8] == _PNG_END:
            return True
        at = end + 4
    return False


def transparent_gray(data: UInt8Array) -> int | None:
    """The count that a gray PNG declares as transparent, as GDAL marks missing data.

    Args:
        data: ``(N,) uint8``, the file.

    Returns:
        The count; None if it declares none, or is no gray PNG.
    """
    head = data[:4096].tobytes()
    if not head.startswith(_PNG_SIGNATURE) or head[25:26] != b"\0":
        return None
    at = head.find(b"\0\0\0\2tRNS", 33, head.find(b"IDAT") if b"IDAT" in head else None)
    return int.from_bytes(head[at + 8 : at + 10], "big") if at > 0 else None


def is_animated(data: UInt8Array) -> bool:
    """Whether a file is a PNG or WebP of several frames, of which decoders silently take the first.

    Args:
        data: ``(N,) uint8``, the file.
    """
    head = data[:4096].tobytes()
    if head.startswith(_PNG_SIGNATURE):
        control = head.find(b"acTL", 8, head.find(b"IDAT") if b"IDAT" in head else None)
        return control > 0 and int.from_bytes(head[control + 4 : control + 8], "big") > 1
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP" and head.count(b"ANIM") > 0


def is_whole(data: UInt8Array) -> bool:
    """Whether a JPEG or PNG has its end marker.

    Args:
        data: ``(N,) uint8``, the file.
    """
    frame = _jpeg_frame(data)
    scan = data[frame : frame + _HEAD].tobytes().find(_JPEG_START_OF_SCAN)
    if frame and 0 <= scan < data.size - frame - 3 and data[-2:].tobytes() == _JPEG_END:
        return True  # as nearly always, without a copy of it all
    content = data.tobytes()
    if content.startswith(_PNG_SIGNATURE):
        return content.rfind(_PNG_END) > 0
    # Within the entropy-coded data a marker cannot occur by chance: 0xFF is followed by 0 there.
    # Looked for from the first scan on: cameras append more pictures, whole or not, to the one.
    start = content.find(_JPEG_START_OF_SCAN, frame)
    return start > 0 and (content.endswith(_JPEG_END, start) or content.find(_JPEG_END, start) > 0)


def _jpeg_size(data: UInt8Array) -> tuple[int, int] | None:
    """The size in the first frame header."""
    at = _jpeg_frame(data)
    if not at:
        return None
    height, width = np.ndarray(2, ">u2", data[at + 5 : at + 9].tobytes())
    return int(width), int(height)


def _jpeg_frame(data: UInt8Array) -> int:
    """Where the first frame header (marker SOFn) begins; 0 if there is none."""
    at, content = 2, data.data  # of which a byte takes a fifth of the time
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        elif marker == _JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAME_HEADERS):
            return at
        else:
            at += 2 + (content[at + 2] << 8 | content[at + 3])
    return 0
