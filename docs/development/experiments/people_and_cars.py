"""The table and plot of docs/development/people-and-cars.md: what cars gain costs people.

python docs/development/experiments/people_and_cars.py RoadScene/train boxes.json \
    published.safetensors OUT.png yolox_nano.onnx fastestdet.onnx

Images that no look-up table has to produce, most of them changes of the default model's: where
would detectors lose no cars? Some know the labeled boxes, which is the most that a context could
learn. The columns: AP50 of people and cars for each detector; the difference of the detectors' mean
to the default model's, with its interval for 95 % of random draws of the pictures; metrics on every
fourth pair.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from lut_fuse_training.networks.local_mean import mean_of

from lut_fuse_core import Fuser
from lut_fuse_core.arrays import Float64Array, UInt8Array
from lut_fuse_core.evaluation.detection.average_precision import Assessment, bootstrap
from lut_fuse_core.evaluation.detection.classes import class_map
from lut_fuse_core.evaluation.detection.detector import Detections, Detector
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.evaluation.detection.labels import LabeledBox
from lut_fuse_core.evaluation.evaluate import file_normalizer, load_pair
from lut_fuse_core.evaluation.image_kinds import in_color, labeled_pairs
from lut_fuse_core.evaluation.metrics import PairEvaluator
from lut_fuse_core.io.dataset import find_dataset
from lut_fuse_core.model.context import encode
from lut_fuse_core.model.features import luma, replace_luma

CLASSES = ("person", "car")
LEAST_HEIGHT = 20.0
MEASURED = 4
"""Metrics are measured on every so many pairs."""

ROUNDS = 200

METRICS = ("SCD", "CC", "VIF")
DEFAULT, PUBLISHED = "default model", "published LUT-Fuse"

Image = np.ndarray
Boxes = Sequence[LabeledBox]


@dataclass(frozen=True)
class Scene:
    """A pair as the rules see it, all ``(H, W) float32`` in gray levels.

    Attributes:
        visible, infrared, fused: Luma of both cameras and of the default model.
        around: The local mean of infrared, the default model's context.
        boxes: The objects.
    """

    visible: Image
    infrared: Image
    fused: Image
    around: Image
    boxes: Boxes

    def toward_visible(self, share: Image | float) -> Image:
        """The visible image with a share of what the default model changes."""
        return self.visible + share * (self.fused - self.visible)

    def inside(self, name: str, margin: int) -> Image:
        """1 in the boxes of a class and some pixels around them, 0 elsewhere, feathered."""
        mask = np.zeros(self.visible.shape, np.float32)
        for box in self.boxes:
            if box.name == name:
                x0, y0, x1, y1 = map(int, box[1:5])
                mask[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin] = 1
        return _blur(mask, 4)

    def structured(self, deviation: float) -> Image:
        """From 0, where infrared varies more than the visible image, to 1 where it varies less."""
        ratio = _deviation(self.visible, deviation) / (_deviation(self.infrared, deviation) + 2)
        return _blur(np.clip((ratio - 0.8) / 0.8, 0, 1), 3)

    def standing_out(self, threshold: float = 0.0, below: float = 0.25) -> Image:
        """What infrared adds where it differs from its surroundings."""
        differs = self.infrared - self.around
        warmer, colder = (np.maximum(sign * differs - threshold, 0) for sign in (1, -1))
        return 1.25 * warmer - below * colder


def _detail_kept(scene: Scene) -> Image:
    detail = [image - _blur(image, 16) for image in (scene.visible, scene.fused)]
    return scene.fused + scene.structured(8) * (detail[0] - detail[1])


def _hot_spots(scene: Scene) -> Image:
    """Infrared only near what is hotter than its surroundings, and where the other is flat."""
    hotter = _blur(scene.infrared, 2) - _blur(scene.infrared, 22) - 25
    hot = cv2.dilate(np.clip(hotter / 12, 0, 1), np.ones((9, 9)))
    flat = np.clip((6 - _deviation(scene.visible, 10)) / 3, 0, 1)
    return scene.toward_visible(_blur(np.maximum(hot, flat), 3))


def _with_surroundings(scene: Scene) -> Image:
    level = 0.3 * (scene.around - scene.visible.mean())
    return scene.visible + level + scene.standing_out(8)


RULES: dict[str, Callable[[Scene], Image]] = {
    "cars' boxes visible": lambda s: s.toward_visible(1 - s.inside("car", 0)),
    "cars' boxes and 10 px visible": lambda s: s.toward_visible(1 - s.inside("car", 10)),
    "only people's boxes fused": lambda s: s.toward_visible(s.inside("person", 6)),
    "30 % of the fusion": lambda s: s.toward_visible(0.3),
    "50 % of the fusion": lambda s: s.toward_visible(0.5),
    "70 % of the fusion": lambda s: s.toward_visible(0.7),
    "visible where it has structure": lambda s: s.toward_visible(1 - s.structured(4)),
    "visible detail where it has more": _detail_kept,
    "fused at hot spots and in flat areas": _hot_spots,
    "visible + what stands out": lambda s: s.visible + s.standing_out(),
    "visible + what stands out by 12": lambda s: s.visible + s.standing_out(12, 0.2),
    "the same, and 30 % surroundings": _with_surroundings,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("pairs", "boxes", "published", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("detectors", nargs="+", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    labels = read_labels(options.boxes)
    pairs, _ = labeled_pairs(find_dataset(options.pairs, splits=("train",)).pairs, labels.boxes)
    default, published = Fuser("default"), Fuser(options.published)
    detectors = [Detector(path) for path in options.detectors]
    maps = [class_map(CLASSES, detector.classes, None) for detector in detectors]
    found: dict[str, list[list[Detections]]] = {}
    metrics: dict[str, list[list[float]]] = {}
    boxes: list[Boxes] = []
    for number, files in enumerate(pairs):
        pair = load_pair(files, file_normalizer())
        evaluator = PairEvaluator(*pair)
        boxes.append(labels.inside(files.name, pair[1].shape[::-1]))
        images = _images(default, *pair, boxes[-1])
        images[PUBLISHED] = published.fuse(*pair)
        for name, image in images.items():
            answers = found.setdefault(name, [[] for _ in detectors])
            for detector, classes, answer in zip(detectors, maps, answers, strict=True):
                answer.append(detector.detect(image, classes))
            if number % MEASURED == 0:
                values = evaluator.evaluate(image)
                metrics.setdefault(name, []).append([values[key] for key in METRICS])
    assessed = {
        name: [Assessment(boxes, answer, CLASSES, (LEAST_HEIGHT,)) for answer in answers]
        for name, answers in found.items()
    }
    points = {}
    for name, own in assessed.items():
        ap = np.array([a.ap50_of(range(len(pairs))) for a in own])
        means = np.mean(metrics[name], axis=0)
        points[name] = (*ap.mean(axis=0), *means)
        cells = [f"{value:.1f}" for value in ap.ravel()]
        cells += _differences(own, assessed[DEFAULT], len(pairs))
        cells += [f"{value:.2f}" for value in means]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    _plot(points, options.out)


def _images(
    default: Fuser, visible: UInt8Array, infrared: UInt8Array, boxes: Boxes
) -> dict[str, UInt8Array]:
    """Every kind of image of a pair."""
    bright, fused = luma(visible), default.fuse(visible, infrared)
    around = mean_of(encode(default.model.encoder, visible, infrared))
    scene = Scene(bright, infrared.astype(np.float32), luma(fused), around, boxes)
    shown = {name: rule(scene).clip(0, 255).astype(np.float32) for name, rule in RULES.items()}
    colored = {name: replace_luma(visible, bright, image) for name, image in shown.items()}
    return {
        "visible": visible,
        "infrared": in_color(infrared),
        DEFAULT: fused,
        **{name: image.round().clip(0, 255).astype(np.uint8) for name, image in colored.items()},
    }


def _differences(
    own: Sequence[Assessment], default: Sequence[Assessment], pictures: int
) -> list[str]:
    """Of the mean over the detectors, people and cars, with intervals."""

    def difference(ap: Float64Array) -> Float64Array:
        return ap[: len(own)].mean(axis=0) - ap[len(own) :].mean(axis=0)

    both = [*own, *default]
    value = difference(np.array([a.ap50_of(range(pictures)) for a in both]))
    low, high = bootstrap(both, difference, pictures, ROUNDS)
    return [f"{v:+.1f} ({a:+.0f} to {b:+.0f})" for v, a, b in zip(value, low, high, strict=True)]


def _plot(points: Mapping[str, tuple[float, ...]], out: Path) -> None:
    """People against cars; filled where SCD and CC are above the published model's."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(10, 5), layout="constrained")
    least = points[PUBLISHED][2:4]
    shown = [name for name in points if name not in (PUBLISHED, "infrared")]
    for number, name in enumerate(shown, 1):
        people, cars, scd, cc, _ = points[name]
        color = "tab:red" if name == DEFAULT else "tab:blue"
        filled = color if scd >= least[0] and cc >= least[1] else "none"
        label = f"{number}  {name}"
        axis.scatter(cars, people, edgecolors=color, facecolors=filled, label=label)
        axis.annotate(f"{number}", (cars, people), (5, 3), textcoords="offset points")
    axis.set(xlabel="cars, AP50", ylabel="people, AP50", title="Filled: SCD and CC above published")
    axis.grid(alpha=0.3)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.savefig(out, dpi=80)


def _blur(image: Image, deviation: float) -> Image:
    return cv2.GaussianBlur(image, (0, 0), deviation, borderType=cv2.BORDER_REFLECT)


def _deviation(image: Image, deviation: float) -> Image:
    mean = _blur(image, deviation)
    return np.sqrt(np.maximum(_blur(image * image, deviation) - mean * mean, 0))


if __name__ == "__main__":
    main()
