"""The table of docs/evaluation.md on transient objects: a lamp and a hot object enter a synthetic
street, by night and, where the visible image is brighter by half, in twilight. Then the largest
change that a lamp makes in several streets at many levels of light.

python docs/development/experiments/transients.py default published.safetensors
"""

from __future__ import annotations

import sys
from itertools import product

import numpy as np

from lut_fuse_core import Fuser
from lut_fuse_core.evaluation.flicker import FusedFrame, TransientMeter, TransientReport
from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.synthetic.scene import SceneConfig, SceneFrame, StreetScene

TRANSIENTS = ("lamp_at", "hot_object_at")
FRAMES = 10
LIGHT = {"night": 1.0, "dusk": 1.2, "twilight": 1.5}
STREETS = 6
LEVELS = np.geomspace(1, 5, 22).round(2)


def fuse(fuser: Fuser, scene: SceneFrame, light: float) -> FusedFrame:
    """The frame by itself, with a range that has settled, so that only the method can pass a
    transient object on to the rest of the image. A running node follows the light more slowly."""
    normalizer = InfraredNormalizer(NormalizationConfig(mode="range", low=7000, high=7600))
    infrared = normalizer(scene.infrared)
    visible = np.minimum(scene.visible * light, 255).astype(np.uint8)
    return FusedFrame.of(visible, infrared, fuser.fuse(visible, infrared))


def frames(
    transient: str, seed: int = 0, count: int = FRAMES
) -> list[tuple[SceneFrame, SceneFrame]]:
    """Frames of a street without the transient object and the same, noise included, with it."""
    without = StreetScene(SceneConfig(moving=False, seed=seed))
    entered = StreetScene(SceneConfig(moving=False, seed=seed, **{transient: 0.0}))
    return [(without.frame(index), entered.frame(index)) for index in range(count)]


def change(
    fuser: Fuser, pairs: list[tuple[SceneFrame, SceneFrame]], light: float
) -> TransientReport:
    """What the transient object changes beside itself."""
    meter = TransientMeter()
    for before, after in pairs:
        fused = (fuse(fuser, scene, light) for scene in (before, after))
        meter.update(*fused, ~after.touched)
    return meter.report()


if __name__ == "__main__":
    shown = {transient: frames(transient) for transient in TRANSIENTS}
    streets = [frames("lamp_at", seed, count=1) for seed in range(STREETS)]
    for model in sys.argv[1:]:
        fuser = Fuser(model)
        for transient, (name, light) in product(TRANSIENTS, LIGHT.items()):
            fused = change(fuser, shown[transient], light).fused
            print(
                f"{model} {transient}, {name}: mean {fused.mean:.3f}, worst frame {fused.worst:.3f}"
            )
        largest = max(change(fuser, *which).fused.worst for which in product(streets, LEVELS))
        print(f"{model} lamp_at, {STREETS} streets, {len(LEVELS)} lights: largest {largest:.2f}")
