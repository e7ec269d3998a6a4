"""InfiRay's .irg files, read with infiray-irg."""

from __future__ import annotations

import struct
import warnings

import numpy as np

from lut_fuse_core.io.thermal.thermal_image import ThermalImage, check_thermal_size, guarded

MARKS = (b"\xca\xac", b"\xba\xab", b"\x04\xa0")
"""How the files of the camera families begin."""

_SIZE = 8  # in the header: height and width
_ABSOLUTE_ZERO = -273.0


def is_infiray(content: bytes, suffix: str) -> bool:
    """Whether a file is InfiRay's: its mark alone says too little."""
    return suffix == ".irg" and content[:2] in MARKS


def read_infiray(content: bytes) -> ThermalImage:
    """The temperatures in an .irg file, degrees Celsius, and the photo of cameras that have one.

    Args:
        content: Of the file.

    Returns:
        The image; the file does not say where it lies in the photo.

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
    celsius = np.asarray(celsius, np.float32)
    known = np.where(celsius > _ABSOLUTE_ZERO, celsius, np.nan).astype(np.float32)
    return ThermalImage(known, visible)
