"""FLIR's radiometric JPEG, .fff, .seq and .csq files, and JPEGs of DJI cameras with FLIR sensors.

Read with flyr, except for what it does not support: counts compressed with JPEG-LS (.csq), a
directory of records in another than the usual place, photos stored as PNG, whose YCbCr samples flyr
returns as if they were RGB, and the digital zoom, which the magnification in the file includes and
flyr does not remove.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from heapq import merge
from io import BytesIO
from mmap import mmap

import numpy as np

from lut_fuse_core.arrays import FloatArray, RawInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.byte_order import in_native_order
from lut_fuse_core.io.decoder import decode_whole
from lut_fuse_core.io.thermal.thermal_image import (
    Placement,
    ThermalImage,
    check_thermal_size,
    guarded,
)
from lut_fuse_core.libraries.opencv import cv2

FILE_MARKS = (b"FFF\0", b"AFF\0")

_RAW, _PHOTO, _CAMERA, _PLACEMENT = 1, 14, 32, 42
_HEADER = 64
_ENTRY = 32
_MOST_RECORDS = 1000
_IN_JPEG = b"FLIR\0"
_EXIF, _ZOOM = 0x8769, 0xA404
_STAMP = 900  # of a frame, in the record of the camera: seconds and milliseconds

Records = dict[int, tuple[int, int, int, int]]
"""By type: number, type, offset and length, as flyr has them."""


def is_flir(content: bytes) -> bool:
    """Whether a file is FLIR's, or a JPEG with FLIR's records.

    Args:
        content: The file.
    """
    return content[:4] in FILE_MARKS or (content[:2] == b"\xff\xd8" and bool(_segments(content)))


def read_flir(content: bytes) -> ThermalImage:
    """The image in a radiometric JPEG or a file of one frame.

    Args:
        content: The file.

    Returns:
        Degrees Celsius, by the camera settings in the file; the photo and the placement where the
        file has them.

    Raises:
        InputError: For a damaged file, or one of several frames.
        ModuleNotFoundError: If flyr is not installed.
    """
    if content[:4] not in FILE_MARKS:
        return _read_frame(b"".join(_segments(content)), _zoom(content))
    starts = _frame_starts(content)
    if len(starts) > 1:
        raise InputError(
            f"it holds {len(starts)} frames, of which none belongs to one image; fuse it with a "
            "video, or export one frame"
        )
    return _read_frame(content)


def flir_frames(content: bytes | mmap) -> Iterator[tuple[float, FloatArray]]:
    """The frames of a .seq or .csq file.

    Args:
        content: The file.

    Yields:
        Time of the frame, seconds since 1970, and its temperatures, ``(h, w) float32``, degrees
        Celsius.

    Raises:
        InputError: For a damaged file, after the frames before the damage.
        ModuleNotFoundError: If flyr is not installed.
    """
    starts = _frame_starts(content)
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        frame = bytes(content[start:end])
        image = _read_frame(frame)
        with guarded("FLIR"):
            at = _records(frame)[_CAMERA][2] + _STAMP
            seconds, milliseconds = struct.unpack_from("<II", frame, at)
        yield seconds + (milliseconds & 0xFFFF) / 1000, np.asarray(image.infrared, np.float32)


def _segments(content: bytes) -> list[bytes]:
    """The parts of a FLIR file in the APP1 segments of a JPEG, in order."""
    parts, at = {}, 2
    while at + 12 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        length = content[at + 2] << 8 | content[at + 3]
        if content[at + 1] == 0xE1 and content[at + 4 : at + 9] == _IN_JPEG:
            parts[content[at + 10]] = content[at + 12 : at + 2 + length]
        at += 2 + length
    return [parts[number] for number in sorted(parts)]


def _frame_starts(content: bytes | mmap) -> list[int]:
    """Where the frames of a recording begin; in their data a mark may occur by chance."""
    starts: list[int] = []
    for at in merge(*(_marks(content, mark) for mark in FILE_MARKS)):
        if _try_records(content, at) is not None:
            starts.append(at)
        elif not starts:
            raise InputError("it is damaged: its directory of records makes no sense")
    return starts


def _marks(content: bytes | mmap, mark: bytes) -> Iterator[int]:
    """Where a mark occurs; the content is searched once."""
    at = content.find(mark)
    while at >= 0:
        yield at
        at = content.find(mark, at + len(mark))


def _try_records(content: bytes | mmap, at: int) -> Records | None:
    with memoryview(content) as whole, whole[at:] as frame:
        try:
            return _records(frame)
        except (struct.error, InputError):
            return None


def _records(frame: bytes | memoryview) -> Records:
    """The records that are whole."""
    directory, count = struct.unpack_from(">II", frame, 24)
    order = ">"
    if not (_HEADER <= directory < len(frame) and 0 < count <= _MOST_RECORDS):
        directory, count = struct.unpack_from("<II", frame, 24)
        order = "<"
    if not (_HEADER <= directory < len(frame) and 0 < count <= _MOST_RECORDS):
        raise InputError("it is damaged: its directory of records makes no sense")
    records: Records = {}
    for number in range(count):
        entry = struct.unpack_from(f"{order}HHIIII", frame, directory + number * _ENTRY)
        kind, offset, length = entry[0], entry[4], entry[5]
        if kind and length and offset + length <= len(frame):
            records.setdefault(kind, (number, kind, offset, length))
    return records


def _zoom(content: bytes) -> float:
    """The digital zoom of the picture on the camera's display; 1 for none."""
    from PIL import Image

    with guarded("FLIR"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zoom = Image.open(BytesIO(content)).getexif().get_ifd(_EXIF).get(_ZOOM, 1.0)
    return float(zoom) if 1 <= zoom <= 16 else 1.0


def _read_frame(frame: bytes, zoom: float = 1.0) -> ThermalImage:
    from flyr.thermal import parse_camera_info, parse_raw_data
    from flyr.thermogram import FlyrThermogram

    if len(frame) < _HEADER:
        raise InputError("it is truncated: its thermal image is missing")
    with guarded("FLIR"), np.errstate(all="ignore"):
        records = _records(frame)
        if _RAW not in records or _CAMERA not in records:
            raise InputError("it holds no thermal image, or is truncated before it")
        offset, length = records[_RAW][2:]
        width, height = struct.unpack_from("<HH", frame, offset + 2)
        check_thermal_size(width, height)
        start = frame[offset + 32 : offset + 40]
        stream = BytesIO(frame)
        if start[:2] == b"\xff\xd8":
            raw = _jpeg_ls(frame[offset + 32 : offset + length], (height, width))
        elif start[:4] != b"\x89PNG" and length < 32 + 2 * width * height:
            raise InputError("it is truncated")
        else:
            raw = parse_raw_data(stream, records[_RAW])[2].astype(np.uint16)
        camera = parse_camera_info(stream, records[_CAMERA])
        celsius = FlyrThermogram(in_native_order(raw), camera).celsius
        if not np.isfinite(celsius).any():
            raise InputError("it is damaged: its calibration gives no temperatures")
        visible = _photo(frame, records)
        placement = None if visible is None else _placement(frame, records, visible, width / zoom)
    return ThermalImage(celsius.astype(np.float32), visible, placement)


def _jpeg_ls(data: bytes, shape: tuple[int, int]) -> RawInfrared:
    """Counts that are compressed without loss, ``(h, w) uint16``."""
    import imagecodecs

    raw = np.asarray(imagecodecs.jpegls_decode(data))
    if raw.shape != shape or raw.dtype != np.uint16:
        raise InputError("it is damaged: its thermal image has another size than it says")
    return raw


def _photo(frame: bytes, records: Records) -> UInt8Array | None:
    if _PHOTO not in records:
        return None
    offset, length = records[_PHOTO][2:]
    data = frame[offset + 32 : offset + length]
    try:
        image = decode_whole(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except InputError as error:
        raise InputError(f"its photo cannot be used: {error}") from None
    if data[:4] == b"\x89PNG":  # OpenCV has converted Y, Cb, Cr, taken for RGB, into Cr, Cb, Y
        image = cv2.cvtColor(np.ascontiguousarray(image[..., [2, 0, 1]]), cv2.COLOR_YCrCb2RGB)
    else:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return np.asarray(image, np.uint8)


def _placement(
    frame: bytes, records: Records, visible: UInt8Array, width: float
) -> Placement | None:
    if _PLACEMENT not in records:
        return None
    ratio, right, down = struct.unpack_from("<fhh", frame, records[_PLACEMENT][2])
    if not 0.1 < ratio < 20:
        return None
    return Placement(visible.shape[1] / width / ratio, right, down)
