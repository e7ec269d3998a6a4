"""DJI's R-JPEG files, read with dji-thermal-cli, a port of DJI's own SDK."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.thermal.thermal_image import (
    ThermalImage,
    check_thermal_size,
    guarded,
    known_temperatures,
)

LEAST_PYTHON = (3, 12)
"""The oldest Python that dji-thermal-cli runs on."""

_LEAST_RAW_BYTES = 20_000


def is_dji(content: bytes) -> bool:
    """Whether a file is a JPEG of DJI's with a thermal image, in segments APP3 and sometimes APP4.

    Args:
        content: The file.
    """
    if content[:2] != b"\xff\xd8" or b"DJI" not in content[:4096]:
        return False
    at, raw = 2, 0
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        length = content[at + 2] << 8 | content[at + 3]
        raw += length if content[at + 1] in (0xE3, 0xE4) else 0
        at += 2 + length
    return raw > _LEAST_RAW_BYTES


def read_dji(content: bytes) -> ThermalImage:
    """The temperatures in an R-JPEG; DJI saves the photo as another file.

    Args:
        content: The file.

    Returns:
        Degrees Celsius, NaN where there is no temperature; without a photo.

    Raises:
        InputError: For a damaged file, or a Python that the reader does not run on.
        ModuleNotFoundError: If dji-thermal-cli is not installed.
    """
    if sys.version_info < LEAST_PYTHON:
        raise InputError(
            "it is a radiometric JPEG of DJI, which is read with dji-thermal-cli, and that needs "
            "Python 3.12; run this there, or convert it to TIFF with DJI's Thermal Analysis Tool"
        )
    import tempfile

    import dji_thermal_cli

    with guarded("DJI"), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.jpg"
        path.write_bytes(content)
        celsius = np.asarray(dji_thermal_cli.measure(path).temperature, np.float32)
        check_thermal_size(celsius.shape[1], celsius.shape[0])
    return ThermalImage(known_temperatures(celsius))
