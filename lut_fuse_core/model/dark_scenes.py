"""Lattices by ambient level."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import ModelError


@dataclass(frozen=True)
class DarkScenes:
    """What a model does differently where the whole scene is not bright.

    A lit wall by night has the levels of a wall in shadow by day, but asks for another fusion. So a
    model may have further lattices; the ambient level of the frame (`features.ambient`) tells which
    one serves.

    lattices: ``(scenes, luma, infrared, gradient, context) float32``, each like
        `FusionModel.lattice`, the one for the darkest scenes first.
    levels: ambient levels, in gray levels, increasing, one more than lattices. Each lattice serves
        alone at its level, the first below it, too; at the last level and above the model's own
        lattice does; in between a mixture of two neighbors, linear in the level.
    """

    lattices: FloatArray
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        if not increasing_levels(self.levels):
            raise ModelError(
                f"scenes are dark at levels {list(self.levels)}; it takes two or more that "
                "increase, from 0 to 255"
            )
        if len(self.lattices) != len(self.levels) - 1:
            raise ModelError(
                f"there are {len(self.lattices)} lattices for dark scenes at {len(self.levels)} "
                "levels; it takes one less than levels, for the last is that of bright scenes"
            )

    def place(self, ambient: float) -> tuple[int, float]:
        """Where a scene of this ambient level is: the number of the last lattice whose level it
        reaches, or else of the first, and the share of the next one, below 1. The number of
        lattices stands for the model's own.
        """
        if ambient <= self.levels[0]:
            return 0, 0.0
        if ambient >= self.levels[-1]:
            return len(self.lattices), 0.0
        index = bisect_right(self.levels, ambient) - 1
        low, high = self.levels[index : index + 2]
        return index, (ambient - low) / (high - low)


def increasing_levels(levels: Sequence[float]) -> bool:
    """Whether these are two or more gray levels, from 0 to 255, each above the one before (also in
    float32)."""
    inside = len(levels) > 1 and all(0 <= level <= 255 for level in levels)
    return inside and all(np.float32(a) < np.float32(b) for a, b in pairwise(levels))
