"""Telops's .hcc recordings, read with fasthcc.

That gives raw counts unless asked, and takes one frame's calibration for all: here each frame is
calibrated with its own.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lut_fuse_core.arrays import AnyInfrared
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.thermal.thermal_image import ThermalImage, check_thermal_size, guarded

_MARK = b"TC"
_TEMPERATURE = 2  # the calibration mode of which the numbers are temperatures
_FALLBACK_RATE = 30.0


def is_telops(content: bytes, suffix: str) -> bool:
    """Whether a file is a recording of Telops."""
    return suffix == ".hcc" and content[:2] == _MARK


def read_telops(content: bytes) -> ThermalImage:
    """The image in a recording of one frame: temperatures in kelvin, or counts.

    Args:
        content: Of the file.

    Returns:
        The image.

    Raises:
        InputError: For a damaged file, or one of several frames.
        ModuleNotFoundError: If fasthcc is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.hcc"
        path.write_bytes(content)
        frames = list(islice(telops_frames(path), 2))
    if not frames:
        raise InputError("it is truncated: it holds no whole frame")
    if len(frames) > 1:
        raise InputError(
            "it holds several frames, of which none belongs to one image; fuse it with a video, or "
            "export one frame"
        )
    return ThermalImage(frames[0][1])


def telops_frames(path: Path) -> Iterator[tuple[float, AnyInfrared]]:
    """Times in seconds and images of the frames of a recording."""
    import fasthcc
    from fasthcc.header import parse_header

    with guarded("Telops"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = fasthcc.HCCReader(path)
        check_thermal_size(reader.width, reader.height)
    with reader:
        rate = reader.frame_rate if reader.frame_rate > 0 else _FALLBACK_RATE
        for number in range(reader.n_frames):
            with guarded("Telops"):
                block = reader._blocks[number]
                header = parse_header(bytes(block["header"]), offset=0)
                image = _calibrated(np.array(block["pixels"]), header)
            yield number / rate, image


def _calibrated(pixels: Any, header: dict[str, Any]) -> AnyInfrared:
    if header.get("CalibrationMode") != _TEMPERATURE:
        return np.asarray(pixels, np.uint16)
    scale = 2.0 ** header["DataExp"]
    return (pixels * scale + header["DataOffset"]).astype(np.float32)
