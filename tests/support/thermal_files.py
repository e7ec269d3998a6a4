"""Small valid files of thermal cameras, made without the cameras."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import cv2
import numpy as np

WIDTH, HEIGHT = 80, 60

PLANCK = {"r1": 16951.797, "b": 1435.1, "f": 1.0, "o": -7142, "r2": 0.014294867}
"""Of FLIR's formula from counts to temperatures."""


def degrees() -> np.ndarray:
    """``(60, 80) float64``: a ground of 15 to 25 degrees Celsius, a warm body of 36.5."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.where((x - 50) ** 2 + (y - 30) ** 2 < 150, 36.5, 15 + 10 * y / HEIGHT)


def photo(width: int = 240, height: int = 180) -> np.ndarray:
    """``(H, W, 3) uint8``, RGB: what the camera beside the thermal one saw."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, 0 * x + 40], axis=-1).astype(np.uint8)


def jpeg(image: np.ndarray) -> bytes:
    bgr = np.ascontiguousarray(image[..., ::-1])
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()


def flir_counts(celsius: np.ndarray) -> np.ndarray:
    """Counts that FLIR's formula turns into temperatures where nothing is in between."""
    kelvin = celsius + 273.15
    radiance = PLANCK["r1"] / (PLANCK["r2"] * (np.exp(PLANCK["b"] / kelvin) - PLANCK["f"]))
    return np.rint(radiance - PLANCK["o"]).astype(np.uint16)


def fff(
    celsius: np.ndarray,
    visible: bytes | None = None,
    placement: tuple[float, int, int] | None = None,
    png: bool = False,
    directory: int = 64,
    stamp: float = 0.0,
    jpeg_ls: bool = False,
) -> bytes:
    """A FLIR file of one frame.

    Args:
        celsius: Temperatures to store.
        visible: The photo, encoded.
        placement: Magnification and offset of the photo.
        png: Whether the counts are a PNG, with their bytes swapped, as in the cameras' files.
        directory: Where the directory of records stands.
        stamp: Seconds since 1970.
        jpeg_ls: Whether the counts are compressed as in .csq files.
    """
    counts = flir_counts(celsius)
    height, width = counts.shape
    data = cv2.imencode(".png", counts.byteswap())[1].tobytes() if png else counts.tobytes()
    if jpeg_ls:
        import imagecodecs

        data = bytes(imagecodecs.jpegls_encode(counts))
    camera = bytearray(1000)
    for offset, value in {
        **{0x20: 1.0, 0x24: 0.0, 0x28: 293.15, 0x2C: 293.15, 0x30: 293.15, 0x34: 1.0, 0x3C: 0.0},
        **{0x58: PLANCK["r1"], 0x5C: PLANCK["b"], 0x60: PLANCK["f"], 0x70: 0.006569},
        **{0x74: 0.01262, 0x78: -0.002276, 0x7C: -0.00667, 0x80: 1.9, 0x30C: PLANCK["r2"]},
    }.items():
        struct.pack_into("<f", camera, offset, value)
    struct.pack_into("<i", camera, 0x308, int(PLANCK["o"]))
    struct.pack_into("<II", camera, 900, int(stamp), round(stamp % 1 * 1000))
    head = struct.pack("<HHH", 2, width, height).ljust(32, b"\0")
    records = [(1, head + data), (32, bytes(camera))]
    if visible is not None:
        size = cv2.imdecode(np.frombuffer(visible, np.uint8), cv2.IMREAD_COLOR).shape
        records.append((14, struct.pack("<HHH", 1, size[1], size[0]).ljust(32, b"\0") + visible))
    if placement is not None:
        records.append((42, struct.pack("<fhhhhhh", *placement, 0, width - 1, 0, height - 1)))
    start = directory + 32 * 14
    entries, body = b"", b""
    for kind, content in records:
        at = start + len(body)
        entries += struct.pack(">HHIIIIIII", kind, 1, 100, 1, at, len(content), 0, 0, 0)
        body += content
    header = b"FFF\0" + b"CAMCTRL".ljust(16, b"\0")
    header += struct.pack(">IIII", 100, directory, len(records), 2)
    return header.ljust(directory, b"\0") + entries.ljust(32 * 14, b"\0") + body


def in_jpeg(flir: bytes, preview: np.ndarray, zoom: float = 1.0) -> bytes:
    """A radiometric JPEG: a picture with a FLIR file in its segments."""
    tags = struct.pack("<HHHIIIH", 1, 0x8769, 4, 1, 26, 0, 0)[:18]
    inner = struct.pack("<HHHIII", 1, 0xA404, 5, 1, 44, 0)
    ratio = struct.pack("<II", round(zoom * 100), 100)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + tags + inner + ratio
    segments = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    pieces = [flir[at : at + 60_000] for at in range(0, len(flir), 60_000)]
    for number, piece in enumerate(pieces):
        data = b"FLIR\0\1" + bytes([number, len(pieces) - 1]) + piece
        segments += b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    picture = jpeg(preview)
    return picture[:2] + segments + picture[2:]


def is2(celsius: np.ndarray, visible: np.ndarray | None = None) -> bytes:
    """A file of a newer Fluke camera, with one calibration curve: counts = 40 * degrees + 4000."""
    height, width = celsius.shape
    calibration = bytearray(64)
    calibration[20:23] = (74, 25, 13)
    for at, value in ((0, -20.0), (5, 120.0), (10, 4000.0), (15, 40.0), (20, 1e-6)):
        struct.pack_into("<f", calibration, 23 + at, value)
    info = bytearray(64)
    for at, value in ((33, 1.0), (38, 20.0), (43, 1.0)):
        struct.pack_into("<f", info, at, value)
    counts = np.rint(40 * celsius + 4000).astype("<u2")
    properties = {
        "IRPROP_IR_SENSOR_WIDTH": width,
        "IRPROP_IR_SENSOR_HEIGHT": height,
        "IRPROP_THERMAL_IMAGE_EMISSIVITY": 1.0,
        "IRPROP_THERMAL_IMAGE_BG_TEMP_C": 20.0,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("CalibrationData.gpbenc", bytes(calibration))
        archive.writestr("ImageProperties.json", json.dumps(properties))
        archive.writestr("Images/Main/IRImageInfo.gpbenc", bytes(info))
        archive.writestr("Images/Main/IR.data", bytes(2 * width) + counts.tobytes())
        if visible is not None:
            archive.writestr("Images/Main/cut.jpg", jpeg(visible[::4, ::4]))
            archive.writestr("Images/Main/whole.jpg", jpeg(visible))
    return stream.getvalue()


def irg(celsius: np.ndarray, visible: np.ndarray) -> bytes:
    """A file of an InfiRay camera with a photo, steps of 0.1 K."""
    height, width = celsius.shape
    header = bytearray(128)
    header[:2], header[-2:] = b"\xba\xab", b"\xac\xca"
    struct.pack_into("<H", header, 2, len(header))
    sizes = (width * height, height, width, 0, 0, 0, 0, 0, 0, *visible.shape[:2], 10_000)
    struct.pack_into("<IHHHHHHHIHHI", header, 4, *sizes)
    fine = np.rint((celsius + 273.15) * 10).astype("<u2")
    return bytes(header) + bytes(width * height) + fine.tobytes() + jpeg(visible)


def hikmicro(counts: np.ndarray, preview: np.ndarray) -> bytes:
    """A JPEG of a HIKMICRO camera with the block of its counts."""
    height, width = counts.shape
    block = bytearray(44)
    block[:4] = b"HDRI"
    struct.pack_into("<III", block, 12, width, height, 2 * width * height + 1024)
    return jpeg(preview) + bytes(block) + counts.astype("<u2").tobytes() + bytes(1024)
