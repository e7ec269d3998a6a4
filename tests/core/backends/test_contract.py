"""What every backend promises (`lut_fuse_core.backends.base.Backend`); all are held to it.

The GPU backends run on the host, with stand-ins for CuPy and TensorRT.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from host_cupy import COMPILER, host_cupy
from host_tensorrt import NEW, host_tensorrt
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import one_lattice, random_model

from lut_fuse_core import load_model
from lut_fuse_core.arrays import UInt8Array, gray_view
from lut_fuse_core.backends.base import Backend, RegisteringBackend, StagedBackend
from lut_fuse_core.backends.cpu import CpuBackend
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.gpu.cuda import CudaBackend
from lut_fuse_core.backends.gpu.options import GpuOptions
from lut_fuse_core.backends.gpu.tensorrt import TensorRtBackend
from lut_fuse_core.backends.native import NativeBackend
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.errors import BackendUnavailableError, InputError
from lut_fuse_core.model.features import ambient
from lut_fuse_core.model.fusion_model import FusionModel, GradientSpec
from lut_fuse_core.native.bindings import instruction_sets
from lut_fuse_core.registration import Registration, RegistrationConfig
from lut_fuse_core.registration.field.displacement import DisplacementField
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.registration.field.warping import FieldWarps

MODELS = {
    "stride 8": random_model(1, pool=4, unshuffle=2),
    "stride 1": random_model(1),
    "stride 4, RGB": random_model(2, unshuffle=2, pool=2, inputs="rgb_infrared"),
    "stride 6, no skip": random_model(3, unshuffle=2, pool=3, skip=False),
    "l2, zero border": random_model(4, gradient=GradientSpec("l2", "zero", "fixed", 0.5), pool=8),
    "as published": random_model(5, per_frame=True, inputs="rgb_infrared", input_scale=1.0),
    "dark scenes": random_model(3, unshuffle=2, dark=True),
    "two nodes per axis": random_model(6, nodes=(2, 2, 2, 2), pool=2),
    "default": load_model("default"),
}
USUAL, DARK = MODELS["stride 8"], MODELS["dark scenes"]
OF_GPU = ("stride 8", "dark scenes")
"""To compile for a model takes seconds; what else the kernels can is in `test_cuda_source`."""

try:
    NATIVE = tuple(f"native {instructions}" for instructions in instruction_sets())
except BackendUnavailableError:
    NATIVE = ()
ON_CPU = ("reference", "cpu", "native", *NATIVE)
ON_GPU = ("cuda", "tensorrt")
WITH_THREADS = ("cpu", "native")
EXACT = ("reference", "native")
"""Their pixels do not depend on the number of threads and the frames before; those of the others
may by one gray level, where a library chooses its kernels by size."""


class Make:
    """Makes backends of one kind; one for each model, which has seen other frames before.

    Attributes:
        models: names of the `MODELS` that the kind is tried with.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind, self._folder = kind, folder
        self._kept: dict[int, Backend] = {}
        stable = [name for name, model in MODELS.items() if model.time_stable]
        self.models = OF_GPU if kind in ON_GPU else stable if "native" in kind else tuple(MODELS)

    def __call__(self, model: FusionModel) -> Backend:
        if id(model) not in self._kept:
            self._kept[id(model)] = create(self._kind, model, 2, self._folder)
        return self._kept[id(model)]


@pytest.fixture(scope="module")
def gpu_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder for kernels and engines, while the stand-ins are installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tensorrt", host_tensorrt(NEW))
        folder = tmp_path_factory.mktemp("gpu")
        patch.setitem(sys.modules, "cupy", host_cupy(folder))
        yield folder


def create(kind: str, model: FusionModel, threads: int, folder: Path) -> Backend:
    if kind in ON_GPU and COMPILER is None:
        pytest.skip("no C++ compiler for the kernels")
    if kind == "native" and not NATIVE:
        pytest.skip("no native library here")
    name, _, instructions = kind.partition(" ")
    options = GpuOptions("fp32", folder)
    makers: dict[str, Callable[[], Backend]] = {
        "reference": lambda: ReferenceBackend(model),
        "cpu": lambda: CpuBackend(model, threads),
        "native": lambda: NativeBackend(model, threads, instructions or None),
        "cuda": lambda: CudaBackend(model, options=options),
        "tensorrt": lambda: TensorRtBackend(model, options=options, size=(64, 96)),
    }
    return makers[name]()


@pytest.fixture(scope="module", params=(*ON_CPU, *ON_GPU))
def make(request: pytest.FixtureRequest, gpu_folder: Path) -> Make:
    return Make(request.param, gpu_folder)


def pair(height: int, width: int, seed: int = 0) -> tuple[UInt8Array, UInt8Array]:
    """Random blobs with noise: smooth parts and hard edges."""
    rng = np.random.default_rng(seed)
    planes = cv2.GaussianBlur(rng.random((height, width, 4)).astype(np.float32), (0, 0), 3)
    planes = (planes - planes.min()) / np.ptp(planes) * 255 + rng.normal(0, 8, planes.shape)
    planes[height // 3 : height // 2] = 255 - planes[height // 3 : height // 2]
    image = np.clip(planes, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[..., :3]), np.ascontiguousarray(image[..., 3])


def noise(height: int, width: int, top: int = 256, seed: int = 0) -> tuple[UInt8Array, UInt8Array]:
    """A pair without anything smooth, the visible image darker than ``top``."""
    rng = np.random.default_rng(seed)
    visible = rng.integers(0, top, (height, width, 3), dtype=np.uint8)
    return visible, rng.integers(0, 256, (height, width), dtype=np.uint8)


def a_mask(height: int, width: int) -> UInt8Array:
    mask = np.random.default_rng(5).integers(0, 256, (height, width), dtype=np.uint8)
    mask[: height // 4], mask[-height // 4 :] = 0, 255
    return mask


@functools.cache
def reference(model_id: int) -> ReferenceBackend:
    (model,) = (each for each in MODELS.values() if id(each) == model_id)
    return ReferenceBackend(model)


def agrees(
    backend: Backend,
    model: FusionModel,
    images: tuple[UInt8Array, UInt8Array],
    options: FuseOptions | None = None,
) -> bool:
    """Whether each value is within one gray level of the reference's."""
    options = options or FuseOptions()
    truth = reference(id(model)).fuse(*images, options)
    return bool(np.abs(backend.fuse(*images, options).astype(int) - truth).max() <= 1)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((kind, name) for kind in ON_CPU[1:] for name in MODELS),
        *((kind, name) for kind in ON_GPU for name in OF_GPU),
    ],
)
def test_it_agrees_with_the_reference_within_one_gray_level(
    kind: str, name: str, gpu_folder: Path
) -> None:
    model = MODELS[name]
    if not model.time_stable and kind != "cpu":
        with pytest.raises(BackendUnavailableError, match="own statistics; 'cpu' can do that"):
            create(kind, model, 2, gpu_folder)
        return
    backend = create(kind, model, 2, gpu_folder)
    pairs = [pair(16, 16), noise(17, 33), pair(45, 75), noise(64, 96), pair(45, 75, 1)]
    if name == "default":
        pairs.append(pair(240, 321))
    for images in pairs:
        assert agrees(backend, model, images)


@given(data=st.data(), height=st.integers(16, 70), width=st.integers(16, 150))
@settings(max_examples=20, deadline=None)
def test_any_size_is_covered_to_its_last_pixel(
    make: Make, data: st.DataObject, height: int, width: int
) -> None:
    model = MODELS[data.draw(st.sampled_from(make.models))]
    assert agrees(make(model), model, pair(height, width, data.draw(st.integers(0, 99))))


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_images_without_any_structure_are_fused(make: Make, level: int) -> None:
    visible = np.full((20, 33, 3), level, np.uint8)
    for model in map(MODELS.__getitem__, make.models):
        for heat in (0, 128, 255):
            assert agrees(make(model), model, (visible, np.full((20, 33), heat, np.uint8)))


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("masked", [False, True])
def test_strength_and_mask_scale_the_change(make: Make, strength: float, masked: bool) -> None:
    options = FuseOptions(strength, a_mask(45, 75) if masked else None)
    for model in map(MODELS.__getitem__, make.models):
        assert agrees(make(model), model, pair(45, 75), options)


def test_no_strength_or_an_empty_mask_leaves_the_visible_image(make: Make) -> None:
    visible, infrared = noise(45, 75)
    for options in (FuseOptions(0.0), FuseOptions(mask=np.zeros_like(infrared))):
        np.testing.assert_array_equal(make(USUAL).fuse(visible, infrared, options), visible)


def test_views_and_arrays_that_are_read_only_are_fused_like_their_copies(make: Make) -> None:
    visible, infrared = noise(80, 100)
    mask = a_mask(80, 100)
    for array in (visible, infrared, mask):
        array.flags.writeable = False
    backend = make(USUAL)
    for name, part in {
        "as it is": np.s_[:, :],
        "cropped": np.s_[5:60, 3:70],
        "upside down": np.s_[::-1],
        "mirrored": np.s_[:, ::-1],
        "every second pixel": np.s_[::2, ::2],
    }.items():
        views = visible[part], infrared[part], mask[part]
        copies = [np.ascontiguousarray(view) for view in views]
        expected = backend.fuse(*copies[:2], FuseOptions(mask=copies[2]))
        fused = backend.fuse(*views[:2], FuseOptions(mask=views[2]))
        np.testing.assert_array_equal(fused, expected, name)
    for name, images in {
        "blue first": (visible[..., ::-1], infrared),
        "transposed": (visible.transpose(1, 0, 2), infrared.T),
    }.items():
        expected = backend.fuse(*map(np.ascontiguousarray, images))
        np.testing.assert_array_equal(backend.fuse(*images), expected, name)


def test_a_view_of_one_plane_is_fused_like_gray_in_three_channels(make: Make) -> None:
    planes, infrared = pair(80, 100)
    luma, mask = planes[..., 0], a_mask(80, 100)
    for part in (np.s_[:, :], np.s_[5:60, 3:70], np.s_[::-1]):
        for plane in (luma[part], np.ascontiguousarray(luma[part])):
            view, heat = gray_view(plane), infrared[part]
            copy = np.ascontiguousarray(view)
            out = np.empty_like(copy)
            for name in make.models:
                backend = make(MODELS[name])
                for options in (FuseOptions(0.3, mask[part]), FuseOptions()):
                    expected = backend.fuse(copy, heat, options)
                    np.testing.assert_array_equal(backend.fuse(view, heat, options), expected, name)
                backend.fuse(view, heat, FuseOptions(out=out))
                np.testing.assert_array_equal(out, expected, name)


def test_the_output_is_filled_and_nothing_is_written_outside_it(make: Make) -> None:
    images, backend = pair(37, 61), make(USUAL)
    poisoned = np.full(37 * 61 * 3 + 512, 171, np.uint8)
    out = poisoned[256:-256].reshape(37, 61, 3)
    assert backend.fuse(*images, FuseOptions(out=out)) is out
    np.testing.assert_array_equal(out, backend.fuse(*images))
    assert (poisoned[:256] == 171).all()
    assert (poisoned[-256:] == 171).all()


def test_a_result_stays_as_it_is_when_the_next_pair_is_fused(make: Make) -> None:
    backend = make(USUAL)
    first = backend.fuse(*pair(40, 50))
    kept = first.copy()
    backend.fuse(*pair(40, 50, 1))
    np.testing.assert_array_equal(first, kept)


def test_the_inputs_are_left_as_they_are(make: Make) -> None:
    images, mask = pair(40, 50), a_mask(40, 50)
    before = [array.copy() for array in (*images, mask)]
    make(USUAL).fuse(*images, FuseOptions(0.5, mask))
    for array, copy in zip((*images, mask), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("shared", ["visible", "infrared", "mask"])
def test_the_output_may_lie_where_an_input_does(make: Make, shared: str) -> None:
    visible, infrared = noise(120, 100)
    arrays = {"visible": visible, "infrared": infrared, "mask": a_mask(120, 100)}
    backend = make(USUAL)
    expected = backend.fuse(visible, infrared, FuseOptions(mask=arrays["mask"]))
    out = np.empty_like(visible)
    there = out.reshape(-1)[: arrays[shared].size].reshape(arrays[shared].shape)
    there[:] = arrays[shared]
    arrays[shared] = there
    options = FuseOptions(mask=arrays["mask"], out=out)
    assert backend.fuse(arrays["visible"], arrays["infrared"], options) is out
    np.testing.assert_array_equal(out, expected)


def test_frames_of_changing_size_do_not_disturb_each_other(make: Make) -> None:
    backend = make(USUAL)
    sizes = ((64, 96), (16, 200), (101, 17), (64, 96))
    first = [backend.fuse(*noise(*size)) for size in sizes]
    for size, expected in zip(sizes, first, strict=True):
        np.testing.assert_array_equal(backend.fuse(*noise(*size)), expected)
        assert agrees(backend, USUAL, noise(*size))


def test_a_change_far_away_changes_nothing_here(make: Make) -> None:
    visible, infrared = pair(64, 256)
    lit = visible.copy()
    lit[20:40, 216:246] = 255
    before, after = (make(USUAL).fuse(image, infrared) for image in (visible, lit))
    np.testing.assert_array_equal(after[:, :90], before[:, :90])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v, i: (v, i[:-1]), "must have the same size"),
        (lambda v, i: (v[:15], i[:15]), "too small; the minimum is 16x16"),
        (lambda v, i: (v, i.astype(np.uint16)), "the infrared image must be a .* uint8 array"),
        (lambda v, i: (v.astype(np.float32), i), "the visible image must be a .* uint8 array"),
        (lambda v, i: (v[..., 0], i), "the visible image must be a"),
        (lambda v, i: (np.dstack([v, i]), i), "4 channels"),
        (lambda v, i: (v, v), "the infrared image must be a"),
        (lambda v, i: (v.tolist(), i), "the visible image must be a"),
    ],
)
def test_unsuitable_images_are_refused(
    make: Make,
    change: Callable[[UInt8Array, UInt8Array], tuple[UInt8Array, UInt8Array]],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        make(USUAL).fuse(*change(*pair(32, 32)))


def read_only(array: UInt8Array) -> UInt8Array:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mask": np.zeros((31, 32), np.uint8)}, "the mask must be"),
        ({"mask": np.zeros((32, 32), np.float32)}, "the mask must be"),
        ({"mask": np.zeros((32, 32), np.uint8).tolist()}, "the mask must be .*list"),
        ({"out": np.zeros((32, 32, 3), np.uint8).tolist()}, "out must be"),
        ({"out": np.zeros((32, 31, 3), np.uint8)}, "out must be"),
        ({"out": np.zeros((32, 32, 3), np.float32)}, "out must be"),
        ({"out": np.zeros((32, 64, 3), np.uint8)[:, ::2]}, "out must be"),
        ({"out": read_only(np.zeros((32, 32, 3), np.uint8))}, "out must be"),
    ],
)
def test_an_unsuitable_mask_or_output_is_refused(
    make: Make, arrays: dict[str, UInt8Array], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make(USUAL).fuse(*pair(32, 32), FuseOptions(**arrays))


@pytest.mark.parametrize(
    "values",
    [
        *({"strength": value} for value in (-0.1, 1.01, float("nan"))),
        *({"ambient": value} for value in (-1.0, float("nan"), float("inf"))),
    ],
)
def test_a_strength_or_an_ambient_level_that_makes_no_sense_is_refused(
    values: dict[str, float],
) -> None:
    ((name, value),) = values.items()
    with pytest.raises(InputError, match=f"{name} is {value}; it must be between"):
        FuseOptions(**values)


def test_every_scene_gets_the_lattice_that_is_its_own(make: Make) -> None:
    night, infrared = noise(70, 90, 20)
    dim, day = night + np.uint8(50), night + np.uint8(150)
    model = replace(DARK, levels=(20.0, ambient(dim), 90.0))
    for lattice, visible in zip(model.lattices, (night, dim, day), strict=True):
        own = ReferenceBackend(one_lattice(model, lattice)).fuse(visible, infrared)
        fused = make(model).fuse(visible, infrared)
        assert np.abs(fused.astype(int) - own).max() <= 1


def test_a_given_ambient_level_counts_instead_of_the_frames_own(make: Make) -> None:
    backend, images = make(DARK), noise(70, 90, 120)
    own = backend.fuse(*images)
    for level in (0.0, 47.5, 61.0, 255.0):
        lattice = DARK.lattice_at(DARK.place(level))
        alone = ReferenceBackend(one_lattice(DARK, lattice)).fuse(*images)
        given = backend.fuse(*images, FuseOptions(ambient=level))
        assert np.abs(given.astype(int) - alone).max() <= 1
        assert np.abs(given.astype(int) - own).max() > 2
    np.testing.assert_array_equal(backend.fuse(*images), own)


def test_the_scenes_before_do_not_show(make: Make) -> None:
    for name in {"dark scenes", "default"} & set(make.models):
        for seed, top in enumerate((20, 250, 120, 121, 20, 130)):
            assert agrees(make(MODELS[name]), MODELS[name], noise(70, 90, top, seed))


def test_a_lamp_that_enters_a_night_changes_nothing_beside_it(make: Make) -> None:
    visible, infrared = noise(70, 90, 20)
    entered = visible.copy()
    entered[:20, :20] = 255  # so many that the ambient level goes from 10 to 16
    before, after = (make(DARK).fuse(image, infrared) for image in (visible, entered))
    np.testing.assert_array_equal(before[40:, 40:], after[40:, 40:])


def test_one_that_tells_its_stages_names_them_in_their_order(make: Make) -> None:
    backend = make(USUAL)
    backend.fuse(*pair(120, 160))
    if isinstance(backend, StagedBackend):
        times = backend.stage_times()
        assert list(times) == ["pooling", "encoder", "look-up"]
        assert all(time > 0 for time in times.values())


@pytest.mark.parametrize("kind", WITH_THREADS)
@pytest.mark.parametrize("threads", [1, 3, 8, 40])
def test_the_number_of_threads_changes_nothing(kind: str, threads: int, gpu_folder: Path) -> None:
    images = noise(203, 161)
    for name in ("stride 8", "dark scenes", "default"):
        expected = create(kind, MODELS[name], 2, gpu_folder).fuse(*images)
        backend = create(kind, MODELS[name], threads, gpu_folder)
        for _ in range(5):
            difference = backend.fuse(*images).astype(int) - expected
            assert np.abs(difference).max() <= (0 if kind in EXACT else 1)


@pytest.mark.parametrize("kind", WITH_THREADS)
def test_backends_in_several_threads_do_not_disturb_each_other(kind: str, gpu_folder: Path) -> None:
    pairs = [noise(90, 120, seed=seed) for seed in range(4)]
    expected = [create(kind, USUAL, 1, gpu_folder).fuse(*images) for images in pairs]

    def fuse_often(number: int) -> bool:
        backend = create(kind, USUAL, 3, gpu_folder)
        fused = (backend.fuse(*pairs[number]) for _ in range(20))
        return all(np.array_equal(image, expected[number]) for image in fused)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fuse_often, range(4)))


@pytest.mark.parametrize("name", OF_GPU)
def test_a_displacement_that_changes_with_every_frame_is_followed(make: Make, name: str) -> None:
    if name not in make.models:
        pytest.skip("this backend does not run such a model")
    model, backend = MODELS[name], make(MODELS[name])
    visible, infrared = pair(72, 96)
    levels = np.arange(256, dtype=np.uint8)
    geometry = FieldGeometry(RegistrationConfig(), (96, 72), (96, 72))
    base, warps = Registration(geometry.registration).warp((96, 72), (96, 72)), FieldWarps(geometry)
    for length in (0.0, 3.0, -5.5):
        field = DisplacementField.none((geometry.grid.rows, geometry.grid.columns), (96, 72))
        field.displacement[..., 0] = length
        warp = warps.follow(base, field)
        registered = np.empty((72, 96), np.uint8)
        warp.sample(infrared, levels, registered)
        options = FuseOptions(mask=warp.mask)
        expected = ReferenceBackend(model).fuse(visible, registered, options)
        if isinstance(backend, RegisteringBackend):
            backend.hold(infrared, levels, warp)
            fused = backend.fuse_held(visible)
        else:
            fused = backend.fuse(visible, registered, options)
        assert np.abs(fused.astype(int) - expected).max() <= 1
