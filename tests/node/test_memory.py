"""The node's process holds no more than it needs."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import load_library

PLAIN = """
import sys
import numpy as np
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_ros.parameters.node_parameters import NodeParameters, RegistrationParameters
from lut_fuse_ros.pipeline_setup import make_pipeline, warm_up

pipeline, _ = make_pipeline(NodeParameters(backend="native", registration=REGISTRATION))
warm_up(pipeline)
noise = np.random.default_rng(0)
visible = noise.integers(0, 256, (120, 160, 3), np.uint8)
infrared = noise.integers(20_000, 24_000, (2, 120, 160), np.uint16)
for number in range(40):
    time = number / 10
    pipeline.process(visible, infrared[number % 2], visible_time=time, infrared_time=time)
assert pipeline.status.rig.looks > 2
print("cv2" in sys.modules)
"""

FREED = """
from pathlib import Path
from lut_fuse_core.parallel.heap import give_back, one_heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

one_heap()
before = resident()
blocks = [b"x" * 50_000 for _ in range(1000)]
last = blocks.pop()
blocks.clear()
held = resident() - before
give_back()
print(held > 10_000, resident() - before < 2_000)
"""


def printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("registered", [False, True])
def test_opencv_is_not_loaded_where_images_are_raw_and_lenses_straight(
    tmp_path: Path, registered: bool
) -> None:
    """It takes 22 MB, a fifth of what the node takes without it."""
    try:
        load_library()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    registration = "RegistrationParameters()"
    if registered:
        path = tmp_path / "rig.yaml"
        path.write_text("homography: [[1.02, 0.01, 8], [-0.01, 1.03, 5], [1e-5, 0, 1]]\n")
        registration = f"RegistrationParameters(source='file', file={str(path)!r})"
    assert printed(PLAIN.replace("REGISTRATION", registration)) == "False"


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not Path("/proc/self/statm").exists(),
    reason="not the C library that keeps what is freed",
)
def test_memory_freed_below_a_block_in_use_goes_back_to_the_system() -> None:
    assert printed(FREED) == "True True"
