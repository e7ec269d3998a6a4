"""The node's process holds no more than it needs."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import load_library
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.file import save_registration
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig, Pose

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


def rig(model: str, *coefficients: float) -> CameraRig:
    """Two cameras with such lenses."""
    matrix = ((150.0, 0.0, 80.0), (0.0, 150.0, 60.0), (0.0, 0.0, 1.0))
    each = CameraModel(160, 120, matrix, coefficients, model)
    pose = Pose.from_quaternion((0.004, -0.01, 0.02, 1), (0.09, 0.02, -0.01))
    return CameraRig(each, each, pose)


@pytest.mark.parametrize(
    "transform",
    [
        None,
        Homography(((1.02, 0.01, 8), (-0.01, 1.03, 5), (1e-5, 0, 1))),
        rig("plumb_bob", -0.28, 0.09, 0.001, 0.0, 0.0),
        rig("equidistant", 0.02, -0.01, 0.0, 0.0),
    ],
    ids=["none", "homography", "lenses", "fisheyes"],
)
def test_opencv_is_not_loaded_where_images_are_raw(
    tmp_path: Path, transform: Homography | CameraRig | None
) -> None:
    """It takes 22 MB, a fifth of what the node takes without it."""
    try:
        load_library()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    parameters = "RegistrationParameters()"
    if transform is not None:
        path = tmp_path / "rig.yaml"
        save_registration(path, transform)
        parameters = f"RegistrationParameters(source='file', file={str(path)!r})"
    assert printed(PLAIN.replace("REGISTRATION", parameters)) == "False"


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not Path("/proc/self/statm").exists(),
    reason="not the C library that keeps what is freed",
)
def test_memory_freed_below_a_block_in_use_goes_back_to_the_system() -> None:
    assert printed(FREED) == "True True"
