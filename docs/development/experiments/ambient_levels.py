"""The table of docs/training.md on measures of how dark a scene is: how far what enters a picture
moves the share of a lattice for dark scenes.

python docs/development/experiments/ambient_levels.py RoadScene/train
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from dark_vehicle import PAINT, SHARE, by_day
from lut_fuse_training.data.pairs import load_pair

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.model.features import ambient_samples, luma
from lut_fuse_core.synthetic.scene import SceneConfig, StreetScene

STREETS = 6
LIGHT = (1, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5)
"""Times the light of the synthetic night."""


def middle_half(levels: FloatArray) -> float:
    """Mean between the quartiles."""
    ordered = np.sort(levels)
    return float(ordered[len(ordered) // 4 : 3 * len(ordered) // 4].mean())


MEASURES: dict[str, Callable[[FloatArray], float]] = {
    "mean luma, clipped at 96": lambda levels: float(np.minimum(levels, 96).mean()),
    "mean luma, clipped at 64": lambda levels: float(np.minimum(levels, 64).mean()),
    "mean of the middle half": middle_half,
    "median": lambda levels: float(np.quantile(levels, 0.5)),
    "40th percentile of luma": lambda levels: float(np.quantile(levels, 0.4)),
}


def samples(visible: UInt8Array) -> FloatArray:
    """Luma of the pixels that tell the ambient level."""
    return luma(ambient_samples(visible)[None])[0]


def streets() -> list[list[tuple[FloatArray, FloatArray]]]:
    """Every street in every light, without and with a lamp."""
    found = []
    for seed in range(STREETS):
        without = StreetScene(SceneConfig(moving=False, seed=seed)).frame(0).visible
        lit = StreetScene(SceneConfig(moving=False, seed=seed, lamp_at=0.0)).frame(0).visible
        found.append([(in_light(without, times), in_light(lit, times)) for times in LIGHT])
    return found


def in_light(visible: UInt8Array, times: float) -> FloatArray:
    """Luma where there is so many times the light."""
    return samples(np.minimum(visible * times, 255).astype(np.uint8))


def with_vehicle(levels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The same picture behind a dark vehicle."""
    side = int(len(levels) ** 0.5)
    entered, size = levels.reshape(side, side).copy(), round(side * SHARE**0.5)
    top, left = rng.integers(0, side - size + 1, 2)
    entered[top : top + size, left : left + size] = PAINT
    return entered.ravel()


def main() -> None:
    rng, lamps = np.random.default_rng(1), streets()
    pictures = [samples(load_pair(p).visible) for p in find_dataset(sys.argv[1]).pairs]
    days = [levels for levels in pictures if by_day(levels)]
    vehicles = [(levels, with_vehicle(levels, rng)) for levels in days]
    print("| ambient level | lamp | dark vehicle |\n| --- | ---: | ---: |")
    for name, measure in MEASURES.items():
        low = max(measure(levels) for street in lamps for levels in street[0])
        high = np.quantile([measure(levels) for levels in days], 0.01)

        def moved(
            pair: tuple[FloatArray, FloatArray],
            measure: Callable[[FloatArray], float] = measure,
            low: float = low,
            high: float = float(high),
        ) -> float:
            shares = (np.clip((high - measure(x)) / (high - low), 0, 1) for x in pair)
            return float(abs(np.subtract(*shares)))

        lamp = np.mean([max(map(moved, street)) for street in lamps])
        vehicle = np.mean(list(map(moved, vehicles)))
        print(f"| {name} | {lamp:.1%} | {vehicle:.1%} |")


if __name__ == "__main__":
    main()
