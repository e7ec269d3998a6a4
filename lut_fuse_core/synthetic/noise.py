"""Smooth pseudo-random textures: lattice noise with bilinear interpolation, summed over octaves."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.synthetic.camera_view import Float32Array

_TABLE = 256
"""Numbers on each side, a power of two."""


def texture(across: Float32Array, along: Float32Array, seed: int, octaves: int = 3) -> Float32Array:
    """Noise of mean 0 at the given coordinates; details about 1 unit wide.

    Args:
        across: Coordinates of any shape, float32.
        along: The other coordinates, of the same shape.
        seed: Of the random numbers.
        octaves: How many are added; each has details half as wide as the one before, and half its
            weight.

    Returns:
        Values of the same shape, float32, within -2 to 2, seldom beyond -1 to 1.
    """
    table = np.random.default_rng(seed).uniform(-1, 1, (_TABLE, _TABLE)).astype(np.float32)
    total = np.zeros(across.shape, np.float32)
    for octave in range(octaves):
        total += _lattice_noise(table, across * 2**octave, along * 2**octave) / 2**octave
    return total


def _lattice_noise(table: Float32Array, across: Float32Array, along: Float32Array) -> Float32Array:
    left, low = np.floor(across), np.floor(along)
    right_share, high_share = across - left, along - low
    right_share = right_share * right_share * (3 - 2 * right_share)
    high_share = high_share * high_share * (3 - 2 * high_share)
    i, j = left.astype(np.int64) & (_TABLE - 1), low.astype(np.int64) & (_TABLE - 1)
    i1, row, row1 = (i + 1) & (_TABLE - 1), _TABLE * j, _TABLE * ((j + 1) & (_TABLE - 1))
    flat = table.reshape(-1)
    lower = flat[row + i] * (1 - right_share) + flat[row + i1] * right_share
    upper = flat[row1 + i] * (1 - right_share) + flat[row1 + i1] * right_share
    return (lower * (1 - high_share) + upper * high_share).astype(np.float32)
