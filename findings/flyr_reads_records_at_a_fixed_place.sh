#!/bin/sh
# flyr looks for the directory of records of a FLIR file at the file's beginning, whatever the header
# says of its place: files of DJI's Zenmuse XT2 and XT R, which have it elsewhere, end in KeyError: 1.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet flyr==5.1.0 numpy pillow
"$folder/venv/bin/python" <<'PYTHON'
import io
import struct
import sys
from importlib.metadata import version

import flyr
from PIL import Image


def radiometric_jpeg(directory):
    """80x60 equal counts; the header says where its directory is: two records and twelve empty entries."""
    raw = struct.pack("<HHH", 2, 80, 60).ljust(32, b"\0") + struct.pack("<H", 15000) * 4800
    camera = bytearray(1000)
    values = {0x20: 1, 0x28: 293, 0x2C: 293, 0x30: 293, 0x34: 1, 0x58: 16951, 0x5C: 1435, 0x60: 1}
    for offset, value in {**values, 0x70: 0.007, 0x74: 0.01, 0x80: 1.9, 0x30C: 0.0143}.items():
        struct.pack_into("<f", camera, offset, value)
    entries, body = b"", b""
    for kind, content in ((1, raw), (32, bytes(camera))):
        at = directory + 32 * 14 + len(body)
        entries += struct.pack(">HHIIIIIII", kind, 2, 100, 1, at, len(content), 0, 0, 0)
        body += content
    header = b"FFF\0".ljust(20, b"\0") + struct.pack(">IIII", 100, directory, 14, 2)
    data = b"FLIR\0\1\0\0" + header.ljust(directory, b"\0") + entries.ljust(32 * 14, b"\0") + body
    stream = io.BytesIO()
    Image.new("RGB", (80, 60)).save(stream, "JPEG")
    jpeg = stream.getvalue()
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def shape(directory):
    try:
        return str(flyr.unpack(io.BytesIO(radiometric_jpeg(directory))).kelvin.shape)
    except KeyError as error:
        return f"KeyError: {error}"


print(f"flyr {version('flyr')}")
print(f"expected, directory at byte 64 and at byte 1024: {shape(64)} twice")
print(f"seen: {shape(64)} and {shape(1024)}")
sys.exit(not (shape(64) == "(60, 80)" and shape(1024) == "KeyError: 1"))
PYTHON
