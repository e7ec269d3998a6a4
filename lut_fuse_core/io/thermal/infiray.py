"""InfiRay's .irg files, read with infiray-irg."""

from __future__ import annotations

import struct
import warnings

import numpy as np

from lut_fuse_core.io.thermal.thermal_image import (
    ThermalImage,
    check_thermal_size,
    guarded,
    known_temperatures,
)

MARKS = (b"\xca\xac", b"\xba\xab", b"\x04\xa0")
"""How the files of the camera families begin."""

_SIZE = 8  # in the header: height and width


def is_infiray(content: bytes, suffix: str) -> bool:
    """Whether a file is InfiRay's, by its suffix and its first two bytes.

    Args:
        content: The file.
        suffix: Suffix of its name, in lower case.
    """
    return suffix == ".irg" and content[:2] in MARKS


def read_infiray(content: bytes) -> ThermalImage:
    """The temperatures in an .irg file, and the photo of cameras that take one.

    Args:
        content: The file.

    Returns:
        Degrees Celsius, NaN where there is no temperature; without a placement, which the file does
        not say.

    Raises:
        InputError: For a damaged file.
        ModuleNotFoundError: If infiray-irg is not installed.
    """
    import infiray_irg

    with guarded("InfiRay"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        height, width = struct.unpack_from("<HH", content, _SIZE)
        check_thermal_size(width, height)
        _, celsius, photo = infiray_irg.load(content)
        visible = None if photo is None else np.asarray(photo.convert("RGB"), np.uint8)
    return ThermalImage(known_temperatures(np.asarray(celsius, np.float32)), visible)
