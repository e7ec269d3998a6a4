"""The `cpu` backend fuses like the reference: every model, every size, every kind of array."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import random_model

from lut_fuse_core import InputError, load_model
from lut_fuse_core.backends.cpu import CpuBackend
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.backends.registry import create_backend
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import GradientSpec

MODELS = {
    "stride 1": random_model(1),
    "stride 4, RGB": random_model(2, unshuffle=2, pool=2, inputs="rgb_infrared"),
    "stride 6, no skip": random_model(3, unshuffle=2, pool=3, skip=False),
    "l2, zero border": random_model(4, gradient=GradientSpec("l2", "zero", "fixed", 0.5), pool=8),
    "as published": random_model(5, per_frame=True, inputs="rgb_infrared", input_scale=1.0),
    "dark scenes": random_model(7, unshuffle=2, dark=True),
    "two nodes per axis": random_model(6, nodes=(2, 2, 2, 2), pool=2),
}
BACKENDS = {name: CpuBackend(model, 2) for name, model in MODELS.items()}


def pair(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random blobs with noise: smooth parts and hard edges."""
    rng = np.random.default_rng(seed)
    planes = cv2.GaussianBlur(rng.random((height, width, 4)).astype(np.float32), (0, 0), 3)
    planes = (planes - planes.min()) / np.ptp(planes) * 255 + rng.normal(0, 8, planes.shape)
    planes[height // 3 : height // 2] = 255 - planes[height // 3 : height // 2]
    image = np.clip(planes, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[..., :3]), np.ascontiguousarray(image[..., 3])


def difference(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(np.int16) - second.astype(np.int16)).max())


@pytest.mark.parametrize("name", MODELS)
@given(height=st.integers(16, 70), width=st.integers(16, 70), seed=st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_it_agrees_with_the_reference_at_any_size(
    name: str, height: int, width: int, seed: int
) -> None:
    images = pair(height, width, seed)
    expected = ReferenceBackend(MODELS[name]).fuse(*images)
    assert difference(BACKENDS[name].fuse(*images), expected) <= 1


@pytest.mark.parametrize("value", [0, 255])
def test_it_agrees_on_images_without_any_structure(value: int) -> None:
    images = np.full((20, 33, 3), value, np.uint8), np.full((20, 33), 255 - value, np.uint8)
    for name, model in MODELS.items():
        expected = ReferenceBackend(model).fuse(*images)
        assert difference(BACKENDS[name].fuse(*images), expected) <= 1, name


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_it_agrees_on_strength_and_mask(strength: float, rng: np.random.Generator) -> None:
    images = pair(40, 50)
    mask = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    mask[:10], mask[-10:] = 0, 255
    for name, model in MODELS.items():
        expected = ReferenceBackend(model).fuse(*images, FuseOptions(strength=strength, mask=mask))
        fused = BACKENDS[name].fuse(*images, FuseOptions(strength=strength, mask=mask))
        assert difference(fused, expected) <= 1, name


def test_strength_zero_and_uncovered_pixels_leave_the_visible_image() -> None:
    visible, infrared = pair(40, 50)
    backend = BACKENDS["stride 1"]
    np.testing.assert_array_equal(
        backend.fuse(visible, infrared, FuseOptions(strength=0.0)), visible
    )
    nothing = np.zeros((40, 50), np.uint8)
    np.testing.assert_array_equal(
        backend.fuse(visible, infrared, FuseOptions(mask=nothing)), visible
    )


def test_arrays_may_be_strided_or_read_only() -> None:
    visible, infrared = pair(60, 80)
    backend = BACKENDS["stride 1"]
    expected = backend.fuse(visible[10:50:2, 5:65:3], infrared[10:50:2, 5:65:3].copy())
    bgr = np.ascontiguousarray(visible[..., ::-1])
    bgr.flags.writeable = False
    fused = backend.fuse(bgr[10:50:2, 5:65:3, ::-1], infrared[10:50:2, 5:65:3])
    np.testing.assert_array_equal(fused, expected)


def test_the_result_can_be_written_in_place_whatever_the_bands() -> None:
    visible, infrared = pair(64, 48)
    backend = CpuBackend(MODELS["stride 1"], 4)
    expected = backend.fuse(visible, infrared)
    out = np.empty_like(visible)
    assert backend.fuse(visible, infrared, FuseOptions(out=out)) is out
    np.testing.assert_array_equal(out, expected)
    assert backend.fuse(visible, infrared, FuseOptions(out=visible)) is visible
    np.testing.assert_array_equal(visible, expected)


@pytest.mark.parametrize("shared", ["infrared", "mask"])
@pytest.mark.parametrize("name", ["cpu", "native", "reference"])
def test_the_result_may_lie_where_the_inputs_do(name: str, shared: str) -> None:
    visible, infrared = pair(64, 48)
    mask = np.random.default_rng(1).integers(0, 256, infrared.shape, dtype=np.uint8)
    backend = create_backend(name, MODELS["stride 1"], 2)
    expected = backend.fuse(visible, infrared, FuseOptions(mask=mask))
    out = np.empty_like(visible)
    planes = {"infrared": infrared, "mask": mask}
    planes[shared] = out.reshape(-1)[: infrared.size].reshape(infrared.shape)
    planes[shared][:] = {"infrared": infrared, "mask": mask}[shared]
    backend.fuse(visible, planes["infrared"], FuseOptions(mask=planes["mask"], out=out))
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("threads", [1, 3, 40])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    images = pair(37, 41)
    for name, model in MODELS.items():
        fused = CpuBackend(model, threads).fuse(*images)
        assert difference(fused, BACKENDS[name].fuse(*images)) <= 1, name


def test_frames_of_changing_size_do_not_disturb_each_other() -> None:
    backend = BACKENDS["stride 6, no skip"]
    first = backend.fuse(*pair(48, 64))
    backend.fuse(*pair(16, 100))
    np.testing.assert_array_equal(backend.fuse(*pair(48, 64)), first)


def test_backends_in_several_threads_do_not_disturb_each_other() -> None:
    images = pair(64, 64)
    expected = BACKENDS["stride 1"].fuse(*images)

    def fuse_often(_: int) -> bool:
        backend = CpuBackend(MODELS["stride 1"], 2)
        return all((backend.fuse(*images) == expected).all() for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fuse_often, range(4)))


def test_a_change_far_away_changes_nothing_here() -> None:
    visible, infrared = pair(64, 160)
    lit = visible.copy()
    lit[20:40, 120:150] = 255
    backend = BACKENDS["stride 4, RGB"]
    before, after = backend.fuse(visible, infrared), backend.fuse(lit, infrared)
    np.testing.assert_array_equal(after[:, :90], before[:, :90])


def test_unsuitable_arrays_are_refused() -> None:
    visible, infrared = pair(32, 32)
    backend = BACKENDS["stride 1"]
    with pytest.raises(InputError, match="must have the same size"):
        backend.fuse(visible, infrared[:-1])
    with pytest.raises(InputError, match="too small"):
        backend.fuse(visible[:15], infrared[:15])
    with pytest.raises(InputError, match="uint8"):
        backend.fuse(visible, infrared.astype(np.uint16))  # type: ignore[arg-type]


def test_the_default_model_agrees_with_the_reference_on_a_video_frame() -> None:
    model = load_model("default")
    images = pair(240, 321)
    expected = ReferenceBackend(model).fuse(*images)
    assert difference(CpuBackend(model).fuse(*images), expected) <= 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_is_told_instead_of_waiting_for_ever() -> None:
    images = pair(90, 120)
    backend = CpuBackend(random_model(), 2)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        status = 3
        try:
            backend.fuse(*images)
        except BackendUnavailableError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_it_needs_nothing_but_numpy_and_opencv() -> None:
    program = (
        "import sys; from lut_fuse_core import load_model;"
        "from lut_fuse_core.backends import create_backend;"
        "create_backend('cpu', load_model('default'), 1);"
        "print(*({'numba', 'onnxruntime', 'safetensors', 'torch', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
