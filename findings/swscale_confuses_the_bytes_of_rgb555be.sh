#!/bin/sh
# QuickTime Animation of 16 bits (qtrle) is decoded as rgb555be: five bits per color, the high byte first. Converted
# to rgb24 by FFmpeg's swscale, which PyAV and OpenCV use, its colors are wrong; the same pixels as rgb555le are right.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy
"$folder/venv/bin/python" <<'PYTHON'
import sys

import av
import numpy as np

color = (216, 32, 80)
value = (color[0] >> 3) << 10 | (color[1] >> 3) << 5 | color[2] >> 3


def shown(layout: str, order: str) -> list[int]:
    frame = av.VideoFrame(64, 48, layout)
    frame.planes[0].update(np.full(frame.planes[0].buffer_size // 2, value, f"{order}u2"))
    return frame.reformat(format="rgb24", threads=1).to_ndarray()[20, 20].tolist()


little, big = shown("rgb555le", "<"), shown("rgb555be", ">")
print(f"PyAV {av.__version__}, a frame of one color, {color}, to rgb24")
print("expected: that color, within the 8 levels that five bits leave, in either byte order")
print(f"seen: rgb555le {little}, rgb555be {big}")
near = [max(abs(a - b) for a, b in zip(each, color, strict=True)) <= 8 for each in (little, big)]
sys.exit(near != [True, False])
PYTHON
