"""Average precision on detections whose value is known, and what chance does to it."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.evaluation.detection.average_precision import Assessment, bootstrap
from lut_fuse_core.evaluation.detection.detector import Detections
from lut_fuse_core.evaluation.detection.labels import LabeledBox

pytest.importorskip("pycocotools")

SMALL, LARGE = (10.0, 10.0, 20.0, 40.0), (50.0, 10.0, 90.0, 110.0)


def labeled(*boxes: tuple[float, float, float, float], crowd: bool = False) -> list[LabeledBox]:
    return [LabeledBox("car", *box, crowd=crowd) for box in boxes]


def detected(*found: tuple[tuple[float, float, float, float], float]) -> Detections:
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    return Detections(boxes, scores, ("car",) * len(found))


def test_everything_found_is_all_and_half_found_is_half() -> None:
    labels = [labeled(SMALL, LARGE), labeled()]
    everything = Assessment(
        labels, [detected((SMALL, 0.9), (LARGE, 0.8)), detected()], ["car"], [20]
    )
    half = Assessment(labels, [detected((LARGE, 0.9)), detected()], ["car"], [20])
    result = everything.results()["car"]
    assert (result.objects, result.ap50, result.ap50_95) == pytest.approx((2, 100, 100))
    assert (result.precision, result.recall) == (100, 100)
    assert half.results()["car"].ap50 == pytest.approx(50, abs=1)
    assert half.results()["car"].recall == 50


def test_precision_and_recall_are_of_detections_sure_enough_for_a_robot() -> None:
    labels = [labeled(SMALL, LARGE)]
    wrong = (120.0, 10.0, 160.0, 110.0)
    found = [detected((LARGE, 0.9), (wrong, 0.5), (SMALL, 0.1))]
    result = Assessment(labels, found, ["car"], [20]).results()["car"]
    assert (result.precision, result.recall) == (50, 50)


def test_ranges_of_height_are_assessed_apart_and_low_objects_not_at_all() -> None:
    low = (100.0, 10.0, 110.0, 20.0)
    labels = [labeled(SMALL, LARGE, low)]
    found = [detected((LARGE, 0.9), (low, 0.8))]
    result = Assessment(labels, found, ["car"], [20, 60]).results()["car"]
    assert result.objects == 2
    assert result.by_height == pytest.approx((0, 100))
    assert result.precision == 100, "finding what does not count is not wrong"


def test_finding_a_crowd_is_neither_right_nor_wrong() -> None:
    labels = [[*labeled(LARGE), *labeled(SMALL, crowd=True)]]
    found = [detected((LARGE, 0.9), (SMALL, 0.8))]
    result = Assessment(labels, found, ["car"], [20]).results()["car"]
    assert (result.objects, result.precision, result.recall) == (1, 100, 100)


def test_a_class_without_objects_has_no_figures() -> None:
    result = Assessment([labeled(LARGE)], [detected()], ["car", "dog"], [20]).results()["dog"]
    assert result.objects == 0
    assert np.isnan([result.ap50, result.ap50_95, result.precision, result.recall]).all()


def test_the_interval_holds_the_figure_and_a_difference_of_nothing_is_certain() -> None:
    rng = np.random.default_rng(3)
    labels = [labeled(LARGE) for _ in range(20)]
    found = [detected((LARGE, 0.9)) if rng.random() < 0.5 else detected() for _ in labels]
    assessment = Assessment(labels, found, ["car"], [20])
    low, high = bootstrap([assessment], lambda ap: ap, 20, rounds=100)
    assert low[0, 0] < assessment.results()["car"].ap50 < high[0, 0]
    twice = [assessment, Assessment(labels, found, ["car"], [20])]
    low, high = bootstrap(twice, lambda ap: ap[0] - ap[1], 20, rounds=20)
    assert low == high == 0


def test_drawing_pictures_with_repeats_weighs_them() -> None:
    labels = [labeled(LARGE), labeled(LARGE)]
    assessment = Assessment(labels, [detected((LARGE, 0.9)), detected()], ["car"], [20])
    assert assessment.ap50_of([0, 0]) == 100
    assert assessment.ap50_of([1, 1, 1]) == 0
    assert assessment.ap50_of([0, 1]) == pytest.approx(50, abs=1)
