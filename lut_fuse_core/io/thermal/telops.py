"""Telops's .hcc recordings, read with fasthcc.

The reader returns raw counts unless asked, and applies one frame's calibration to all: here each
frame is calibrated with its own.
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
_TEMPERATURE = 2  # the calibration mode in which the numbers are temperatures

FALLBACK_RATE = 30.0
"""Frames per second of recordings that do not say."""


def is_telops(content: bytes, suffix: str) -> bool:
    """Whether a file is a recording of Telops, by its suffix and its first two bytes.

    Args:
        content: The file.
        suffix: Suffix of its name, in lower case.
    """
    return suffix == ".hcc" and content[:2] == _MARK


def read_telops(content: bytes) -> ThermalImage:
    """The image in a recording of one frame.

    Args:
        content: The file.

    Returns:
        Kelvin, float32, where the recording is calibrated, else counts, uint16; without a photo.

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
    """The frames of a recording.

    Args:
        path: The file.

    Yields:
        Time of the frame, seconds since the first one, and its image: kelvin, ``(h, w) float32``,
        where it is calibrated, else counts, ``(h, w) uint16``.

    Raises:
        InputError: For a damaged file, after the frames before the damage.
        ModuleNotFoundError: If fasthcc is not installed.
    """
    import fasthcc
    from fasthcc.header import parse_header

    with guarded("Telops"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = fasthcc.HCCReader(path)
    with reader:
        check_thermal_size(reader.width, reader.height)
        rate = reader.frame_rate if reader.frame_rate > 0 else FALLBACK_RATE
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
