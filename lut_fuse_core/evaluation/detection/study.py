"""Measuring what detectors find on every kind of image: the work behind `evaluate --boxes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.average_precision import (
    Assessment,
    ClassResult,
    bootstrap,
)
from lut_fuse_core.evaluation.detection.classes import ClassMap, class_map
from lut_fuse_core.evaluation.detection.detector import Detections, Detector
from lut_fuse_core.evaluation.detection.labels import LabeledBox, Labels
from lut_fuse_core.evaluation.evaluate import FuseFiles
from lut_fuse_core.evaluation.image_kinds import CAMERAS, LabeledImages, Progress
from lut_fuse_core.io.dataset import PairFiles


@dataclass(frozen=True)
class DetectorStudy:
    """What one detector finds.

    Attributes:
        name: The detector's.
        classes: Classes that are assessed.
        results: Kind of image to class to result.
        intervals: Kind of image to class to the ends of AP50's interval.
        gains: Class to AP50 on the fused image less that on the better camera for this class, and
            the ends of the difference's interval.
        found: Kind of image to what was found on each picture, in order.
        assessments: Kind of image to its assessment.
    """

    name: str
    classes: tuple[str, ...]
    results: Mapping[str, Mapping[str, ClassResult]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    gains: Mapping[str, tuple[float, float, float]]
    found: Mapping[str, Sequence[Detections]]
    assessments: Mapping[str, Assessment]


@dataclass(frozen=True)
class DetectionStudy:
    """What all detectors find.

    Attributes:
        pairs: The labeled pairs that were measured, in order.
        labels: Their objects, in pixels.
        heights: Bounds of the ranges of height.
        detectors: One study for each detector.
        unknown: Classes of the labels that a detector does not know: its name to them.
        left_out: Labeled pairs that could not be read, and why.
    """

    pairs: tuple[PairFiles, ...]
    labels: tuple[tuple[LabeledBox, ...], ...]
    heights: tuple[float, ...]
    detectors: tuple[DetectorStudy, ...]
    unknown: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]


def study_detection(
    pairs: Sequence[PairFiles],
    labels: Labels,
    detectors: Sequence[Detector],
    kinds: Mapping[str, FuseFiles],
    heights: Sequence[float],
    chosen: Mapping[str, Sequence[str]] | None = None,
    progress: Progress = lambda pairs: pairs,
) -> DetectionStudy:
    """Run every detector on every kind of image of every pair, and assess what it finds.

    Args:
        pairs: Pairs with labels, see `image_kinds.labeled_pairs`.
        labels: Their objects.
        detectors: Detectors, of different names.
        kinds: Name to kind of image, see `image_kinds.image_kinds`; one is called ``fused``.
        heights: Bounds of the ranges of height in pixels, see `Assessment`.
        chosen: Which classes to measure, see `classes.class_map`.
        progress: Wraps the pairs, to show how far it is.

    Raises:
        InputError: If labels do not fit the pictures or the detectors, a method has no image of a
            pair, no pair can be read, or an optional package is missing.
    """
    pairs_labels = labels.only(pair.name for pair in pairs)
    if not pairs_labels.classes:
        raise InputError(f"the labels of these {len(pairs)} pairs hold no object")
    maps = [class_map(pairs_labels.classes, d.classes, chosen) for d in detectors]
    walk = LabeledImages(pairs, kinds, progress)
    objects: list[tuple[LabeledBox, ...]] = []
    found: list[dict[str, list[Detections]]] = [{kind: [] for kind in kinds} for _ in detectors]
    for files, size, images in walk:
        boxes = labels.inside(files.name, size)
        for kind, image in images:
            for detector, classes, answers in zip(detectors, maps, found, strict=True):
                answers[kind].append(detector.detect(image, classes))
        objects.append(boxes)
    studies = (
        _assessed(detector.name, classes, objects, answers, heights)
        for detector, classes, answers in zip(detectors, maps, found, strict=True)
    )
    unknown = {
        detector.name: tuple(name for name in pairs_labels.classes if name not in classes)
        for detector, classes in zip(detectors, maps, strict=True)
    }
    return DetectionStudy(
        tuple(walk.measured),
        tuple(objects),
        tuple(heights),
        tuple(studies),
        unknown if chosen is None else {},
        walk.left_out,
    )


def _assessed(
    name: str,
    classes: ClassMap,
    labels: Sequence[Sequence[LabeledBox]],
    found: Mapping[str, Sequence[Detections]],
    heights: Sequence[float],
) -> DetectorStudy:
    names = tuple(classes)
    assessments = {
        kind: Assessment(labels, answers, names, heights) for kind, answers in found.items()
    }
    results = {kind: assessment.results() for kind, assessment in assessments.items()}
    kinds = tuple(found)
    cameras = [kinds.index(camera) for camera in CAMERAS]
    everything = range(len(labels))
    ap50 = np.array([a.ap50_of(everything) for a in assessments.values()])
    better = np.array(cameras)[np.argmax(np.nan_to_num(ap50[cameras]), axis=0)]

    def figures(ap: Float64Array) -> Float64Array:
        gain = ap[kinds.index("fused")] - ap[better, np.arange(len(names))]
        return np.concatenate([ap, gain[None]])

    value = figures(ap50)[-1]
    low, high = bootstrap(list(assessments.values()), figures, len(labels))
    intervals = {
        kind: {c: (float(low[k, i]), float(high[k, i])) for i, c in enumerate(names)}
        for k, kind in enumerate(kinds)
    }
    gains = {
        c: (float(value[i]), float(low[-1, i]), float(high[-1, i])) for i, c in enumerate(names)
    }
    return DetectorStudy(name, names, results, intervals, gains, found, assessments)
