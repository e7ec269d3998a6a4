"""The CUDA source for one model: the model's settings as constants, and the code in `kernels`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lut_fuse_core.backends.gpu.options import KernelPrecision
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.encoder import INPUT_CHANNELS
from lut_fuse_core.model.features import AMBIENT_GRID, AMBIENT_RANK, LUMA_WEIGHTS
from lut_fuse_core.model.fusion_model import FusionModel

CUDA_FOLDER = Path(__file__).parent / "kernels"

SHARED_MEMORY = 48 * 1024
"""Bytes of shared memory that a block has on every GPU without asking for more."""

TILES = ((32, 16), (16, 16), (32, 8), (16, 8), (8, 8), (8, 4), (4, 4))
"""Sizes of an encoder tile (width, height) that are tried, the one with the least margin first."""

MANY_PROCESSORS = 40
"""From so many multiprocessors on the largest tile is too large: an image has too few of them.
Jetsons have 8 to 20. On 132, half the tile took 28 instead of 32 microseconds at 640x480, and 40
instead of 62 where raw infrared is registered on the way; at 1280x1024 76 instead of 70, and 102
instead of 125.
"""

ENCODER_THREADS = 256
PREPARED = 256
"""Positions of the encoder's input that a block of `prepare_planes` computes."""

MIXED = 1024
"""Nodes of the lattice that a block of `mix_lattice` computes."""

PIXELS = (32, 8)
"""Width and height of the tile of pixels that a block of `fuse_pixels` works on."""


@dataclass(frozen=True)
class KernelPlan:
    """How the kernels are compiled for a model.

    Attributes:
        precision: What the encoder computes in.
        tile: Width and height of an encoder tile.
        input_groups: Channels of the encoder's input over 8, rounded up.
        hidden_groups: The same of its widest hidden convolution.
        encoder_bytes: Shared memory that the encoder takes per block.
    """

    precision: KernelPrecision
    tile: tuple[int, int]
    input_groups: int
    hidden_groups: int
    encoder_bytes: int


def plan_kernels(
    model: FusionModel,
    precision: KernelPrecision,
    *,
    tile: tuple[int, int] | None = None,
    processors: int = 1,
) -> KernelPlan:
    """The plan for a model on a GPU.

    Args:
        model: What the kernels fuse with.
        precision: What the encoder computes in.
        tile: None for the one of `TILES` with the least margin that fits into shared memory and
            leaves no multiprocessor without work, see `MANY_PROCESSORS`.
        processors: Number of multiprocessors.

    Raises:
        BackendUnavailableError: If the model needs each frame's statistics, or if its encoder is
            too wide for the shared memory of a block.
    """
    if not model.time_stable:
        raise BackendUnavailableError(
            "this model normalizes with each frame's own statistics; 'cpu' can do that"
        )
    blocks = model.encoder.blocks
    input_groups = -(-blocks[0].weight.shape[1] // 8)
    hidden_groups = -(-max(block.weight.shape[0] for block in blocks[:-1]) // 8)
    few = processors < MANY_PROCESSORS
    for candidate in (tile,) if tile else TILES if few else TILES[1:]:
        size = encoder_bytes(len(blocks), input_groups, hidden_groups, candidate, precision)
        if size <= SHARED_MEMORY:
            return KernelPlan(precision, candidate, input_groups, hidden_groups, size)
    raise BackendUnavailableError(
        f"the context encoder ({len(blocks)} convolutions of up to {hidden_groups * 8} channels) "
        f"does not fit into the GPU's shared memory in {precision}; use 'native' or 'cpu'"
    )


def encoder_bytes(
    blocks: int,
    input_groups: int,
    hidden_groups: int,
    tile: tuple[int, int],
    precision: KernelPrecision,
) -> int:
    """Shared memory of the fused convolutions for one tile; see `kernels/encoder.cuh`."""

    def pixels(margin: int) -> int:
        return (tile[0] + 2 * margin) * (tile[1] + 2 * margin)

    second = pixels(blocks - 2) * hidden_groups if blocks > 2 else 0
    third = pixels(blocks - 3) * hidden_groups if blocks > 3 else 0
    groups = max(pixels(blocks) * input_groups, second) + pixels(blocks - 1) * hidden_groups + third
    return groups * 8 * (2 if precision == "fp16" else 4)


def cuda_source(model: FusionModel, plan: KernelPlan, file: str = "kernels.cu") -> str:
    """One text to compile: the constants, then a file of `kernels` with all that it includes."""
    return _constants(model, plan) + "\n".join(_with_includes(file, set()))


def _with_includes(name: str, seen: set[str]) -> Iterable[str]:
    seen.add(name)
    for line in (CUDA_FOLDER / name).read_text(encoding="utf-8").splitlines():
        included = re.fullmatch(r'#include "(.+)"', line)
        if included is None:
            if line != "#pragma once":
                yield line
        elif included[1] not in seen:
            yield from _with_includes(included[1], seen)


def _constants(model: FusionModel, plan: KernelPlan) -> str:
    encoder, gradient = model.encoder, model.gradient
    integers = {
        "SOURCES": INPUT_CHANNELS[encoder.inputs],
        "POOL": encoder.pool,
        "UNSHUFFLE": encoder.unshuffle,
        "INPUT_CHANNELS": encoder.blocks[0].weight.shape[1],
        "INPUT_GROUPS": plan.input_groups,
        "HIDDEN_GROUPS": plan.hidden_groups,
        "BLOCKS": len(encoder.blocks),
        "TILE_WIDTH": plan.tile[0],
        "TILE_HEIGHT": plan.tile[1],
        "ENCODER_BYTES": plan.encoder_bytes,
        "ENCODER_THREADS": ENCODER_THREADS,
        "PREPARED": PREPARED,
        "MIXED": MIXED,
        "AMBIENT_GRID": AMBIENT_GRID,
        "AMBIENT_RANK": AMBIENT_RANK,
        "GRAY_LEVELS": 256,
        "PIXELS_WIDTH": PIXELS[0],
        "PIXELS_HEIGHT": PIXELS[1],
    }
    booleans = {
        "GRADIENT_L1": gradient.norm == "l1",
        "BORDER_REPLICATE": gradient.border == "replicate",
        "SKIP": encoder.skip,
    }
    floats = {
        "LUMA_RED": LUMA_WEIGHTS[0],
        "LUMA_GREEN": LUMA_WEIGHTS[1],
        "LUMA_BLUE": LUMA_WEIGHTS[2],
        "GRADIENT_SCALE": gradient.scale,
        "INPUT_SCALE": encoder.input_scale,
        "SLOPE": encoder.slope,
    }
    lines = [
        f"#define HALF_PRECISION {int(plan.precision == 'fp16')}",
        *(f"constexpr int {name} = {value};" for name, value in integers.items()),
        *(f"constexpr bool {name} = {str(value).lower()};" for name, value in booleans.items()),
        *(f"constexpr float {name} = {_literal(value)};" for name, value in floats.items()),
    ]
    for axis in model.axes:
        lines.append(
            f"struct {axis.name.capitalize()}Axis {{ static constexpr int nodes = {axis.nodes}; "
            f"static constexpr float low = {_literal(axis.low)}, "
            f"per_step = {_literal(1.0 / axis.step)}; }};"
        )
    return "\n".join(lines) + "\n"


def _literal(value: float) -> str:
    """A C++ literal that is read back as the same number."""
    return f"float({float(value)!r})"
