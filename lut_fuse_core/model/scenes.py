"""Which of a model's lattices serves a scene, by its ambient level.

A lit wall by night has the levels of a wall in shadow by day, but asks for another fusion. So a
model may have several lattices; the ambient level of the frame (`features.ambient`) tells which one
serves: each alone at its level, the first below it and the last above it, too; in between a mixture
of two neighbors, linear in the level.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Place = tuple[int, float]
"""A scene's place between the lattices: number of the darker one, and the share of the next one,
from 0 to below 1."""


def place_of(ambient: float, levels: Sequence[float]) -> Place:
    """Where a scene is between the lattices.

    Args:
        ambient: Its ambient level in gray levels.
        levels: Those of the lattices, increasing.

    Returns:
        Number of the last lattice whose level the scene reaches, or else 0, and the share of the
        next one.
    """
    if ambient <= levels[0]:
        return 0, 0.0
    if ambient >= levels[-1]:
        return len(levels) - 1, 0.0
    index = bisect_right(levels, ambient) - 1
    low, high = levels[index : index + 2]
    return index, (ambient - low) / (high - low)


def increasing_levels(levels: Sequence[float]) -> bool:
    """Whether these are gray levels, from 0 to 255, each above the one before (also in float32)."""
    inside = len(levels) > 0 and all(0 <= level <= 255 for level in levels)
    return inside and all(np.float32(a) < np.float32(b) for a, b in pairwise(levels))
