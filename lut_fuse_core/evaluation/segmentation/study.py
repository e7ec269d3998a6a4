"""Measuring what segmenters see on every kind of image: the work behind `evaluate --labels`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import FuseFiles
from lut_fuse_core.evaluation.figures import BOOTSTRAP_ROUNDS
from lut_fuse_core.evaluation.image_kinds import CAMERAS, LabeledImages, Progress
from lut_fuse_core.evaluation.segmentation.label_maps import IGNORED, read_label_map
from lut_fuse_core.evaluation.segmentation.segmenter import Segmenter
from lut_fuse_core.io.dataset import PairFiles

Counts = npt.NDArray[np.int64]
"""``(..., classes, 3)``: pixels in both a map and the labels, in either, and in the labels."""


@dataclass(frozen=True)
class SegmenterStudy:
    """What one segmenter sees.

    Attributes:
        name: The segmenter's.
        classes: Classes that it knows and the labels hold, in the labels' order.
        iou: Kind of image to intersection over union of every class, in percent.
        mean: Kind of image to their mean.
        intervals: Kind of image to the ends of the mean's interval, over pictures drawn at random.
        gain: Mean on the fused image less that on the better camera, and its interval.
        by_picture: Kind of image to the mean of every picture, over the classes in it.
    """

    name: str
    classes: tuple[str, ...]
    iou: Mapping[str, tuple[float, ...]]
    mean: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    gain: tuple[float, float, float]
    by_picture: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class SegmentationStudy:
    """What all segmenters see.

    Attributes:
        pairs: The labeled pairs that were measured, in order.
        segmenters: One study for each segmenter.
        unknown: Classes in the labels that a segmenter does not know: its name to them.
        left_out: Labeled pairs that could not be read, and why.
    """

    pairs: tuple[PairFiles, ...]
    segmenters: tuple[SegmenterStudy, ...]
    unknown: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]


def study_segmentation(
    pairs: Sequence[PairFiles],
    maps: Mapping[str, Path],
    classes: tuple[str, ...],
    segmenters: Sequence[Segmenter],
    kinds: Mapping[str, FuseFiles],
    progress: Progress = lambda pairs: pairs,
) -> SegmentationStudy:
    """Run every segmenter on every kind of image of every pair, and hold it against the labels.

    Args:
        pairs: Pairs with label maps.
        maps: File stem of a pair to its label map.
        classes: Names of the labels' classes, by number.
        segmenters: Segmenters, of different names.
        kinds: Name to kind of image, see `image_kinds.image_kinds`; one is called ``fused``.
        progress: Wraps the pairs, to show how far it is.

    Raises:
        InputError: If labels do not fit the pictures or the classes, a method has no image of a
            pair, or no pair can be read.
    """
    walk = LabeledImages(pairs, kinds, progress)
    counts: list[dict[str, list[Counts]]] = [{kind: [] for kind in kinds} for _ in segmenters]
    for files, size, images in walk:
        truth = read_label_map(maps[files.name], size, len(classes))
        for kind, image in images:
            for segmenter, found in zip(segmenters, counts, strict=True):
                found[kind].append(shared_pixels(segmenter.segment(image), truth, len(classes)))
    studies, unknown = [], {}
    for segmenter, found in zip(segmenters, counts, strict=True):
        stacked = {kind: np.stack(rows) for kind, rows in found.items()}
        studies.append(assessed(segmenter.name, classes, stacked, set(segmenter.table.tolist())))
        present = _present(stacked)
        unknown[segmenter.name] = tuple(
            name for k, name in enumerate(classes) if present[k] and k not in segmenter.table
        )
    return SegmentationStudy(tuple(walk.measured), tuple(studies), unknown, walk.left_out)


def shared_pixels(found: UInt8Array, truth: UInt8Array, classes: int) -> Counts:
    """Pixels of every class in both maps, in either, and in the labels, ``(classes, 3)``.

    Args:
        found: ``(H, W) uint8``, numbers of classes.
        truth: ``(H, W) uint8``, those of the labels; where they are `IGNORED` nothing counts.
        classes: How many there are.
    """
    counts = truth != IGNORED
    truth, found = truth[counts], found[counts]
    here = np.bincount(truth, minlength=classes)
    there = np.bincount(found, minlength=256)[:classes]
    both = np.bincount(truth[truth == found], minlength=classes)
    return np.stack([both, here + there - both, here], axis=1).astype(np.int64)


def assessed(
    name: str, classes: Sequence[str], counts: Mapping[str, Counts], known: set[int]
) -> SegmenterStudy:
    """The figures of one segmenter.

    Args:
        name: Its name.
        classes: Names of the labels' classes, by number.
        counts: Kind of image to `shared_pixels` of every picture, ``(pictures, classes, 3)``.
        known: Numbers of the classes that the segmenter knows.

    Raises:
        InputError: If the labels hold none of these.
    """
    present = _present(counts)
    chosen = [k for k in range(len(classes)) if present[k] and k in known]
    if not chosen:
        raise InputError(f"the labels hold no class that {name} knows")
    kinds = tuple(counts)
    cut = np.stack([counts[kind][:, chosen] for kind in kinds])  # kinds, pictures, classes, 3
    pictures = cut.shape[1]

    def means(drawn: npt.NDArray[np.int64]) -> Float64Array:
        mean: Float64Array = np.nanmean(_iou(cut[:, drawn].sum(1)), axis=1)
        return mean

    whole = _iou(cut.sum(1))
    mean = np.nanmean(whole, axis=1)
    cameras = [kinds.index(camera) for camera in CAMERAS if camera in kinds]
    better = cameras[int(np.argmax(mean[cameras]))] if cameras else 0
    rng = np.random.default_rng(0)
    draws = rng.integers(0, pictures, (BOOTSTRAP_ROUNDS, pictures))
    rounds = np.array([means(drawn) for drawn in draws])
    low, high = np.nanpercentile(rounds, (2.5, 97.5), axis=0)
    fused = kinds.index("fused")
    apart = rounds[:, fused] - rounds[:, better]
    ends = np.nanpercentile(apart, (2.5, 97.5))
    with np.errstate(invalid="ignore"):
        each = np.where(cut[..., 2] > 0, _iou(cut), np.nan)
    return SegmenterStudy(
        name,
        tuple(classes[k] for k in chosen),
        {kind: tuple(map(float, whole[i])) for i, kind in enumerate(kinds)},
        {kind: float(mean[i]) for i, kind in enumerate(kinds)},
        {kind: (float(low[i]), float(high[i])) for i, kind in enumerate(kinds)},
        (float(mean[fused] - mean[better]), float(ends[0]), float(ends[1])),
        {kind: tuple(map(float, _mean_of_known(each[i]))) for i, kind in enumerate(kinds)},
    )


def _present(counts: Mapping[str, Counts]) -> npt.NDArray[np.bool_]:
    """Which classes the labels hold."""
    present: npt.NDArray[np.bool_] = next(iter(counts.values()))[..., 2].sum(0) > 0
    return present


def _iou(counts: npt.NDArray[np.int64]) -> Float64Array:
    """Percent; NaN for a class that is nowhere."""
    both, either = counts[..., 0].astype(np.float64), counts[..., 1]
    return np.where(either > 0, 100 * both / np.maximum(either, 1), np.nan)


def _mean_of_known(rows: Float64Array) -> Float64Array:
    """Mean of every row without what is not a number; 0 for a row of nothing else."""
    known = np.isfinite(rows)
    total: Float64Array = np.where(known, rows, 0).sum(1) / np.maximum(known.sum(1), 1)
    return total
