#!/bin/sh
# PyAV cannot open a valid AVI whose title is in Latin-1, as cameras and Windows programs write it
# (RIFF names no encoding): av.open raises UnicodeDecodeError unless metadata_errors is given, though
# the title has nothing to do with the pictures.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder/x.avi" <<'PYTHON'
import sys
from pathlib import Path

import av
import numpy as np

path = Path(sys.argv[1])
with av.open(str(path), "w") as container:
    container.metadata["title"] = "Waerme"
    stream = container.add_stream("mjpeg", rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
    for _ in range(5):
        image = np.zeros((48, 64, 3), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
    container.mux(stream.encode(None))
data = path.read_bytes()
assert data.count(b"Waerme") == 1
path.write_bytes(data.replace(b"Waerme", "Wärme ".encode("latin-1")))


def frames(**options):
    with av.open(str(path), **options) as container:
        return sum(1 for _ in container.decode(video=0))


try:
    seen = f"{frames()} frames"
except UnicodeDecodeError as error:
    seen = f"UnicodeDecodeError: {error}"
print(f"PyAV {av.__version__}")
print(f"expected: 5 frames, as with metadata_errors='replace': {frames(metadata_errors='replace')}")
print(f"seen: {seen}")
sys.exit(not seen.startswith("UnicodeDecodeError"))
PYTHON
