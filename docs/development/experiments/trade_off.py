"""The table and the plot of docs/training.md: what one goal costs another, on the validation split.

python docs/development/experiments/trade_off.py RoadScene/train default published.safetensors ...

Each model fuses the validation pairs as they are, as a camera of twice the resolution would see
them, evenly dim, at night and darkened over cold ground, and synthetic night streets, whose ground
is warm. With --plot FILE the models become points of two trade-offs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from lut_fuse_training.data.pairs import Pair, in_validation, load_pair, to_gray, training_part

from lut_fuse_core import Fuser
from lut_fuse_core.evaluation.metrics import PairEvaluator
from lut_fuse_core.synthetic.scene import SceneConfig, StreetScene

METRICS = ("MI", "EN", "CC", "SSIM", "Qabf", "SCD", "VIF")
SHARE = 0.1
COLD_LEVEL, DIM = 0.5, 0.35
NIGHT = 3.0
EVENING = 0.4
STREETS, LATER = 6, 40
TRADE_OFFS = (
    ("as they are", "MI", "as they are", "SSIM"),
    ("evenly dim", "MI", "evenly dim", "CC"),
)


def finer(pair: Pair) -> Pair:
    """Twice as many pixels for the same view, the middle 640x480 of them."""
    visible, infrared = (
        cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        for image in (pair.visible, pair.infrared)
    )
    height, width = infrared.shape
    top, left = max(0, (height - 480) // 2), max(0, (width - 640) // 2)
    middle = np.s_[top : top + 480, left : left + 640]
    return Pair(
        pair.name,
        np.ascontiguousarray(visible[middle]),
        np.ascontiguousarray(infrared[middle]),
    )


def dim_over_cold_ground(pair: Pair) -> Pair:
    """Infrared black but for what is warm; visible one and a half stops darker, and all texture."""
    pair = finer(pair)
    warm = ((pair.infrared / 255 - COLD_LEVEL) / (1 - COLD_LEVEL)).clip(0, 1) ** 1.3
    infrared = np.rint(255 * cv2.GaussianBlur(warm, (0, 0), 1.5)).astype(np.uint8)
    visible = np.rint(255 * DIM * (pair.visible / 255) ** 1.6).astype(np.uint8)
    return Pair(pair.name, visible, infrared)


def evenly_dim(pair: Pair) -> Pair:
    """Visible one stop and a third darker, as in the evening; infrared as it was."""
    pair = finer(pair)
    return Pair(pair.name, np.rint(EVENING * pair.visible).astype(np.uint8), pair.infrared)


def night(pair: Pair) -> Pair:
    """Shadows black, lamps as bright as they were."""
    pair = finer(pair)
    visible = np.rint(255 * (pair.visible / 255) ** NIGHT).astype(np.uint8)
    return Pair(pair.name, visible, pair.infrared)


def streets() -> list[Pair]:
    """Frames of synthetic night streets."""
    pairs = []
    for seed in range(1, STREETS + 1):
        frame = StreetScene(SceneConfig(seed=seed)).frame(LATER * (seed % 2))
        pairs.append(Pair(f"street {seed}", frame.visible, to_gray(frame.infrared)))
    return pairs


VARIANTS: dict[str, Callable[[Pair], Pair]] = {
    "as they are": lambda pair: pair,
    "twice finer": finer,
    "evenly dim": evenly_dim,
    "night": night,
    "dim, over cold ground": dim_over_cold_ground,
}


def scores(fuser: Fuser, pairs: list[Pair]) -> dict[str, float]:
    """Mean of each metric."""
    rows = [
        PairEvaluator(p.visible, p.infrared).evaluate(fuser.fuse(p.visible, p.infrared))
        for p in pairs
    ]
    return {name: float(np.mean([row[name] for row in rows])) for name in METRICS}


def plot(results: dict[str, dict[str, dict[str, float]]], file: Path) -> None:
    """One panel per trade-off, one point per model."""
    figure, axes = plt.subplots(1, len(TRADE_OFFS), figsize=(11, 3.6), layout="constrained")
    for axis, (where_x, x, where_y, y) in zip(axes, TRADE_OFFS, strict=True):
        for model, by_variant in results.items():
            at = by_variant[where_x][x], by_variant[where_y][y]
            axis.plot(*at, "o", label=model)
        axis.set_xlabel(f"{x}, {where_x}")
        axis.set_ylabel(f"{y}, {where_y}")
        axis.grid(alpha=0.3)
    axes[-1].legend(bbox_to_anchor=(1, 1), loc="upper left")
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder of training pairs")
    parser.add_argument(
        "models", nargs="+", help="names or files; LABEL=FILE names it in the table"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    chosen = [f for f in training_part(arguments.data).pairs if in_validation(f.name, SHARE)]
    pairs = [load_pair(files) for files in chosen]
    cases = {name: [variant(pair) for pair in pairs] for name, variant in VARIANTS.items()}
    cases["night streets"] = streets()
    results: dict[str, dict[str, dict[str, float]]] = {}
    for entry in arguments.models:
        label, _, file = entry.rpartition("=")
        fuser = Fuser(file)
        results[label or Path(file).stem] = {
            name: scores(fuser, shown) for name, shown in cases.items()
        }
    for name, shown in cases.items():
        print(f"\n| {len(shown)} pairs, {name} | {' | '.join(METRICS)} |")
        print(f"| --- |{' --- |' * len(METRICS)}")
        for model, by_variant in results.items():
            numbers = " | ".join(f"{by_variant[name][metric]:.3f}" for metric in METRICS)
            print(f"| {model} | {numbers} |")
    if arguments.plot:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
