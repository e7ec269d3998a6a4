"""A frame's way through the GPU code, with kernels executed on the host and a strict CuPy."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from host_cupy import COMPILER, HostArray, HostStream, host_cupy
from random_models import random_model, several_lattices

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.backends.base import RegisteringBackend
from lut_fuse_core.backends.fuse_options import FuseOptions
from lut_fuse_core.backends.gpu import transfers
from lut_fuse_core.backends.gpu.cuda import CudaBackend
from lut_fuse_core.backends.gpu.frame import Work
from lut_fuse_core.backends.gpu.fuser import KEPT_GRAPHS, GpuFuser
from lut_fuse_core.backends.gpu.options import GpuOptions
from lut_fuse_core.backends.gpu.self_check import check_raw_frame
from lut_fuse_core.backends.gpu.transfers import seconds_per_frame
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.errors import BackendUnavailableError, InputError
from lut_fuse_core.infrared.normalizer import NormalizationConfig
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.warp import Warp

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")

SIZE = (37, 51)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


KINDS = ("copied", "dark scenes, shared memory", "shared memory", "dark scenes")


@pytest.fixture
def model() -> FusionModel:
    """As the default model's, its encoder sees an eighth of the resolution: a host's kernels take
    most of their time for the encoder, of which `test_cuda_source` tells more."""
    return random_model(pool=4, unshuffle=2)


@pytest.fixture(params=KINDS)
def backend(
    request: pytest.FixtureRequest,
    model: FusionModel,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> CudaBackend:
    stand_in = host_cupy(folder, integrated="shared memory" in request.param)
    monkeypatch.setattr(transfers, "seconds_per_frame", lambda fuser, _: not fuser.in_place)
    monkeypatch.setitem(__import__("sys").modules, "cupy", stand_in)
    if "dark scenes" in request.param:
        (lattice,) = model.lattices
        darker = np.stack([lattice[:, ::-1], lattice[::-1]])
        model = several_lattices(model, darker, (10.0, 30.0, 200.0))
    return CudaBackend(model, options=GpuOptions("fp32"))


def a_pair(seed: int = 0, size: tuple[int, int] = SIZE) -> tuple[UInt8Array, UInt8Array]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (*size, 3), dtype=np.uint8),
        rng.integers(0, 256, size, dtype=np.uint8),
    )


def a_raw_frame(seed: int = 0) -> tuple[RawInfrared, UInt8Array, Warp]:
    raw, levels, warp = check_raw_frame(a_pair(seed + 100)[1])
    return np.roll(raw, seed), levels, warp


def expected(
    model: FusionModel,
    visible: UInt8Array,
    held: tuple[RawInfrared, UInt8Array, Warp],
    strength: float = 1.0,
    ambient: float | None = None,
) -> UInt8Array:
    raw, levels, warp = held
    infrared = np.empty(warp.visible_size[::-1], np.uint8)
    warp.sample(raw, levels, infrared)
    reference = ReferenceBackend(model)
    return reference.fuse(visible, infrared, FuseOptions(strength, warp.mask, ambient))


def near(result: UInt8Array, truth: UInt8Array) -> bool:
    return bool(np.abs(result.astype(int) - truth).max() <= 1)


def test_pairs_are_fused_whatever_came_before(backend: CudaBackend) -> None:
    reference = ReferenceBackend(backend.model)
    for seed, size in enumerate([SIZE, SIZE, (16, 16), (20, 90), SIZE]):
        pair = a_pair(seed, size)
        mask = a_pair(seed + 50, size)[1]
        assert near(backend.fuse(*pair), reference.fuse(*pair))
        truth = reference.fuse(*pair, FuseOptions(strength=0.3, mask=mask))
        assert near(backend.fuse(*pair, FuseOptions(strength=0.3, mask=mask)), truth)


def test_an_ambient_level_may_be_given_for_any_frame(backend: CudaBackend) -> None:
    reference, held = ReferenceBackend(backend.model), a_raw_frame()
    visible, infrared = a_pair()
    for ambient in (15.0, None, 100.0, 15.0, None):
        truth = reference.fuse(visible, infrared, FuseOptions(ambient=ambient))
        assert near(backend.fuse(visible, infrared, FuseOptions(ambient=ambient)), truth)
        backend.hold(*held)
        truth = expected(backend.model, visible, held, ambient=ambient)
        for _ in ("registered on the way", "registered before"):
            assert near(backend.fuse_held(visible, FuseOptions(ambient=ambient)), truth)
    with pytest.raises(InputError, match="ambient is"):
        backend.fuse_held(visible, FuseOptions(ambient=-1.0))


@pytest.mark.parametrize("slower", ["read in place", "copied"])
def test_frames_are_read_in_place_or_copied_whichever_is_faster_where_memory_is_shared(
    slower: str,
    model: FusionModel,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def seconds(fuser: GpuFuser, size: tuple[int, int]) -> float:
        assert size == (480, 640)
        assert seconds_per_frame(fuser, SIZE) > 0
        return 0.002 if fuser.in_place == (slower == "read in place") else 0.001

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(transfers, "seconds_per_frame", seconds)
    stand_in = host_cupy(folder, integrated=True)
    monkeypatch.setitem(__import__("sys").modules, "cupy", stand_in)
    backend = CudaBackend(model, options=GpuOptions("fp32"))
    assert backend.fuser.in_place == (slower == "copied")
    assert "2.000 ms" in caplog.text
    visible, held = a_pair()[0], a_raw_frame()
    assert near(backend.fuse(*a_pair()), ReferenceBackend(model).fuse(*a_pair()))
    backend.hold(*held)
    assert near(backend.fuse_held(visible), expected(model, visible, held))


def test_nothing_is_measured_where_frames_must_be_copied(
    model: FusionModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "seconds_per_frame", None)
    monkeypatch.setitem(__import__("sys").modules, "cupy", host_cupy(folder))
    assert not CudaBackend(model, options=GpuOptions("fp32")).fuser.in_place


def test_a_held_raw_frame_is_normalized_and_registered(backend: CudaBackend) -> None:
    assert isinstance(backend, RegisteringBackend)
    for seed in range(3):
        visible, held = a_pair(seed)[0], a_raw_frame(seed)
        backend.hold(*held)
        assert near(backend.fuse_held(visible), expected(backend.model, visible, held))


def test_a_held_frame_serves_for_many_visible_images(backend: CudaBackend) -> None:
    held = a_raw_frame()
    backend.hold(*held)
    for seed in range(3):
        visible = a_pair(seed)[0]
        result = backend.fuse_held(visible, FuseOptions(strength=0.5))
        assert near(result, expected(backend.model, visible, held, 0.5))
        backend.fuse(*a_pair(seed + 10))  # another pair in between changes nothing


def test_the_frame_may_be_overwritten_once_it_is_held(backend: CudaBackend) -> None:
    visible, (raw, levels, warp) = a_pair()[0], a_raw_frame()
    frame = raw.copy()
    backend.hold(frame, levels, warp)
    frame[:] = 0
    truth = expected(backend.model, visible, (raw, levels, warp))
    assert near(backend.fuse_held(visible), truth)


def test_levels_and_registration_may_change_from_frame_to_frame(backend: CudaBackend) -> None:
    visible, (raw, levels, warp) = a_pair()[0], a_raw_frame()
    rotated = a_raw_frame(5)[2]
    whole = Warp(warp.visible_size, warp.infrared_size, warp.remap, None)
    inverted = 255 - levels
    small = raw[:40, :50].astype(np.uint8)
    plain = Warp(warp.visible_size, warp.visible_size)
    same_grid = np.resize(raw, SIZE).astype(np.uint8)
    for held in (
        (raw, levels, warp),
        (raw, inverted, warp),
        (raw, inverted, rotated),
        (raw, levels, whole),
        (same_grid, np.arange(256, dtype=np.uint8), plain),
        (small, inverted[::256], Warp.from_positions(_middle(), (50, 40), None)),
        (raw, levels, warp),
    ):
        backend.hold(*held)
        assert near(backend.fuse_held(visible), expected(backend.model, visible, held))


def _middle() -> np.ndarray:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    return np.stack([x * 0.9 + 0.3, y * 0.95 + 0.7], axis=-1)


def test_a_held_frame_outlives_images_of_another_size(backend: CudaBackend) -> None:
    visible, held = a_pair()[0], a_raw_frame()
    backend.hold(*held)
    backend.fuse_held(visible)
    backend.fuse(*a_pair(0, (60, 70)))
    assert near(backend.fuse_held(visible), expected(backend.model, visible, held))


def test_what_cannot_be_held_or_fused_is_refused_with_a_sentence(backend: CudaBackend) -> None:
    raw, levels, warp = a_raw_frame()
    fresh = CudaBackend(backend.model, options=GpuOptions("fp32"))
    with pytest.raises(InputError, match="no infrared frame for visible images of 90x20 is held"):
        fresh.fuse_held(a_pair(0, (20, 90))[0])
    with pytest.raises(InputError, match="does not resize"):
        fresh.hold(raw, levels, Warp((90, 80), (83, 61)))
    with pytest.raises(InputError, match="infrared is 83x60, but its registration is for 83x61"):
        fresh.hold(raw[1:], levels, warp)
    with pytest.raises(InputError, match="uint16 needs a gray level for each of its 65536 counts"):
        fresh.hold(raw, levels[:256], warp)
    with pytest.raises(InputError, match="4 channels; it must be RGB"):
        fresh.fuse_held(np.zeros((*SIZE, 4), np.uint8))


def test_graphs_are_kept_for_the_options_used_last(backend: CudaBackend) -> None:
    pair = a_pair()
    for strength in np.linspace(0, 1, 2 * KEPT_GRAPHS):
        backend.fuse(*pair, FuseOptions(strength=float(strength)))
    frame = backend.fuser.frame(*SIZE)
    assert len(frame.graphs) == KEPT_GRAPHS
    assert backend.fuser.graph(frame, Work(strength=1.0)) is frame.graphs[Work(strength=1.0)]


def test_a_capture_that_fails_ends_and_the_next_one_works(
    backend: CudaBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = a_pair()
    encoder = type(backend.fuser.stage)

    def refused(*_: object) -> None:
        if HostStream.capture is not None:
            raise RuntimeError("not in a capture")

    with monkeypatch.context() as patch:
        patch.setattr(encoder, "launch", refused)
        with pytest.raises(BackendUnavailableError, match="not in a capture"):
            backend.fuse(*pair, FuseOptions(strength=0.8))
    truth = ReferenceBackend(backend.model).fuse(*pair, FuseOptions(strength=0.8))
    assert near(backend.fuse(*pair, FuseOptions(strength=0.8)), truth)


def sixteen_bit(seed: int) -> RawInfrared:
    """A frame of a stream: a slope that drifts, some noise, a hot spot."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:61, :83]
    raw = 20_000 + 30 * x + 11 * y + 40 * seed + rng.normal(0, 4, (61, 83))
    raw[20:30, 10 + seed : 20 + seed] += 3000
    return raw.astype(np.uint16)


STREAM: list[tuple[int, RawInfrared | None]] = [
    (0, sixteen_bit(0)),
    (1, sixteen_bit(1)),
    (2, sixteen_bit(1)),  # the shutter is closed
    (3, None),
    (4, sixteen_bit(4)),
    (5, sixteen_bit(5)),
]

ROTATED = Homography(((0.5, -0.05, 4.0), (0.05, 0.5, 1.0), (0.0, 0.0, 1.0)))


STREAMS: dict[str, dict[str, Any]] = {
    "resized": {},
    "registered": {"registration": RegistrationConfig(ROTATED)},
    "held warped": {
        "registration": RegistrationConfig(ROTATED, feather=0),
        "reuse_alignment": "warp",
    },
    "local contrast": {"normalization": NormalizationConfig(local_contrast=2.0)},
    "weaker": {"registration": RegistrationConfig(ROTATED), "strength": 0.4, "clock": "report"},
}


@pytest.mark.parametrize(
    ("backend", "changes"),
    [  # each kind of memory and of model with each stream, not both with both
        pytest.param(kind, changes, id=f"{kind}-{name}")
        for number, (name, changes) in enumerate(STREAMS.items())
        for kind in (KINDS[:2], KINDS[2:])[number % 2]
    ],
    indirect=["backend"],
)
def test_a_stream_is_fused_as_by_the_reference(
    backend: CudaBackend, changes: dict[str, Any]
) -> None:
    gpu, cpu = (
        FusionPipeline(PipelineConfig(model=backend.model, backend=name, threads=1, **changes))
        for name in ("cuda", "reference")
    )
    for number, raw in STREAM:
        visible = a_pair(number)[0] // (4 if number == 2 else 1)  # something dark drives past
        times = {"visible_time": number / 10, "infrared_time": None if raw is None else number / 10}
        frame = None if raw is None else raw.copy()
        found = gpu.process(visible, frame, **times)
        if frame is not None:
            frame[:] = 0
        assert near(found, cpu.process(visible, raw, **times)), number
        assert gpu.status.source == cpu.status.source
    for pipeline in (gpu, cpu):
        pipeline.reconfigure(
            replace(
                pipeline.config, normalization=NormalizationConfig("range", low=20_000, high=26_000)
            )
        )
    visible = a_pair(9)[0]
    assert near(gpu.process(visible, STREAM[0][1]), cpu.process(visible, STREAM[0][1]))


def test_the_cpu_leaves_a_raw_frame_to_the_gpu(
    backend: CudaBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    registration = RegistrationConfig(ROTATED)
    pipeline = FusionPipeline(
        PipelineConfig(model=backend.model, backend="cuda", registration=registration)
    )
    monkeypatch.delattr(Warp, "sample")
    monkeypatch.delattr(Warp, "__call__")
    pipeline.process(a_pair()[0], sixteen_bit(0))
    assert pipeline.status.source == "fused"


def test_the_stand_in_notices_what_a_card_would_not_forgive(backend: CudaBackend) -> None:
    stream, cupy = HostStream(non_blocking=True), backend.device.cupy
    kernel = backend.fuser._kernels.functions["encode_tiles"]
    with stream, pytest.raises(AssertionError, match="'int height' gets <class 'int'>"):
        kernel((1,), (256,), (HostArray((4,), np.uint8), 16, *[None] * 7))
    stream.begin_capture()
    with pytest.raises(AssertionError, match="not allowed in a capture"):
        cupy.empty((4,), np.uint8)
    stream.end_capture()


def test_the_stand_in_notices_streams_that_are_not_joined(backend: CudaBackend) -> None:
    cuda = backend.device.cupy.cuda
    stream, beside = (HostStream(non_blocking=True) for _ in range(2))
    elsewhere, forked = (cuda.Event(disable_timing=True) for _ in range(2))
    with pytest.raises(AssertionError, match="not recorded"):
        beside.wait_event(forked)
    elsewhere.record(beside)
    stream.begin_capture()
    with pytest.raises(AssertionError, match="outside of it"):
        stream.wait_event(elsewhere)
    forked.record(stream)
    beside.wait_event(forked)
    with pytest.raises(AssertionError, match="not joined again"):
        stream.end_capture()
