"""The native backend: within one gray level of the reference, whatever the model and the arrays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
import pytest
from random_models import one_lattice, several_lattices

from lut_fuse_core.arrays import UInt8Array, gray_view, is_gray_view
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.native import NativeBackend
from lut_fuse_core.backends.reference import ReferenceBackend, fuse_float
from lut_fuse_core.backends.registry import create_backend
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.encoder import INPUT_CHANNELS, ContextEncoder, ConvBlock, EncoderInput
from lut_fuse_core.model.file import save_model
from lut_fuse_core.model.fusion_model import AXIS_NAMES, Axis, FusionModel, GradientSpec
from lut_fuse_core.native import bindings
from lut_fuse_core.native.bindings import instruction_sets

try:
    SETS = instruction_sets()
except BackendUnavailableError as unavailable:
    pytest.skip(f"native backend: {unavailable}", allow_module_level=True)


def random_encoder(
    rng: np.random.Generator,
    widths: tuple[int, ...] = (16, 16, 16, 16),
    inputs: EncoderInput = "luma_infrared",
    pool: int = 4,
    unshuffle: int = 2,
    **settings: object,
) -> ContextEncoder:
    channels = INPUT_CHANNELS[inputs] * unshuffle**2
    blocks = []
    for width in (*widths, 1):
        weight = rng.normal(0, np.sqrt(2 / (9 * channels)), (width, channels, 3, 3))
        blocks.append(
            ConvBlock(weight.astype(np.float32), rng.normal(0, 0.1, width).astype(np.float32))
        )
        channels = width
    return ContextEncoder(
        tuple(blocks),
        inputs=inputs,
        pool=pool,
        unshuffle=unshuffle,
        **settings,  # type: ignore[arg-type]
    )


def random_model(
    seed: int = 0,
    nodes: tuple[int, int, int, int] = (17, 17, 5, 5),
    roughness: float = 0.03,
    ranges: tuple[tuple[float, float], ...] = ((0, 255), (0, 255), (0, 64), (0, 255)),
    gradient: GradientSpec | None = None,
    **encoder: object,
) -> FusionModel:
    """A model whose lattice bends along every axis, plus noise of +-roughness at each node."""
    rng = np.random.default_rng(seed)
    luma, heat, edge, context = np.meshgrid(*(np.linspace(0, 1, n) for n in nodes), indexing="ij")
    lattice = 0.1 + 0.8 * np.maximum(luma, heat * (0.7 + 0.3 * context)) + 0.1 * edge * (luma - 0.5)
    lattice += rng.uniform(-roughness, roughness, nodes)
    axes = [Axis(name, n, *r) for name, n, r in zip(AXIS_NAMES, nodes, ranges, strict=True)]
    return FusionModel(
        lattice.astype(np.float32)[None],
        tuple(axes),  # type: ignore[arg-type]
        gradient or GradientSpec(),
        random_encoder(rng, **encoder),  # type: ignore[arg-type]
    )


def smooth_pair(height: int, width: int, seed: int = 0) -> tuple[UInt8Array, UInt8Array]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    gray = 128 + 90 * np.sin(x / 17 + y / 23) + rng.normal(0, 12, (height, width))
    visible = gray[..., None] + rng.normal(0, 6, (height, width, 3)) + (10, -5, 20)
    infrared = 128 + 140 * np.cos(x / 31 - y / 19) + rng.normal(0, 5, (height, width))
    return tuple(np.clip(a, 0, 255).astype(np.uint8) for a in (visible, infrared))  # type: ignore[return-value]


def noise_pair(height: int, width: int, seed: int = 0) -> tuple[UInt8Array, UInt8Array]:
    """Black and white in equal parts with all levels: the steepest gradients there are."""
    rng = np.random.default_rng(seed)
    visible = rng.choice([0, 255, 255, 0, 90, 130], (height, width, 3)).astype(np.uint8)
    return visible, rng.integers(0, 256, (height, width), dtype=np.uint8)


def difference(first: UInt8Array, second: UInt8Array) -> int:
    return int(np.abs(first.astype(np.int16) - second.astype(np.int16)).max())


def with_dark_scenes(model: FusionModel, other: FusionModel) -> FusionModel:
    """The other's lattice for dark scenes, as which the tests' pairs count in part."""
    (lattice,) = other.lattices
    return several_lattices(model, np.stack([lattice[::-1], lattice]))


MODELS = {
    "stride 8": random_model(),
    "stride 4": random_model(1, pool=2, widths=(8, 8, 8, 8)),
    "pool 4": random_model(2, pool=4, unshuffle=1, widths=(24, 24)),
    "unshuffle 4": random_model(3, pool=2, unshuffle=4, widths=(16, 8, 8, 16)),
    "full resolution": random_model(4, pool=1, unshuffle=1, widths=(4,)),
    "odd stride": random_model(5, (9, 17, 6, 3), pool=3, unshuffle=1, widths=(7, 5), skip=False),
    "stride 16": random_model(6, pool=16, unshuffle=1, widths=(8, 8, 8)),
    "color encoder": random_model(7, inputs="rgb_infrared", widths=(8, 8, 8, 8)),
    "two blocks with skip": random_model(8, widths=(8,), slope=0.0),
    "steep slope": random_model(9, slope=-0.5, input_scale=1 / 64),
    "published gradient": random_model(10, gradient=GradientSpec(norm="l2", border="zero")),
    "wide gradient": random_model(11, ranges=((0, 255), (0, 255), (0, 255), (0, 255))),
    "inner ranges": random_model(12, ranges=((16, 235), (20.5, 256), (4, 50), (-9, 300))),
    "many nodes": random_model(13, (17, 17, 9, 9), roughness=0.005),
    "dark scenes": with_dark_scenes(random_model(15), random_model(16)),
    "dark scenes beyond white": with_dark_scenes(
        _BRIGHT := random_model(15), replace(_BRIGHT, lattices=_BRIGHT.lattices * np.float32(1.2))
    ),
    "lattice beyond white": replace(
        _DIM := random_model(14), lattices=_DIM.lattices * np.float32(1.3) - np.float32(0.1)
    ),
}

FLOAT_MODELS = {
    "rough lattice": random_model(20, roughness=0.5),
    "rough lattice in dark scenes": with_dark_scenes(
        random_model(17), random_model(18, roughness=0.5)
    ),
    "published nodes": random_model(21, (17, 17, 17, 17)),
    "published nodes, rough, l2": random_model(
        22, (17, 17, 17, 17), roughness=0.5, gradient=GradientSpec(norm="l2", border="zero")
    ),
    "clipped context": random_model(23, ranges=((0, 255), (0, 255), (0, 64), (100, 180))),
    "negative luma": random_model(24, ranges=((-10, 255), (0, 255), (0, 64), (0, 255))),
}


@pytest.fixture(scope="module")
def model() -> FusionModel:
    return MODELS["stride 8"]


@pytest.mark.parametrize("name", [*MODELS, *FLOAT_MODELS])
def test_agrees_with_the_reference_within_one_gray_level(name: str) -> None:
    model = {**MODELS, **FLOAT_MODELS}[name]
    reference = ReferenceBackend(model)
    backends = [NativeBackend(model, 2, instructions) for instructions in SETS]
    for pair in (smooth_pair(16, 16), noise_pair(17, 33), smooth_pair(45, 75), noise_pair(64, 96)):
        expected = reference.fuse(*pair)
        for backend in backends:
            assert difference(backend.fuse(*pair), expected) <= 1


@pytest.mark.parametrize("width", range(16, 150, 7))
def test_every_width_is_covered_to_its_last_column(model: FusionModel, width: int) -> None:
    pair = smooth_pair(24, width)
    expected = ReferenceBackend(model).fuse(*pair)
    for instructions in SETS:
        assert difference(NativeBackend(model, 1, instructions).fuse(*pair), expected) <= 1


@pytest.mark.parametrize("name", MODELS)
def test_smooth_lattices_take_the_packed_look_up_within_its_bound(name: str) -> None:
    model, pair = MODELS[name], noise_pair(48, 80)
    exact = fuse_float(model, *pair)
    inside = (exact >= 0) & (exact <= 255)
    for instructions in SETS:
        backend = NativeBackend(model, 1, instructions)
        assert backend.packed
        error = np.abs(backend.fuse(*pair) - exact)[inside].max()
        assert error <= backend.error_bound.levels + 0.5


def test_an_encoder_that_amplifies_rounding_errors_counts_in_the_bound() -> None:
    calm = MODELS["stride 4"]
    blocks = [replace(b, weight=b.weight * np.float32(1.5)) for b in calm.encoder.blocks]
    loud = replace(calm, encoder=replace(calm.encoder, blocks=tuple(blocks)))
    for instructions in SETS:
        calm_bound, loud_bound = (
            NativeBackend(model, 1, instructions).error_bound for model in (calm, loud)
        )
        assert calm_bound.levels < loud_bound.levels


def test_encoders_too_wide_for_the_matrix_instructions_run_without_them() -> None:
    if "amx" not in SETS:
        pytest.skip("needs a processor with AMX")
    model, pair = MODELS["stride 8"], noise_pair(72, 104)
    wide = NativeBackend(model, 2, "amx").fuse(*pair)
    assert np.array_equal(wide, NativeBackend(model, 2, "avx512").fuse(*pair))


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_other_lattices_take_the_float_look_up(name: str) -> None:
    assert not NativeBackend(FLOAT_MODELS[name], 1).packed


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_the_float_look_up_fuses_one_plane_like_gray_in_three_channels(name: str) -> None:
    visible, infrared = noise_pair(40, 50)
    view, backend = gray_view(visible[..., 0]), NativeBackend(FLOAT_MODELS[name], 1)
    expected = backend.fuse(np.ascontiguousarray(view), infrared)
    np.testing.assert_array_equal(backend.fuse(view, infrared), expected)


def test_what_is_fused_of_one_plane_is_one_plane(model: FusionModel) -> None:
    visible, infrared = noise_pair(40, 50)
    fused = NativeBackend(model, 1).fuse(gray_view(visible[..., 0]), infrared)
    assert is_gray_view(fused)
    assert fused[..., 0].flags.c_contiguous


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_all_backends_share_their_helper_threads(model: FusionModel) -> None:
    pair = smooth_pair(32, 48)
    NativeBackend(model, 8).fuse(*pair)
    before = len(list(Path("/proc/self/task").iterdir()))
    for threads in (2, 4, 8):
        NativeBackend(model, threads).fuse(*pair)
    assert len(list(Path("/proc/self/task").iterdir())) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_fuses_too(model: FusionModel) -> None:
    pair = noise_pair(90, 120)
    backend = NativeBackend(model, 2)
    expected = backend.fuse(*pair)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(backend.fuse(*pair), expected) else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_warm_backend_allocates_nothing_of_image_size(model: FusionModel) -> None:
    visible, infrared = noise_pair(240, 320)
    backend, out = NativeBackend(model, 2), np.empty_like(visible)
    mirrored = visible[:, ::-1]
    backend.fuse(mirrored, infrared, FuseOptions(out=out))
    tracemalloc.start()
    try:
        backend.fuse(mirrored, infrared, FuseOptions(out=out))
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


def test_an_unknown_instruction_set_is_refused(model: FusionModel) -> None:
    with pytest.raises(BackendUnavailableError, match="no 'mmx' instructions"):
        NativeBackend(model, 1, "mmx")


def test_fusing_needs_neither_heavy_modules_nor_much_memory(
    model: FusionModel, tmp_path: Path
) -> None:
    program = """
import re, sys
from pathlib import Path
import numpy as np
from lut_fuse_core import Fuser
fuser = Fuser(sys.argv[1], backend="native")
fuser.fuse(np.zeros((480, 640, 3), np.uint8), np.zeros((480, 640), np.uint8))
# getrusage would count what pytest held when it started this process.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
print(*({"numba", "onnxruntime", "cv2", "torch", "scipy"} & set(sys.modules)))
"""
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    run = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
        cwd=Path(__file__).parents[3],
    )
    memory, modules = run.stdout.split("\n")[:2]
    assert int(memory) < 150
    assert not modules


def test_a_lattice_brighter_than_the_packed_arithmetic_takes_the_float_look_up() -> None:
    model = random_model(nodes=(5, 5, 3, 3))
    rise = np.linspace(0.5, 2.2, 5, dtype=np.float32)
    model = one_lattice(model, np.broadcast_to(rise[None, :, None, None], model.nodes))
    backend = NativeBackend(model)
    assert not backend.packed
    pair = noise_pair(64, 80)
    expected = ReferenceBackend(model).fuse(*pair)
    assert np.abs(backend.fuse(*pair).astype(int) - expected).max() <= 1


def test_the_library_of_another_python_does_not_stand_in_the_way(tmp_path: Path) -> None:
    own = next(Path(bindings.__file__).parent.glob(f"_native{EXTENSION_SUFFIXES[0]}"))
    for name in ("_native.cpython-30-other.so", "_native.aaa.so"):
        (tmp_path / name).write_bytes(b"not for this machine")
    with pytest.raises(BackendUnavailableError, match="does not load"):
        bindings.first_that_fits(tmp_path)
    shutil.copy(own, tmp_path / "_native.zzz.so")
    assert bindings.first_that_fits(tmp_path)._name.endswith("zzz.so")
    shutil.copy(own, tmp_path / own.name)
    assert bindings.first_that_fits(tmp_path)._name.endswith(own.name)


def test_a_library_of_another_version_is_not_left_unused_in_silence(monkeypatch, caplog) -> None:
    monkeypatch.setattr(bindings, "INTERFACE", bindings.INTERFACE + 1)
    bindings.load_library.cache_clear()
    assert create_backend("auto", random_model()).name == "cpu"
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "'native'" in warning.message
    assert "build it again" in warning.message


def test_a_library_that_was_never_built_is_not_worth_a_warning(monkeypatch, caplog) -> None:
    monkeypatch.setattr("lut_fuse_core.backends.registry.built_libraries", lambda: [])
    monkeypatch.setattr(bindings, "INTERFACE", bindings.INTERFACE + 1)
    bindings.load_library.cache_clear()
    assert create_backend("auto", random_model()).name == "cpu"
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
