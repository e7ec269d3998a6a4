"""Whether frames are read in place or copied, where CPU and GPU share their memory (Jetson).

Reading in place saves the copies, but the GPU does not cache such memory, and every kernel reads
the images again; which of both costs less depends on the chip and is measured.
"""

from __future__ import annotations

import logging
import math
import statistics
import time

from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.gpu.fuser import DEFAULT_SIZE, GpuFuser

WARM_UP, CALLS = 10, 50

_log = logging.getLogger(__name__)


def settle_transfers(fuser: GpuFuser, size: tuple[int, int]) -> None:
    """Let a fuser read frames in place or copy them, whichever takes less time; logs both times.

    Where memory is not shared, frames are copied and nothing is measured. Forgets a held frame.

    Args:
        fuser: Gets the faster way.
        size: Height and width of the frames to measure with.
    """
    if not fuser.device.integrated:
        return
    found = {True: math.inf, False: math.inf}
    for in_place in (True, False, True, False):  # in turn, since clocks rise under load
        fuser.transfer(in_place=in_place)
        found[in_place] = min(found[in_place], seconds_per_frame(fuser, size))
    taken = found[True] <= found[False]
    fuser.transfer(in_place=taken)
    _log.info(
        "a frame takes %.3f ms read in place and %.3f ms copied: frames are %s",
        *(found[True] * 1e3, found[False] * 1e3, "read in place" if taken else "copied"),
    )


def seconds_per_frame(fuser: GpuFuser, size: tuple[int, int] = DEFAULT_SIZE) -> float:
    """Median time of a frame from and to pinned memory.

    Args:
        fuser: What is timed.
        size: Height and width of the frame.
    """
    host = fuser.frame(*size).host
    times = []
    for call in range(WARM_UP + CALLS):
        start = time.perf_counter()
        fuser.fuse(host["visible"], host["infrared"], FuseOptions(out=host["out"]))
        if call >= WARM_UP:
            times.append(time.perf_counter() - start)
    return statistics.median(times)
