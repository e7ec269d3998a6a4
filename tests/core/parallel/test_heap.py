"""Memory that is freed and taken again for every frame."""

from __future__ import annotations

import subprocess
import sys

import pytest

FRAMES = 40
PAGES = 8192
"""Of 4 kB, in the 32 MB of a frame and its copies."""

SCRIPT = f"""
import resource
import numpy as np
from lut_fuse_core.parallel.heap import keep_freed_memory
keep_freed_memory()
for _ in range(5):
    [np.ones(8 << 20, np.uint8) for _ in range(4)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({FRAMES}):
    [np.ones(8 << 20, np.uint8) for _ in range(4)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems than Linux manage it otherwise")
def test_what_is_kept_is_not_asked_of_the_system_again():
    run = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    assert int(done.stdout) < PAGES
