"""Helper threads of the native backend that lose their core in the middle of a frame."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import load_library
from lut_fuse_core.parallel import usable_cores

HOLDING = Path(__file__).with_name("late_helper.c")

PROGRAM = """
import ctypes
import sys
import weakref

import numpy as np

from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.native import NativeBackend
from lut_fuse_core.fuser import Fuser

memory = ctypes.CDLL(sys.argv[1])
memory.allocate.restype = ctypes.c_void_p
memory.allocate.argtypes = (ctypes.c_size_t,)
height, width = 480, 640
noise = np.random.default_rng(0)
images = {
    "visible": noise.integers(0, 256, (height, width, 3), np.uint8),
    "infrared": noise.integers(0, 256, (height, width), np.uint8),
    "mask": noise.integers(0, 256, (height, width), np.uint8),
}
model = Fuser(backend="native").model


def fuse(backend, images, out):
    # Of a set ambient level the image itself is not asked.
    options = FuseOptions(0.7, mask=images["mask"], ambient=90.0, out=out)
    return backend.fuse(images["visible"], images["infrared"], options)


def on_holding_pages(image):
    address = memory.allocate(image.nbytes)
    held = np.ctypeslib.as_array((ctypes.c_uint8 * image.nbytes).from_address(address))
    held = held.reshape(image.shape)
    held[...] = image
    return held


def result():
    return np.empty((height, width, 3), np.uint8)


alone = NativeBackend(model, 1)
expected = fuse(alone, images, result()).copy()
darker = {name: image // 2 for name, image in images.items()}
expected_darker = fuse(alone, darker, result()).copy()

slow = sys.argv[2]
images[slow] = on_holding_pages(images[slow])
out = result()
while not memory.held():
    backend = NativeBackend(model, 2)
    fuse(backend, images, result())  # how long a frame takes is not known before the first one
    memory.arm()
    fused = fuse(backend, images, out)
# The main thread has read what the helper is still held at.
print("held", memory.held(), "complete", np.array_equal(fused, expected))

out[...] = 7
print("next", np.array_equal(fuse(backend, darker, result()), expected_darker))
other = NativeBackend(model, 2)
print("other", np.array_equal(fuse(other, darker, result()), expected_darker))
kept = weakref.ref(images[slow])
del images
print("kept", kept() is not None, "held", memory.held())

memory.release()
while kept() is not None:
    fuse(backend, darker, result())
print("released, written afterwards:", int((out != 7).sum()))
print("next", np.array_equal(fuse(backend, darker, result()), expected_darker))
"""

EXPECTED = """\
held 1 complete True
next True
other True
kept True held 1
released, written afterwards: 0
next True
"""


@pytest.fixture(scope="module")
def holding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and Linux's signals")
    if usable_cores() < 2:
        pytest.skip("needs two cores, else there are no helpers")
    try:
        load_library()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    library = tmp_path_factory.mktemp("late") / "late_helper.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HOLDING], check=True)
    return library


@pytest.mark.parametrize("image", ["infrared", "visible", "mask"])
def test_a_helper_that_loses_its_core_holds_up_no_frame_and_changes_none(
    holding: Path, image: str
) -> None:
    """Held in the middle of pooling, or, at the mask, in the middle of the look-up."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, holding, image],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == EXPECTED
