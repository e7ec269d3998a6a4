"""The table of docs/evaluation.md on newcomers: a lamp and a hot object enter a made-up street, by
night and, where the visible image is brighter by half, in twilight.

python tests/experiments/newcomers.py default published.safetensors
"""

from __future__ import annotations

import sys
from itertools import product

import numpy as np

from lut_fuse_core import Fuser
from lut_fuse_core.flicker import FusedFrame, NewcomerMeter, NewcomerReport
from lut_fuse_core.infrared import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.synthetic.scene import SceneConfig, SceneFrame, StreetScene

NEWCOMERS = ("lamp_at", "hot_object_at")
FRAMES = 10
LIGHT = {"night": 1.0, "dusk": 1.2, "twilight": 1.5}


def fuse(fuser: Fuser, scene: SceneFrame, light: float) -> FusedFrame:
    """The frame by itself, with a range that has settled, so that only the method can pass a
    newcomer on to the rest of the picture. A running node also follows the light more slowly."""
    normalizer = InfraredNormalizer(NormalizationConfig(mode="range", low=7000, high=7600))
    infrared = normalizer(scene.infrared)
    visible = np.minimum(scene.visible * light, 255).astype(np.uint8)
    return FusedFrame.of(visible, infrared, fuser.fuse(visible, infrared))


def change(fuser: Fuser, newcomer: str, light: float) -> NewcomerReport:
    """Frames with the newcomer against the same frames, noise included, without it."""
    without = StreetScene(SceneConfig(moving=False))
    entered = StreetScene(SceneConfig(moving=False, **{newcomer: 0.0}))
    meter = NewcomerMeter()
    for index in range(FRAMES):
        before, after = without.frame(index), entered.frame(index)
        fused = (fuse(fuser, scene, light) for scene in (before, after))
        meter.update(*fused, ~after.touched)
    return meter.report()


if __name__ == "__main__":
    for model in sys.argv[1:]:
        for newcomer, (name, light) in product(NEWCOMERS, LIGHT.items()):
            fused = change(Fuser(model), newcomer, light).fused
            print(
                f"{model} {newcomer}, {name}: mean {fused.mean:.3f}, worst frame {fused.worst:.3f}"
            )
