"""The figures of docs/evaluation.md on a dark vehicle: a fifth of each visible picture is covered
by dark grey, and the rest of the fused picture should stay as it was.

python tests/experiments/dark_vehicle.py RoadScene/test default published.safetensors
"""

from __future__ import annotations

import sys

import numpy as np

from lut_fuse_core import Fuser
from lut_fuse_core.dataset import find_dataset
from lut_fuse_core.features import luma
from lut_fuse_core.model import FloatArray
from training.pairs import Pair, load_pair

SHARE = 0.2
PAINT = 22
"""Grey levels of the vehicle."""
REACH = 24
"""Pixels beside it that an encoder may still look at."""
NIGHT = 84
"""Mean luma, lamps cut off at 96, of the brightest of RoadScene's nights."""


def by_day(levels: FloatArray) -> bool:
    """Whether a picture of RoadScene, or a part of its luma, is of a day."""
    return bool(np.minimum(levels, 96).mean() >= NIGHT)


def change(fuser: Fuser, pair: Pair, rng: np.random.Generator) -> float:
    """Of the fused luma, in grey levels, away from the vehicle."""
    height, width = pair.infrared.shape
    down, across = (int(side * SHARE**0.5) for side in (height, width))
    top, left = rng.integers(0, height - down), rng.integers(0, width - across)
    entered, away = pair.visible.copy(), np.ones((height, width), np.bool_)
    entered[top : top + down, left : left + across] = PAINT
    rows, columns = (slice(max(0, first - REACH), first + size + REACH)
                     for first, size in ((top, down), (left, across)))  # fmt: skip
    away[rows, columns] = False
    before, after = (luma(fuser.fuse(v, pair.infrared)) for v in (pair.visible, entered))
    return float(np.abs(after - before)[away].mean())


if __name__ == "__main__":
    pairs = [load_pair(files) for files in find_dataset(sys.argv[1]).pairs]
    for model in sys.argv[2:]:
        fuser, rng = Fuser(model), np.random.default_rng(0)
        changes: dict[str, list[float]] = {"night": [], "day": []}
        for pair in pairs:
            changes["day" if by_day(luma(pair.visible)) else "night"].append(
                change(fuser, pair, rng)
            )
        for light, values in changes.items():
            print(
                f"{model}, {light}: {len(values)} pairs, mean {np.mean(values):.2f}, "
                f"largest {np.max(values):.2f} grey levels"
            )
