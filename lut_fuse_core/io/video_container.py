"""Whether a video file goes on to the end that its own headers announce.

Decoders end without a word where a file does. Source: RIFF (AVI), Microsoft Multimedia Programming
Interface 1.0, chapter 2; ISO/IEC 14496-12 (MP4, MOV), section 4.2; RFC 8794 and 9559 (MKV, WebM).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


def is_cut_short(path: Path) -> bool:
    """Whether there is less of an AVI, MP4, MOV, MKV or WebM file than it says itself.

    False for other formats, and for recordings that never noted their length.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            start = file.read(12)
            if start[:4] == b"RIFF":
                return int.from_bytes(start[4:8], "little") + 8 > size
            if start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
                return _end_of_boxes(file, size) > size
            if int.from_bytes(start[:4], "big") == _EBML:
                return _end_of_segment(file) > size
        except (struct.error, IndexError):
            return True  # a header itself is cut
    return False


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    at = 0
    while at < size:
        file.seek(at)
        (length,) = struct.unpack(">I4x", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
        if length < 8:  # 0: to the end of the file, wherever that is
            return size
        at += length
    return at


def _end_of_segment(file: BinaryIO) -> int:
    file.seek(4)
    file.seek(_length(file) or 0, 1)
    if int.from_bytes(file.read(4), "big") != _SEGMENT:
        return 0
    length = _length(file)
    return 0 if length is None else file.tell() + length


def _length(file: BinaryIO) -> int | None:
    """A variable-size integer; None stands for unknown, all of its bits set."""
    first = file.read(1)[0]
    width = 9 - first.bit_length()
    bits = 7 * width
    value = int.from_bytes(bytes([first]) + file.read(width - 1), "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
