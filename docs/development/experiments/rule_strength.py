"""The plot of docs/evaluation.md: what pulls against what, along the strength of a rule.

python docs/development/experiments/rule_strength.py RoadScene/train boxes.json yolox_nano.onnx \
    M3SVD/visible/0113_1714.mp4 M3SVD/infrared/0113_1714.mp4 OUT.png

The default model begins as a rule (`default_model.RULE`): the visible image, and what of infrared
stands out from its surroundings. At strength 0 a picture is the visible one, at 1 it is the rule's.
Measured: AP50 of people and cars on the labeled pairs, MI on the first 20 of them, and the flicker
ratio on the first frames of a clip; the default model and both cameras beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from default_model import AXES, LEVELS, RULE

from lut_fuse_core import Fuser, FusionModel
from lut_fuse_core.evaluation.detection.detector import Detector
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.evaluation.detection.study import study_detection
from lut_fuse_core.evaluation.evaluate import file_normalizer, fused_by, load_pair
from lut_fuse_core.evaluation.flicker import FlickerMeter
from lut_fuse_core.evaluation.image_kinds import image_kinds, labeled_pairs
from lut_fuse_core.evaluation.metrics import PairEvaluator
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.model.fusion_model import GradientSpec

STRENGTHS = (0.0, 0.4, 0.8, 1.2, 1.8)
MEASURED_PAIRS, FRAMES = 20, 40
CURVES = ("people, AP50", "cars, AP50", "MI", "flicker ratio")

Image = np.ndarray
Fuse = Callable[[Image, Image], Image]


def ruled(strength: float) -> Fuser:
    """A model whose lattices are the rule at this strength."""
    from lut_fuse_training.networks.local_mean import local_mean_encoder, mean_of

    around, above, below = (strength * weight for weight in RULE)
    ends = [np.linspace(axis.low, axis.high, axis.nodes, dtype=np.float32) for axis in AXES]
    bright, warm, _, context = np.meshgrid(*ends, indexing="ij")
    mean = mean_of(context)
    stands_out = above * np.maximum(warm - mean, 0) - below * np.maximum(mean - warm, 0)
    lattice = ((1 - around) * bright + around * mean + stands_out).clip(0, 255) / 255
    lattices = np.repeat(lattice[None].astype(np.float32), len(LEVELS), 0)
    encoder = local_mean_encoder(5)
    return Fuser(FusionModel(lattices, AXES, GradientSpec(), encoder, {"name": "rule"}, LEVELS))


def flicker(fuse: Fuse, visible: Path, infrared: Path) -> float:
    """Flicker ratio on the first frames of a clip."""
    meter = FlickerMeter()
    streams = [cv2.VideoCapture(str(path)) for path in (visible, infrared)]
    for _ in range(FRAMES):
        (_, color), (_, warm) = (stream.read() for stream in streams)
        pair = np.ascontiguousarray(color[..., ::-1]), np.ascontiguousarray(warm[..., 0])
        meter.update(*pair, fuse(*pair))
    return meter.report().ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("pairs", "boxes", "detector", "visible", "infrared", "out"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    labels = read_labels(options.boxes)
    pairs, _ = labeled_pairs(find_dataset(options.pairs, splits=("train",)).pairs, labels.boxes)
    fusers = {f"{strength:g}": ruled(strength) for strength in STRENGTHS}
    fusers["fused"] = Fuser("default")
    baselines = ("maximum", "average")
    kinds = image_kinds({name: fused_by(fuser) for name, fuser in fusers.items()})
    kinds = {name: make for name, make in kinds.items() if name not in baselines}
    classes = {"person": (), "car": ()}
    study = study_detection(pairs, labels, [Detector(options.detector)], kinds, (20.0,), classes)
    results = study.detectors[0].results
    rows = {
        name: [results[name]["person"].ap50, results[name]["car"].ap50]
        for name in ("visible", "infrared", *fusers)
    }
    evaluators = [
        (*pair, PairEvaluator(*pair))
        for pair in (load_pair(files, file_normalizer()) for files in pairs[:MEASURED_PAIRS])
    ]
    for name, fuser in fusers.items():
        shared = [e.evaluate(fuser.fuse(v, i))["MI"] for v, i, e in evaluators]
        rows[name] += [
            float(np.mean(shared)),
            flicker(fuser.fuse, options.visible, options.infrared),
        ]
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in row) + " |", flush=True)
    plot(rows, options.out)


def plot(rows: dict[str, list[float]], out: Path) -> None:
    """A panel per figure: along the strength, with the default model and the cameras as lines."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(CURVES), figsize=(13, 3.2), layout="constrained")
    for index, (axis, name) in enumerate(zip(axes, CURVES, strict=True)):
        axis.plot(STRENGTHS, [rows[f"{strength:g}"][index] for strength in STRENGTHS], "o-")
        for kind, style in (("visible", ":"), ("infrared", "--"), ("fused", "-")):
            if len(rows[kind]) > index:
                label = "default model" if kind == "fused" else kind
                axis.axhline(rows[kind][index], color="0.4", linestyle=style, label=label)
        axis.set(title=name, xlabel="strength of the rule")
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main()
