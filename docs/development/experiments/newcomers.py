"""The table of docs/evaluation.md on newcomers: a lamp and a hot object enter a made-up street, by
night and, where the visible image is brighter by half, in twilight. Then the largest change that a
lamp makes in several streets at many levels of light.

python tests/experiments/newcomers.py default published.safetensors
"""

from __future__ import annotations

import sys
from itertools import product

import numpy as np

from lut_fuse_core import Fuser
from lut_fuse_core.evaluation.flicker import FusedFrame, NewcomerMeter, NewcomerReport
from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.synthetic.scene import SceneConfig, SceneFrame, StreetScene

NEWCOMERS = ("lamp_at", "hot_object_at")
FRAMES = 10
LIGHT = {"night": 1.0, "dusk": 1.2, "twilight": 1.5}
STREETS = 6
LEVELS = np.geomspace(1, 5, 22).round(2)


def fuse(fuser: Fuser, scene: SceneFrame, light: float) -> FusedFrame:
    """The frame by itself, with a range that has settled, so that only the method can pass a
    newcomer on to the rest of the picture. A running node also follows the light more slowly."""
    normalizer = InfraredNormalizer(NormalizationConfig(mode="range", low=7000, high=7600))
    infrared = normalizer(scene.infrared)
    visible = np.minimum(scene.visible * light, 255).astype(np.uint8)
    return FusedFrame.of(visible, infrared, fuser.fuse(visible, infrared))


def frames(
    newcomer: str, seed: int = 0, count: int = FRAMES
) -> list[tuple[SceneFrame, SceneFrame]]:
    """Frames of a street without the newcomer and the same, noise included, with it."""
    without = StreetScene(SceneConfig(moving=False, seed=seed))
    entered = StreetScene(SceneConfig(moving=False, seed=seed, **{newcomer: 0.0}))
    return [(without.frame(index), entered.frame(index)) for index in range(count)]


def change(
    fuser: Fuser, pairs: list[tuple[SceneFrame, SceneFrame]], light: float
) -> NewcomerReport:
    """What the newcomer changes beside itself."""
    meter = NewcomerMeter()
    for before, after in pairs:
        fused = (fuse(fuser, scene, light) for scene in (before, after))
        meter.update(*fused, ~after.touched)
    return meter.report()


if __name__ == "__main__":
    shown = {newcomer: frames(newcomer) for newcomer in NEWCOMERS}
    streets = [frames("lamp_at", seed, count=1) for seed in range(STREETS)]
    for model in sys.argv[1:]:
        fuser = Fuser(model)
        for newcomer, (name, light) in product(NEWCOMERS, LIGHT.items()):
            fused = change(fuser, shown[newcomer], light).fused
            print(
                f"{model} {newcomer}, {name}: mean {fused.mean:.3f}, worst frame {fused.worst:.3f}"
            )
        largest = max(change(fuser, *which).fused.worst for which in product(streets, LEVELS))
        print(f"{model} lamp_at, {STREETS} streets, {len(LEVELS)} lights: largest {largest:.2f}")
