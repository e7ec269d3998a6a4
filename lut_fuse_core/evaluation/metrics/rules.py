"""The two baselines, as the yardstick that a fusion method has to beat by eye."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lut_fuse_core.arrays import UInt8Array


def maximum_rule(visible: UInt8Array, infrared: UInt8Array) -> UInt8Array:
    """The brighter of the two in every pixel. All ``(H, W) uint8``."""
    return np.maximum(visible, infrared)


def average_rule(visible: UInt8Array, infrared: UInt8Array) -> UInt8Array:
    """The mean of the two in every pixel, halves to even. All ``(H, W) uint8``."""
    total = visible.astype(np.uint16) + infrared
    return np.rint(total / np.float32(2)).astype(np.uint8)


BASELINES: dict[str, Callable[[UInt8Array, UInt8Array], UInt8Array]] = {
    "maximum": maximum_rule,
    "average": average_rule,
}
