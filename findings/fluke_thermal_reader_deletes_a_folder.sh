#!/bin/sh
# fluke-thermal-reader unpacks every .is2 file into the folder temp_fluke_reader of the working
# folder and then deletes that folder, with whatever was in it before; two readers at a time meet there.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet fluke-thermal-reader==0.2.0 numpy
mkdir "$folder/work"
cd "$folder/work"
"$folder/venv/bin/python" <<'PYTHON'
import json
import struct
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

from fluke_thermal_reader import read_is2

calibration = bytearray(64)
calibration[20:23] = (74, 25, 13)
for at, value in ((0, -20.0), (5, 120.0), (10, 4000.0), (15, 40.0), (20, 1e-6)):
    struct.pack_into("<f", calibration, 23 + at, value)
info = bytearray(64)
for at, value in ((33, 1.0), (38, 20.0), (43, 1.0)):
    struct.pack_into("<f", info, at, value)
properties = {"IRPROP_IR_SENSOR_WIDTH": 8, "IRPROP_IR_SENSOR_HEIGHT": 6}
with zipfile.ZipFile("x.is2", "w") as archive:
    archive.writestr("CalibrationData.gpbenc", bytes(calibration))
    archive.writestr("ImageProperties.json", json.dumps(properties))
    archive.writestr("Images/Main/IRImageInfo.gpbenc", bytes(info))
    archive.writestr("Images/Main/IR.data", bytes(16) + struct.pack("<H", 5000) * 48)
mine = Path("temp_fluke_reader/mine.txt")
mine.parent.mkdir()
mine.write_text("not Fluke's\n")
shape = read_is2("x.is2")["data"].shape
print(f"fluke-thermal-reader {version('fluke-thermal-reader')}, read {shape}")
print("expected: the file in the working folder is still there")
print(f"seen: {'still there' if mine.exists() else 'deleted'}")
sys.exit(not (shape == (6, 8) and not mine.exists()))
PYTHON
