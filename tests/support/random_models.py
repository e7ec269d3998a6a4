"""Small models with random contents, for tests that compare ways to run a model."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.model.encoder import INPUT_CHANNELS, ContextEncoder, ConvBlock
from lut_fuse_core.model.fusion_model import Axis, FusionModel, GradientSpec

DARK_LEVELS = (20.0, 60.0, 200.0)
"""Ambient levels at which the lattices of models with dark scenes serve alone."""


def random_model(
    seed: int = 0,
    *,
    nodes: tuple[int, int, int, int] = (5, 4, 3, 6),
    gradient: GradientSpec | None = None,
    channels: int = 4,
    per_frame: bool = False,
    dark: bool = False,
    **encoder: Any,
) -> FusionModel:
    """A valid model with random lattice and encoder.

    per_frame: with the instance normalization and gradient scaling of the published model.
    dark: with other lattices for dark scenes, as which random images and half as bright ones count
        in part.
    encoder: fields of `ContextEncoder` but its blocks.
    """
    rng = np.random.default_rng(seed)
    inputs = INPUT_CHANNELS[encoder.get("inputs", "luma_infrared")]
    widths = [inputs * encoder.get("unshuffle", 1) ** 2, channels, channels, channels, 1]
    blocks = []
    for before, after in pairwise(widths):
        weight = rng.normal(0, 1 / np.sqrt(9 * before), (after, before, 3, 3)).astype(np.float32)
        vectors = rng.normal(0, 0.5, (3, after)).astype(np.float32)
        normalized = per_frame and after != 1
        blocks.append(ConvBlock(weight, *(vectors if normalized else vectors[:1])))
    names = ("luma", "infrared", "gradient", "context")
    luma, infrared, slope, context = (
        Axis(name, count, 0.0, 255.0) for name, count in zip(names, nodes, strict=True)
    )
    if gradient is None:
        gradient = GradientSpec("l2", "zero", "frame") if per_frame else GradientSpec()
    lattices = [rng.random(nodes).astype(np.float32)]
    if dark:
        lattices = [*rng.random((2, *nodes)).astype(np.float32), *lattices]
    return FusionModel(
        lattices=np.stack(lattices),
        axes=(luma, infrared, slope, context),
        gradient=gradient,
        encoder=ContextEncoder(blocks=tuple(blocks), **encoder),
        levels=DARK_LEVELS if dark else (0.0,),
        provenance={"name": "random"},
    )


def one_lattice(model: FusionModel, lattice: FloatArray | None = None) -> FusionModel:
    """The model with one lattice for all scenes: this, or else its own for the brightest."""
    lattice = model.lattices[-1] if lattice is None else lattice
    return replace(model, lattices=np.ascontiguousarray(lattice)[None], levels=(0.0,))


def several_lattices(
    model: FusionModel, darker: FloatArray, levels: tuple[float, ...] = DARK_LEVELS
) -> FusionModel:
    """The model with further lattices ``(S - 1, ...)`` for darker scenes."""
    return replace(model, lattices=np.concatenate([darker, model.lattices]), levels=levels)
