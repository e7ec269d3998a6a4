"""JPEG files of HIKMICRO and Hikvision cameras: their counts in a block behind the picture."""

from __future__ import annotations

import struct

import numpy as np

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.thermal.thermal_image import ThermalImage, check_thermal_size

_MARK = b"HDRI"
_SIZES = 12  # in the block: width, height, bytes of data
_DATA = 44


def is_hikmicro(content: bytes) -> bool:
    """Whether a file is a JPEG with a block of sensor counts.

    Args:
        content: The file.
    """
    return content[:2] == b"\xff\xd8" and _block(content) >= 0


def read_hikmicro(content: bytes) -> ThermalImage:
    """The sensor counts in a JPEG.

    They rise with the temperature; the makers do not publish how to convert them.

    Args:
        content: The file.

    Returns:
        Counts, uint16; without a photo.

    Raises:
        InputError: For a truncated file.
    """
    at = _block(content)
    width, height, size = struct.unpack_from("<III", content, at + _SIZES)
    check_thermal_size(width, height)
    data = content[at + _DATA : at + _DATA + 2 * width * height]
    if len(data) < 2 * width * height or size < len(data):
        raise InputError("it is truncated: its counts are missing")
    return ThermalImage(np.frombuffer(data, "<u2").reshape(height, width).astype(np.uint16))


def _block(content: bytes) -> int:
    """Where the block begins, -1 without one. In image data its mark may occur by chance."""
    at = content.rfind(_MARK)
    while at >= 0:
        if at + _DATA <= len(content):
            width, height, size = struct.unpack_from("<III", content, at + _SIZES)
            if 16 <= width <= 4096 and 16 <= height <= 4096 and size >= 2 * width * height:
                return at
        at = content.rfind(_MARK, 0, at)
    return -1
