"""The table of docs/training.md on light: how far a model is ahead of another, by ambient level.

python docs/development/experiments/by_light.py RoadScene/test default published.safetensors
"""

from __future__ import annotations

import argparse

import numpy as np
from lut_fuse_training.data.pairs import load_pair

from lut_fuse_core import Fuser
from lut_fuse_core.evaluation.metrics import PairEvaluator
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.model.features import ambient

METRICS = ("MI", "EN", "CC", "SSIM", "Qabf")
PARTS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder of pairs")
    parser.add_argument("model")
    parser.add_argument("other", help="what it is compared with")
    arguments = parser.parse_args()
    fusers = Fuser(arguments.model), Fuser(arguments.other)
    levels, leads = [], []
    for files in find_dataset(arguments.data).pairs:
        pair = load_pair(files)
        evaluator = PairEvaluator(pair.visible, pair.infrared)
        model, other = (evaluator.evaluate(f.fuse(pair.visible, pair.infrared)) for f in fusers)
        levels.append(ambient(pair.visible))
        leads.append([model[name] - other[name] for name in METRICS])
    print(f"| ambient level | pairs | {' | '.join(METRICS)} |")
    print(f"| --- |{' ---: |' * (len(METRICS) + 1)}")
    for part in np.array_split(np.argsort(levels), PARTS):
        lit, lead = np.asarray(levels)[part], np.asarray(leads)[part].mean(axis=0)
        numbers = " | ".join(f"{value:+.3f}" for value in lead)
        print(f"| {lit.min():.0f} to {lit.max():.0f} | {len(part)} | {numbers} |")


if __name__ == "__main__":
    main()
