"""The bound on the native backend's error: proven for encoders like the default model's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends.native import ErrorBound, NativeBackend
from lut_fuse_core.backends.reference import ReferenceBackend
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.encoder import INPUT_CHANNELS, ContextEncoder, ConvBlock
from lut_fuse_core.model.file import load_model
from lut_fuse_core.model.fusion_model import AXIS_NAMES, Axis, FusionModel
from lut_fuse_core.native.bindings import instruction_sets

try:
    SETS = instruction_sets()
except BackendUnavailableError as unavailable:
    pytest.skip(f"native backend: {unavailable}", allow_module_level=True)

Pair = tuple[UInt8Array, UInt8Array]

NODES, LOW, HIGH = 64, 120.0, 136.0
"""Of the context axis of `magnified`: the most there may be, over some gray levels in the middle,
where the sigmoid is steepest."""

STEEPNESS = 255 * (NODES - 1) / (HIGH - LOW)
"""Gray levels by which its fused image changes where the context changes by one: 1004."""


def magnified(encoder: ContextEncoder) -> FusionModel:
    """A model that shows the context, so magnified that rounding errors are seen in 8 bits."""
    lattice = np.broadcast_to(np.arange(NODES) % 2, (2, 2, 2, NODES)).astype(np.float32)
    axes = (*(Axis(name, 2, 0, 255) for name in AXIS_NAMES[:3]), Axis("context", NODES, LOW, HIGH))
    gradient = load_model("default").gradient
    return FusionModel(lattice[None], axes, gradient, encoder)  # type: ignore[arg-type]


def flat(encoder: ContextEncoder) -> FusionModel:
    """A model that shows one gray: nothing but its encoder decides what is proven."""
    axes = tuple(Axis(name, 2, 0, 255) for name in AXIS_NAMES)
    lattice = np.full((1, 2, 2, 2, 2), 0.5, np.float32)
    return FusionModel(lattice, axes, load_model("default").gradient, encoder)  # type: ignore[arg-type]


def encoder_of(rng: np.random.Generator, gain: float, **settings: object) -> ContextEncoder:
    """Three random convolutions whose weights add up to ``gain`` at most."""
    inputs = str(settings.get("inputs", "luma_infrared"))
    channels = INPUT_CHANNELS[inputs] * int(settings.get("unshuffle", 1)) ** 2  # type: ignore[call-overload]
    blocks = []
    for width in (4, 4, 1):
        weight = rng.normal(0, 1, (width, channels, 3, 3))
        weight *= gain / np.abs(weight).sum(axis=(1, 2, 3), keepdims=True)
        bias = rng.normal(0, 0.3, width)
        blocks.append(ConvBlock(weight.astype(np.float32), bias.astype(np.float32)))
        channels = width
    return ContextEncoder(tuple(blocks), **settings)  # type: ignore[arg-type]


def frames(rng: np.random.Generator, height: int, width: int) -> Iterator[Pair]:
    """Noise, squares of black and white, ramps, and what is white or black all over."""

    def of(gray: np.ndarray) -> Pair:
        levels = np.clip(gray, 0, 255).astype(np.uint8)
        return np.dstack([levels] * 3), levels[::-1].copy()

    y, x = np.mgrid[:height, :width]
    yield of(rng.integers(0, 256, (height, width)))
    for side in (1, 5, 10, 30):
        squares = rng.integers(0, 2, (height // side + 1, width // side + 1)) * 255
        yield of(np.kron(squares, np.ones((side, side)))[:height, :width])
    yield of(x * 255 / width)
    yield of(y * 255 / height)
    yield from (of(np.full((height, width), level)) for level in (0, 1, 254, 255))


def climbed(backend: NativeBackend, reference: ReferenceBackend, pair: Pair, steps: int) -> int:
    """The largest difference met on the way uphill from a pair, one changed square at a time."""
    rng = np.random.default_rng(7)
    visible, infrared = (image.copy() for image in pair)
    worst = difference(backend, reference, (visible, infrared))
    for _ in range(steps):
        side = int(rng.integers(1, 25))
        y, x = (int(rng.integers(0, length)) for length in infrared.shape)
        changed = infrared.copy()
        changed[y : y + side, x : x + side] = rng.integers(0, 256)
        found = difference(backend, reference, (visible, changed))
        if found >= worst:
            worst, infrared = found, changed
    return worst


def difference(backend: NativeBackend, reference: ReferenceBackend, pair: Pair) -> int:
    one, other = (each.fuse(*pair).astype(np.int16) for each in (backend, reference))
    return int(np.abs(one - other).max())


def allowed(bound: ErrorBound) -> float:
    """Of the magnified context: with what the look-up and both roundings add."""
    return STEEPNESS * bound.context + 1.5


@pytest.mark.parametrize("instructions", SETS)
def test_the_default_model_is_within_one_gray_level_by_proof(instructions: str) -> None:
    backend = NativeBackend(load_model("default"), 1, instructions)
    assert backend.packed
    assert backend.error_bound.proven
    assert backend.error_bound.context < backend.error_bound.levels < 1


@pytest.mark.parametrize("instructions", SETS)
@pytest.mark.parametrize("size", [(16, 16), (37, 61), (120, 700)])
def test_no_frame_that_a_search_finds_exceeds_the_proven_bound(
    instructions: str, size: tuple[int, int]
) -> None:
    model = load_model("default")
    bound = NativeBackend(model, 1, instructions).error_bound
    shown = magnified(model.encoder)
    backend, reference = NativeBackend(shown, 1, instructions), ReferenceBackend(shown)
    pairs = list(frames(np.random.default_rng(3), *size))
    differences = [difference(backend, reference, pair) for pair in pairs]
    steepest = pairs[int(np.argmax(differences))]
    worst = climbed(backend, reference, steepest, steps=40 if size[1] < 100 else 0)
    assert max(*differences, worst) <= allowed(bound)


@pytest.mark.parametrize(
    "settings",
    [
        {"skip": False, "slope": 0.0},
        {"slope": -0.5},
        {"slope": 1.5, "pool": 2},
        {"inputs": "rgb_infrared", "pool": 3},
        {"unshuffle": 2},
        {"input_scale": -1 / 100, "pool": 2},
    ],
)
def test_the_proof_holds_for_encoders_of_all_kinds(settings: dict[str, object]) -> None:
    encoder = encoder_of(np.random.default_rng(11), gain=0.8, **settings)
    shown = magnified(encoder)
    reference = ReferenceBackend(shown)
    for instructions in SETS:
        bound = NativeBackend(flat(encoder), 1, instructions).error_bound
        assert bound.proven
        backend = NativeBackend(shown, 1, instructions)
        for pair in frames(np.random.default_rng(5), 33, 90):
            assert difference(backend, reference, pair) <= allowed(bound)


def test_what_is_only_measured_says_so() -> None:
    loud = encoder_of(np.random.default_rng(2), gain=40.0)
    for instructions in SETS:
        assert not NativeBackend(flat(loud), 1, instructions).error_bound.proven
