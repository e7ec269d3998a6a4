#!/bin/sh
# PyAV converts colors on as many threads as there are cores unless told otherwise. FFmpeg's swscale then
# leaves wrong colors in the first columns, now and then, of pictures of some widths.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy
"$folder/venv/bin/python" <<'PYTHON'
import sys

import av
import numpy as np

image = np.zeros((48, 72, 3), np.uint8)
image[:, :36], image[:, 36:] = (219, 36, 85), (36, 182, 170)
frame = av.VideoFrame.from_ndarray(image, format="rgb24")
away_from_the_edge = np.r_[:32, 40:72]


def wrong(threads: int, times: int = 1000) -> int:
    """How many of so many conversions of one frame are wrong somewhere by more than 3 levels."""
    there = (frame.reformat(format="yuv422p10le", threads=threads) for _ in range(times))
    back = (each.reformat(format="rgb24", threads=1).to_ndarray() for each in there)
    return sum(
        bool(np.abs(each.astype(int) - image)[:, away_from_the_edge].max() > 3) for each in back
    )


alone, together = wrong(1), wrong(4)
print(f"PyAV {av.__version__}, rgb24 to yuv422p10le, 72x48, 1000 conversions of one frame")
print("expected: the same picture every time, however many threads convert it")
print(f"seen: {alone} wrong with one thread, {together} with four")
sys.exit(not (alone == 0 and together > 0))
PYTHON
