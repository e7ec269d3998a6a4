#!/bin/sh
# simplejpeg documents fastdct=False, its default, as the accurate cosine transform; when it encodes
# below a quality of 96 it passes libjpeg-turbo no choice, which then takes the fast one. Its files
# at 95 have larger errors than OpenCV's, which come from the same library.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet simplejpeg==1.9.0 opencv-python-headless==4.12.0.88
"$folder/venv/bin/python" <<'PYTHON'
import sys
from importlib.metadata import version

import cv2
import numpy as np
import simplejpeg

rng = np.random.default_rng(0)
gray = cv2.GaussianBlur(rng.integers(0, 256, (256, 256)).astype(np.float32), (0, 0), 1.5)
gray = cv2.normalize(gray, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def of_simplejpeg(quality, fast):
    return simplejpeg.encode_jpeg(gray[..., None], quality, "GRAY", "Gray", fast)


def error(data):
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return float(np.sqrt(np.mean((shown.astype(float) - gray) ** 2)))


same = of_simplejpeg(95, False) == of_simplejpeg(95, True)
ours = error(of_simplejpeg(95, False))
theirs = error(cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
print(f"simplejpeg {version('simplejpeg')}, a gray image at quality 95")
print("expected: fastdct makes a difference, and without it the errors are OpenCV's")
print(f"seen: fastdct makes {'no' if same else 'a'} difference; "
      f"errors of {ours:.2f} gray levels, OpenCV's {theirs:.2f}")
sys.exit(not (same and ours > 1.05 * theirs))
PYTHON
