"""Fluke's .is2 files, read with fluke-thermal-reader.

The reader unpacks files into the working folder, where two at a time would collide, and drops the
photo.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.thermal.thermal_image import ThermalImage, check_thermal_size, guarded
from lut_fuse_core.libraries.opencv import cv2

_CALIBRATION = "CalibrationData.gpbenc"
_PHOTOS = "Images/Main/"
_MOST_BYTES = 1 << 28


def is_fluke(content: bytes, suffix: str) -> bool:
    """Whether a file is Fluke's, by its suffix or, of the newer ones, by what is in the archive.

    Args:
        content: The file.
        suffix: Suffix of its name, in lower case.
    """
    return suffix == ".is2" or (content[:4] == b"PK\3\4" and _CALIBRATION.encode() in content)


def read_fluke(content: bytes) -> ThermalImage:
    """The temperatures in an .is2 file, and its photo.

    Args:
        content: The file.

    Returns:
        Degrees Celsius, and the photo where there is one; without a placement, which the file does
        not say.

    Raises:
        InputError: For a damaged file, or one of the older binary format.
        ModuleNotFoundError: If fluke-thermal-reader is not installed.
    """
    import tempfile

    from fluke_thermal_reader.parsers import IS2Parser

    if content[:4] != b"PK\3\4":
        raise InputError(
            "it is no ZIP archive, as .is2 files of newer Fluke cameras are; export it with "
            "SmartView as CSV or TIFF"
        )
    with guarded("Fluke"), tempfile.TemporaryDirectory() as folder:
        visible = _photo(content)
        path = Path(folder) / "image.is2"
        path.write_bytes(content)
        parser = IS2Parser()
        parser.temp_dir = str(Path(folder) / "unpacked")
        celsius = np.asarray(parser.parse(str(path))["data"], np.float32)
    check_thermal_size(celsius.shape[1], celsius.shape[0])
    if not np.isfinite(celsius).any():
        raise InputError("it is damaged: its calibration gives no temperatures")
    return ThermalImage(celsius, visible)


def _photo(content: bytes) -> UInt8Array | None:
    """The largest JPEG beside the thermal image: smaller ones are cut from it."""
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > _MOST_BYTES:
                raise InputError("it is damaged: it says it unpacks to more than 256 MB")
            photos = [
                entry
                for entry in entries
                if entry.filename.startswith(_PHOTOS) and entry.filename.lower().endswith(".jpg")
            ]
            if not photos:
                return None
            data = archive.read(max(photos, key=lambda entry: entry.file_size))
    except BadZipFile:
        raise InputError("it is truncated, or no file of Fluke's") from None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
