"""Models and pairs for the tests and measurements on a card."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import bare_machine  # noqa: F401
import numpy as np

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.infrared.gray_range import GrayRange
from lut_fuse_core.infrared.tone import tone_table
from lut_fuse_core.model.encoder import INPUT_CHANNELS, ContextEncoder, ConvBlock, EncoderInput
from lut_fuse_core.model.file import load_model
from lut_fuse_core.model.fusion_model import AXIS_NAMES, Axis, FusionModel, GradientSpec
from lut_fuse_core.model.int8_ranges import with_input_ranges
from lut_fuse_core.registration.warp import Warp

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("LUT_FUSE_SHARED", ROOT.parent / "shared"))
"""Reference data; LUT_FUSE_SHARED says where on a machine to which only a checkout travels."""


def smooth_model(
    widths: tuple[int, ...],
    unshuffle: int = 1,
    pool: int = 1,
    inputs: EncoderInput = "luma_infrared",
    skip: bool = True,
    gradient: GradientSpec | None = None,
) -> FusionModel:
    """A model with a lattice that bends along every axis, and a random encoder."""
    rng = np.random.default_rng(len(widths) + unshuffle)
    nodes = (17, 17, 5, 9)
    luma, heat, edge, scene = np.meshgrid(*(np.linspace(0, 1, n) for n in nodes), indexing="ij")
    lattice = 0.1 + 0.8 * np.maximum(luma, heat * (0.7 + 0.3 * scene)) + 0.1 * edge * (luma - 0.5)
    blocks = []
    for before, after in pairwise((INPUT_CHANNELS[inputs] * unshuffle**2, *widths, 1)):
        weight = rng.normal(0, 1.4 / np.sqrt(9 * before), (after, before, 3, 3))
        blocks.append(
            ConvBlock(weight.astype(np.float32), rng.normal(0, 0.2, after).astype(np.float32))
        )
    axes = tuple(
        Axis(name, n, 0.0, 64.0 if name == "gradient" else 255.0)
        for name, n in zip(AXIS_NAMES, nodes, strict=True)
    )
    return FusionModel(
        lattice.astype(np.float32)[None],
        axes,  # type: ignore[arg-type]
        gradient or GradientSpec(),
        ContextEncoder(tuple(blocks), inputs, pool=pool, unshuffle=unshuffle, skip=skip),
        {"name": f"random, widths {widths}"},
    )


def rough(model: FusionModel) -> FusionModel:
    """With a lattice of noise."""
    lattice = np.random.default_rng(9).uniform(-0.1, 1.1, (1, *model.nodes))
    return replace(model, lattices=lattice.astype(np.float32), levels=(0.0,))


def models() -> dict[str, FusionModel]:
    """The default model and others that need other paths through the kernels, ready for int8."""
    pairs = [kind(96, 128) for kind in (random_pair, smooth_pair)]
    others = {
        "width 8": smooth_model((8, 8, 8, 8), unshuffle=2),
        "width 16": smooth_model((16, 16, 16, 16), unshuffle=2, pool=2),
        "color, no skip": smooth_model(
            (7, 5, 9),
            pool=3,
            inputs="rgb_infrared",
            skip=False,
            gradient=GradientSpec("l2", "zero", "fixed", 0.4),
        ),
        "two convolutions": smooth_model((4,)),
    }
    usual = others["width 8"]
    # Levels that the pairs come to lie between.
    noise = rough(usual).lattices
    lattices = np.concatenate([noise / 3, noise / 2, usual.lattices])
    others["dark scenes"] = replace(usual, lattices=lattices, levels=(30.0, 60.0, 150.0))
    ready = {name: with_input_ranges(model, pairs) for name, model in others.items()}
    return {"default": load_model("default"), **ready}


def random_pair(height: int, width: int, seed: int = 0) -> tuple[UInt8Array, UInt8Array]:
    """Noise in all channels: the least coherent look-ups there are."""
    rng = np.random.default_rng(seed)
    visible = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return visible, rng.integers(0, 256, (height, width), dtype=np.uint8)


def smooth_pair(height: int, width: int, seed: int = 0) -> tuple[UInt8Array, UInt8Array]:
    """Waves with a little noise: as coherent as pictures."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    gray = 128 + 90 * np.sin(x / 37 + y / 53) + rng.normal(0, 6, (height, width))
    visible = np.clip(gray[..., None] + rng.normal(0, 20, 3), 0, 255).astype(np.uint8)
    infrared = np.clip(128 + 140 * np.cos(x / 61 - y / 39), 0, 255).astype(np.uint8)
    return visible, infrared


def raw_frame(
    height: int, width: int, kind: type, seed: int = 0
) -> tuple[RawInfrared, UInt8Array, Warp]:
    """Noise over all counts from a camera of 640x512, levels, and a view rotated by three degrees
    that sees most of the visible image.
    """
    rng = np.random.default_rng(seed)
    top = np.iinfo(kind).max
    raw = rng.integers(0, top + 1, (512, 640)).astype(kind)
    levels = tone_table(GrayRange(0.1 * top, 0.8 * top), top + 1)
    turn = np.exp(1j * np.deg2rad(3)) / (0.95 * min(width / 640, height / 512))
    row, column = np.mgrid[:height, :width]
    place = (column + 1j * row) * turn - (9 - 4j)
    positions = np.stack([place.real, place.imag], axis=-1).astype(np.float32)
    far = np.minimum(positions, (639, 511) - positions).min(axis=-1)  # from the frame's border
    mask = np.clip(far * 16, 0, 255).astype(np.uint8)
    return raw, levels, Warp.from_positions(positions, (640, 512), mask)


def real_pairs(count: int = 5) -> list[tuple[UInt8Array, UInt8Array]]:
    """Pairs of photographs from the data beside the checkout; none if they cannot be had."""
    folder = SHARED / "data" / "roadscene" / "train"
    try:
        import cv2

        return [
            (
                np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]),
                cv2.imread(str(folder / "infrared" / path.name), cv2.IMREAD_GRAYSCALE),
            )
            for path in sorted((folder / "visible").glob("*"))[:count]
        ]
    except ImportError:
        return []
