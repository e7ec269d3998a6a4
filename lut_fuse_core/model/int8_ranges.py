"""How large the numbers within the context encoder get on real pairs: what int8 needs to know.

An 8-bit integer stands for a number times 127 over a range. A range that covers every outlier
wastes steps on numbers that hardly occur; one that cuts a few off is more exact on the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.model.context import convolution_inputs, encoder_input
from lut_fuse_core.model.fusion_model import FusionModel

COVERED = 99.99
"""Percent of a pair's numbers that are within the range; the others become its end."""

LEAST_RANGE = 1e-3
"""For convolutions that get nothing but zeros."""

MEASURED_PAIRS = 200
"""Of a larger number of pairs so many are looked at."""


def chosen_pairs(count: int) -> range:
    """Indices of at most `MEASURED_PAIRS` pairs, spread evenly over ``count``."""
    return range(0, count, max(1, -(-count // MEASURED_PAIRS)))


def with_input_ranges(
    model: FusionModel, pairs: Iterable[tuple[UInt8Array, UInt8Array]]
) -> FusionModel:
    """The model with the range of each convolution's input: the largest found among the pairs.

    Args:
        model: One that is time-stable (`FusionModel.time_stable`).
        pairs: Visible ``(H, W, 3) uint8`` RGB and infrared ``(H, W) uint8``, like those that the
            model will fuse. A few dozen are enough.

    Returns:
        A copy of the model with `ConvBlock.input_range` set, `LEAST_RANGE` at least.

    Raises:
        InputError: If there are no pairs, or if the model is not time-stable.
    """
    if not model.time_stable:
        raise InputError(
            "this model normalizes with each frame's own statistics; no GPU backend serves it, in "
            "int8 or otherwise"
        )
    encoder = model.encoder
    ranges = [LEAST_RANGE] * len(encoder.blocks)
    count = 0
    for pair in pairs:
        count += 1
        inputs = convolution_inputs(encoder, encoder_input(encoder, *pair))
        found = [float(np.percentile(np.abs(values), COVERED)) for values in inputs]
        ranges = [max(both) for both in zip(ranges, found, strict=True)]
    if not count:
        raise InputError("there is no pair to measure the ranges on")
    blocks = tuple(
        replace(block, input_range=top) for block, top in zip(encoder.blocks, ranges, strict=True)
    )
    return replace(model, encoder=replace(encoder, blocks=blocks))
