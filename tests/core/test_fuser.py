"""The Python interface: what fuses once a GPU has failed."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core import BackendUnavailableError, Fuser
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.backends.registry import fastest_without_gpu

VISIBLE = np.full((48, 64, 3), 90, np.uint8)
INFRARED = np.full((48, 64), 200, np.uint8)


class LostGpu:
    """A backend of a GPU that has been unplugged."""

    name = "cuda"

    def fuse(self, visible, infrared, options: FuseOptions = FULL):
        raise BackendUnavailableError("the device is gone")

    def hold(self, raw, levels, warp):
        raise BackendUnavailableError("the device is gone")

    def fuse_held(self, visible, options: FuseOptions = FULL):
        raise BackendUnavailableError("the device is gone")


def test_when_the_gpu_fails_the_cpu_fuses() -> None:
    fuser = Fuser("default", "cpu")
    expected = fuser.fuse(VISIBLE, INFRARED)
    fuser.backend = LostGpu()
    fused = fuser.fuse(VISIBLE, INFRARED)
    assert np.abs(fused.astype(int) - expected).max() <= 1
    assert "'cuda' failed while running (the device is gone)" in fuser.replaced
    assert fuser.backend.name == fastest_without_gpu(fuser.model, None, []).name


def test_when_the_cpu_fails_that_is_said() -> None:
    class Failing:
        name = "cpu"

        def fuse(self, visible, infrared, options: FuseOptions = FULL):
            raise BackendUnavailableError("no memory")

    fuser = Fuser("default", "cpu")
    fuser.backend = Failing()
    with pytest.raises(BackendUnavailableError, match="no memory"):
        fuser.fuse(VISIBLE, INFRARED)
