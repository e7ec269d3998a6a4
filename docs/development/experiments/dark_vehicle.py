"""The figures of docs/evaluation.md on a dark vehicle: a fifth of each visible picture is covered
by dark gray, and the rest of the fused picture should stay as it was. First where each picture is
fused alone, then in a stream, a thirtieth of a second after the vehicle has come, and a second.

python docs/development/experiments/dark_vehicle.py RoadScene/test default published.safetensors
"""

from __future__ import annotations

import sys

import numpy as np
from lut_fuse_training.data.pairs import Pair, load_pair

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.model.features import luma
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline

SHARE = 0.2
PAINT = 22
"""Gray levels of the vehicle."""
REACH = 24
"""Pixels beside it that an encoder may still look at."""
AFTER = {0: "alone", 1 / 30: "in a stream at once", 1: "in a stream after a second"}
"""Seconds since the vehicle came; what the fusion is then; 0: each picture by itself."""
RUN_UP = 4
"""Seconds without it before."""
NIGHT = 84
"""Mean luma, lamps clipped at 96, of the brightest of RoadScene's nights."""


def by_day(levels: FloatArray) -> bool:
    """Whether a picture of RoadScene, or a part of its luma, is of a day."""
    return bool(np.minimum(levels, 96).mean() >= NIGHT)


def pipelines(model: str) -> list[FusionPipeline]:
    """One of `AFTER` each."""
    own = PipelineConfig(model, ambient_seconds=0.0)
    return [FusionPipeline(PipelineConfig(model) if seconds else own) for seconds in AFTER]


def changes(rigs: list[FusionPipeline], pair: Pair, rng: np.random.Generator) -> list[float]:
    """Of the fused luma, in gray levels, away from the vehicle; one of `AFTER` each."""
    height, width = pair.infrared.shape
    down, across = (int(side * SHARE**0.5) for side in (height, width))
    top, left = rng.integers(0, height - down), rng.integers(0, width - across)
    entered, away = pair.visible.copy(), np.ones((height, width), np.bool_)
    entered[top : top + down, left : left + across] = PAINT
    rows, columns = (slice(max(0, first - REACH), first + size + REACH)
                     for first, size in ((top, down), (left, across)))  # fmt: skip
    away[rows, columns] = False
    found = []
    for seconds, rig in zip(AFTER, rigs, strict=True):
        rig.reset()
        for time in range(RUN_UP + 1):
            before = fused(rig, pair.visible, pair, time)
        after = fused(rig, entered, pair, RUN_UP + seconds)
        found.append(float(np.abs(after - before)[away].mean()))
    return found


def fused(pipeline: FusionPipeline, visible: UInt8Array, pair: Pair, time: float) -> FloatArray:
    """Luma of the next image of a stream."""
    image = pipeline.process(visible, pair.infrared, visible_time=time, infrared_time=time)
    return luma(image)


if __name__ == "__main__":
    pairs = [load_pair(files) for files in find_dataset(sys.argv[1]).pairs]
    for model in sys.argv[2:]:
        rigs, rng = pipelines(model), np.random.default_rng(0)
        by_light: dict[str, list[list[float]]] = {"night": [], "day": []}
        for pair in pairs:
            by_light["day" if by_day(luma(pair.visible)) else "night"].append(
                changes(rigs, pair, rng)
            )
        for light, found in by_light.items():
            for how, values in zip(AFTER.values(), np.transpose(found), strict=True):
                print(
                    f"{model}, {light}, {how}: {len(values)} pairs, mean {values.mean():.2f}, "
                    f"largest {values.max():.2f} gray levels"
                )
