"""Average precision by COCO's evaluator (pycocotools), and how sure it is."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.detector import MAX_DETECTIONS, Detections
from lut_fuse_core.evaluation.detection.labels import LabeledBox
from lut_fuse_core.evaluation.figures import BOOTSTRAP_ROUNDS

WORKING_SCORE = 0.25
"""From this score a robot takes a detection for an object; precision and recall are of these."""

_NO_END = 1e5


@dataclass(frozen=True)
class ClassResult:
    """How well objects of a class are found; all in percent, NaN where there is nothing to find.

    Attributes:
        objects: How many there are to find.
        ap50: Average precision at an overlap of a half.
        ap50_95: Its mean over overlaps from 0.50 to 0.95.
        precision: Share of the detections from `WORKING_SCORE` on that are objects.
        recall: Share of the objects found by these.
        by_height: AP50 of the objects in each range of heights.
    """

    objects: int
    ap50: float
    ap50_95: float
    precision: float
    recall: float
    by_height: tuple[float, ...]


class Assessment:
    """Detections on one kind of image, matched with the labels.

    Args:
        labels: The objects of every picture, in their order.
        detections: What was found in them, in the same order.
        classes: Which classes to assess.
        heights: Bounds of the ranges of height in pixels, increasing; objects lower than the
            first are neither required nor wrong to find, nor are detections of that height.

    Raises:
        InputError: pycocotools is not installed.
    """

    def __init__(
        self,
        labels: Sequence[Sequence[LabeledBox]],
        detections: Sequence[Detections],
        classes: Sequence[str],
        heights: Sequence[float],
    ) -> None:
        self._classes, self._pictures = tuple(classes), len(labels)
        self._labels, self._least = labels, heights[0]
        self._full = _evaluator(labels, detections, self._classes, heights)
        self._quick = _evaluator(labels, detections, self._classes, heights[:1], overlaps=(0.5,))
        self._matches = self._by_picture(self._quick)

    def results(self) -> dict[str, ClassResult]:
        """The result of every class."""
        precision = _precision(self._full)
        return {
            name: ClassResult(
                self._objects(name),
                _mean(precision[0, :, index, 0]),
                _mean(precision[:, :, index, 0]),
                *self._at_work(index),
                tuple(_mean(precision[0, :, index, a]) for a in range(1, precision.shape[3])),
            )
            for index, name in enumerate(self._classes)
        }

    def ap50_of(self, pictures: npt.ArrayLike) -> Float64Array:
        """AP50 of every class on a selection of the pictures, repeats allowed; in percent."""
        drawn = self._matches[:, np.asarray(pictures, int)]
        evaluator = self._quick
        evaluator.evalImgs = drawn.ravel().tolist()
        # COCO's evaluator finds the matches of a class by counting these.
        evaluator.params.imgIds = evaluator._paramsEval.imgIds = list(range(drawn.shape[1]))
        precision = _precision(evaluator)
        return np.array([_mean(precision[0, :, k, 0]) for k in range(len(self._classes))])

    def found(self, picture: int) -> tuple[list[bool], list[bool]]:
        """What a robot gets from one picture, see `WORKING_SCORE`, over all classes.

        Returns:
            For each object that counts whether it is found, and for each detection that counts
            whether it is an object.
        """
        objects: list[bool] = []
        right: list[bool] = []
        for match in self._matches[:, picture]:
            if match is None:
                continue
            scores = np.asarray(match["dtScores"])
            good = (scores >= WORKING_SCORE) & ~match["dtIgnore"][0].astype(bool)
            right += (match["dtMatches"][0][good] > 0).tolist()
            hit = set(match["dtMatches"][0][good].astype(int))
            objects += [
                number in hit
                for number, ignored in zip(match["gtIds"], match["gtIgnore"], strict=True)
                if not ignored
            ]
        return objects, right

    def _objects(self, name: str) -> int:
        boxes = (box for picture in self._labels for box in picture)
        return sum(b.name == name and not b.crowd and b.height >= self._least for b in boxes)

    def _at_work(self, index: int) -> tuple[float, float]:
        hits = detections = objects = 0
        for match in self._matches[index]:
            if match is None:
                continue
            good = np.asarray(match["dtScores"]) >= WORKING_SCORE
            good &= ~match["dtIgnore"][0].astype(bool)
            hits += int((match["dtMatches"][0][good] > 0).sum())
            detections += int(good.sum())
            objects += int((np.asarray(match["gtIgnore"]) == 0).sum())
        share = (100 * hits / whole if whole else float("nan") for whole in (detections, objects))
        return next(share), next(share)

    def _by_picture(self, evaluator: Any) -> Any:
        """COCO's matches at an overlap of a half, ``(classes, pictures)``."""
        return np.array(evaluator.evalImgs, object).reshape(len(self._classes), self._pictures)


def bootstrap(
    assessments: Sequence[Assessment],
    statistic: Callable[[Float64Array], Float64Array],
    pictures: int,
    rounds: int = BOOTSTRAP_ROUNDS,
) -> tuple[Float64Array, Float64Array]:
    """How far chance in the choice of the pictures moves a figure: the middle 95 %.

    Args:
        assessments: Of the same pictures; each round draws the same for all of them, so that
            their differences vary less than the figures themselves.
        statistic: ``(assessments, classes)`` of AP50 to any array of figures.
        pictures: How many there are.
        rounds: How often pictures are drawn.

    Returns:
        Lower and upper end of the interval of every figure.
    """
    rng = np.random.default_rng(0)
    figures = []
    for _ in range(rounds):
        drawn = rng.integers(0, pictures, pictures)
        figures.append(statistic(np.array([a.ap50_of(drawn) for a in assessments])))
    low, high = np.nanpercentile(np.array(figures), (2.5, 97.5), axis=0)
    return low, high


def _precision(evaluator: Any) -> Float64Array:
    """COCO's precision table ``(overlaps, recalls, classes, heights)``."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.accumulate()
    return evaluator.eval["precision"][..., -1]


def _evaluator(
    labels: Sequence[Sequence[LabeledBox]],
    detections: Sequence[Detections],
    classes: Sequence[str],
    heights: Sequence[float],
    overlaps: Sequence[float] | None = None,
) -> Any:
    """COCO's evaluator after matching; overlaps: None for all from 0.50 to 0.95."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise InputError(
            "average precision needs pycocotools: pip install 'lut_fuse_ros[detection]'"
        ) from None
    objects = [
        _annotation(picture, classes.index(box.name), (box.x0, box.y0, box.x1, box.y1))
        | {"iscrowd": int(box.crowd)}
        for picture, boxes in enumerate(labels)
        for box in boxes
        if box.name in classes
    ]
    found = [
        _annotation(picture, classes.index(name), box.tolist()) | {"score": float(score)}
        for picture, detected in enumerate(detections)
        for box, score, name in zip(*detected, strict=True)
        if name in classes
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth, answers = COCO(), COCO()
        for coco, annotations in ((truth, objects), (answers, found)):
            coco.dataset = {
                "images": [{"id": picture} for picture in range(len(labels))],
                "categories": [{"id": k, "name": name} for k, name in enumerate(classes)],
                "annotations": [{"id": n, **a} for n, a in enumerate(annotations, 1)],
            }
            coco.createIndex()
        evaluator = COCOeval(truth, answers, "bbox")
    ends = [*heights, _NO_END]
    evaluator.params.maxDets = [MAX_DETECTIONS]
    ranges = [[heights[0], _NO_END], *map(list, pairwise(ends))]
    evaluator.params.areaRng = ranges if len(heights) > 1 else ranges[:1]
    evaluator.params.areaRngLbl = list(map(str, evaluator.params.areaRng))
    if overlaps is not None:
        evaluator.params.iouThrs = np.array(overlaps)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.evaluate()
    return evaluator


def _annotation(picture: int, category: int, corners: Sequence[float]) -> dict[str, Any]:
    """A box in COCO's form; where COCO has the area, by which it sorts objects, is the height."""
    x0, y0, x1, y1 = (float(value) for value in corners)
    return {
        "image_id": picture,
        "category_id": category,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": y1 - y0,
        "iscrowd": 0,
    }


def _mean(precision: Float64Array) -> float:
    """Mean in percent; COCO writes -1 where there is nothing to find."""
    return float("nan") if (precision < 0).all() else 100 * float(precision[precision > -1].mean())
