"""A context encoder that is built, not trained: the local mean of infrared.

A lattice that knows the mean of infrared around a pixel can show what stands out there, a person or
the structure behind smoke, without brightening all that is warm. Zero padding would darken the mean
at the picture's edges, and the fused image would glow there; so every blur is divided by the share
of its window that lies inside, by means of the ReLUs at hand.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.model.encoder import ContextEncoder, ConvBlock

CHANNELS = 6
"""Blurred infrared, the share inside, three gates and the constant one; more stay zero."""

STEEPNESS = 5.0
"""Of the sigmoid at the end: from black to white the context runs from 19 to 236 gray levels."""

_MEAN, _SHARE, _EDGE, _CORNER, _BEYOND_EDGE, _ONE = range(CHANNELS)
_EDGE_SHARE, _CORNER_SHARE = 2 / 3, 4 / 9
_GATE = 3.0
"""Just large enough that no mean opens a gate at the wrong share; more costs int8 precision."""

_Vector = npt.NDArray[np.float32]


def local_mean_encoder(
    pool: int = 7, unshuffle: int = 2, blurs: int = 3, width: int = 8, slope: float = 0.0
) -> ContextEncoder:
    """Build the encoder: the mean of infrared over squares of ``pool * unshuffle`` pixels, blurred.

    Args:
        pool: See `ContextEncoder`.
        unshuffle: Likewise; the product of both is the stride.
        blurs: How often 3x3 neighbors are averaged; the standard deviation of the window is about
            ``0.82 * sqrt(blurs)`` strides.
        width: Channels of the hidden convolutions, `CHANNELS` or more.
        slope: Of the LeakyReLU; 0 closes the gates, which int8 wants.

    Returns:
        An encoder of ``2 * blurs + 2`` convolutions; `mean_of` takes the mean from what it answers.
    """
    inside = np.full((3, 3), 1 / 9, np.float32)
    center = np.zeros((3, 3), np.float32)
    center[1, 1] = 1
    normalize, offset = _division(width, slope)
    blocks = [_first(unshuffle, width, center)]
    for number in range(blurs):
        blur, bias = _blank(width)
        if number:
            blur[_MEAN] = normalize[:, None, None] * inside
            blur[_MEAN, _ONE] += offset * inside
        else:
            blur[_MEAN, _MEAN] = inside
        blur[_SHARE, _ONE] = inside
        blocks += [ConvBlock(blur, bias), _gates(width, center)]
    last = (STEEPNESS * normalize[:, None, None] * center)[None]
    blocks.append(ConvBlock(last, np.array([STEEPNESS * (offset - 0.5)], np.float32)))
    return ContextEncoder(tuple(blocks), pool=pool, unshuffle=unshuffle, slope=slope, skip=False)


def mean_of(context: FloatArray) -> FloatArray:
    """The local mean of infrared that a context stands for; both in gray levels.

    Contexts that no mean has are those of black and white.
    """
    end = 1 / (1 + math.exp(STEEPNESS / 2))
    share = np.clip(context / np.float32(255), end, 1 - end)
    return np.float32(255) * (np.float32(0.5) + np.log(share / (1 - share)) / STEEPNESS)


def _blank(width: int) -> tuple[FloatArray, _Vector]:
    bias = np.zeros(width, np.float32)
    bias[_ONE] = 1
    return np.zeros((width, width, 3, 3), np.float32), bias


def _first(unshuffle: int, width: int, center: FloatArray) -> ConvBlock:
    """Infrared, the mean of the unshuffled neighbors; luma is not needed."""
    neighbors = unshuffle**2
    weight = np.zeros((width, 2 * neighbors, 3, 3), np.float32)
    weight[_MEAN, neighbors:] = center / neighbors
    return ConvBlock(weight, _blank(width)[1])


def _gates(width: int, center: FloatArray) -> ConvBlock:
    """What `_division` needs: the blurred mean where the share inside is that of an edge or a
    corner, and nothing elsewhere."""
    weight, bias = _blank(width)
    for channel in (_MEAN, _SHARE):
        weight[channel, channel] = center
    for channel, mean, share in _GATES:
        weight[channel, _MEAN] += mean * center
        weight[channel, _SHARE] = -_GATE * center
        bias[channel] = _GATE * share
    return ConvBlock(weight, bias)


_GATES = (
    (_EDGE, 1.0, _EDGE_SHARE),
    (_CORNER, 1.0, _CORNER_SHARE),
    (_BEYOND_EDGE, 0.0, _EDGE_SHARE),
)
"""Gate, its weight of the mean, and the share from which on it is closed.

At an edge, `_EDGE` is the mean; at a corner it exceeds the mean by what `_BEYOND_EDGE` is there,
and `_CORNER` is the mean.
"""


def _division(width: int, slope: float) -> tuple[_Vector, float]:
    """Weights of the channels and a constant whose sum is the mean, divided by the share inside.

    An edge's mean lacks a half of itself (2/3 to 1), a corner's five quarters (4/9 to 1).
    """
    weights, constant = np.zeros(width, np.float32), 0.0
    weights[_MEAN] = 1
    gains = (1 / _EDGE_SHARE - 1, 1 / _CORNER_SHARE - 1 / _EDGE_SHARE, 1 - 1 / _EDGE_SHARE)
    for gain, (channel, mean, share) in zip(gains, _GATES, strict=True):
        # relu(x) = (leaky(x) - slope * x) / (1 - slope)
        leak = gain * slope / (1 - slope)
        weights[channel] += gain / (1 - slope)
        weights[_MEAN] -= leak * mean
        weights[_SHARE] += leak * _GATE
        constant -= leak * _GATE * share
    return weights, constant
