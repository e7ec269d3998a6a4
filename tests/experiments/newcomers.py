"""The table of docs/evaluation.md on newcomers: a lamp and a hot object enter a made-up street.

python tests/experiments/newcomers.py default published.safetensors
"""

from __future__ import annotations

import sys

from lut_fuse_core import Fuser
from lut_fuse_core.flicker import FusedFrame, NewcomerMeter, NewcomerReport
from lut_fuse_core.infrared import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.synthetic.scene import SceneConfig, SceneFrame, StreetScene

NEWCOMERS = ("lamp_at", "hot_object_at")
FRAMES = 10


def fuse(fuser: Fuser, scene: SceneFrame) -> FusedFrame:
    """The frame as a running node shows it once its range has settled, so that only the method
    itself can pass a newcomer on to the rest of the picture."""
    normalizer = InfraredNormalizer(NormalizationConfig(mode="range", low=7000, high=7600))
    infrared = normalizer(scene.infrared)
    return FusedFrame.of(scene.visible, infrared, fuser.fuse(scene.visible, infrared))


def change(fuser: Fuser, newcomer: str) -> NewcomerReport:
    """Frames with the newcomer against the same frames, noise included, without it."""
    without = StreetScene(SceneConfig(moving=False))
    entered = StreetScene(SceneConfig(moving=False, **{newcomer: 0.0}))
    meter = NewcomerMeter()
    for index in range(FRAMES):
        before, after = without.frame(index), entered.frame(index)
        meter.update(fuse(fuser, before), fuse(fuser, after), ~after.touched)
    return meter.report()


if __name__ == "__main__":
    for model in sys.argv[1:]:
        for newcomer in NEWCOMERS:
            fused = change(Fuser(model), newcomer).fused
            print(f"{model} {newcomer}: mean {fused.mean:.3f}, worst frame {fused.worst:.3f}")
