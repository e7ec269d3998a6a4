#!/bin/sh
# FFmpeg's libsvtav1, called by root (in most containers, that is): SVT-AV1 makes the thread that
# opens the encoder a real-time one, first in, first out, of the highest priority, and leaves it so.
# A program that encodes one AV1 frame keeps a core from all others from then on. Needs root.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0
"$folder/venv/bin/python" <<'PYTHON'
import os
import sys
from fractions import Fraction

import av

av.logging.set_level(av.logging.PANIC)
names = {os.SCHED_OTHER: "SCHED_OTHER", os.SCHED_FIFO: "SCHED_FIFO", os.SCHED_RR: "SCHED_RR"}
before = os.sched_getscheduler(0)
context = av.CodecContext.create("libsvtav1", "w")
context.width, context.height, context.pix_fmt = 64, 64, "yuv420p"
context.time_base = Fraction(1, 10)
context.encode(av.VideoFrame(64, 64, "yuv420p"))
context.encode(None)
del context
after, priority = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
print(f"PyAV {av.__version__}, libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}")
print(f"expected: the thread that encoded is scheduled as before, {names[before]}")
print(f"seen: {names[after]}, priority {priority}")
sys.exit(not (after == os.SCHED_FIFO and priority == 99))
PYTHON
