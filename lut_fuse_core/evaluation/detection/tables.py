"""The outcome of a detection study as a table for the terminal and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lut_fuse_core.evaluation.detection.average_precision import WORKING_SCORE, ClassResult
from lut_fuse_core.evaluation.detection.study import DetectionStudy, DetectorStudy
from lut_fuse_core.evaluation.figures import percent


def ranges(heights: Sequence[float]) -> list[str]:
    """Names of the ranges of height."""
    pairs = pairwise(heights)
    return [*(f"{low:g}-{high:g} px" for low, high in pairs), f"from {heights[-1]:g} px"]


def as_text(study: DetectionStudy) -> str:
    """A block of rows per detector and class, and what fusion gained."""
    lines = [
        f"{len(study.pairs)} labeled pairs; objects from {study.heights[0]:g} px of height; "
        f"precision and recall at a score of {WORKING_SCORE:g}; all in percent",
    ]
    for detector in study.detectors:
        lines += ["", *_detector_lines(detector, study.heights)]
    gains = np.array([gain for d in study.detectors for gain, _, _ in d.gains.values()])
    if np.isfinite(gains).any():
        lines += ["", f"fused less the better camera, mean of all: {np.nanmean(gains):+.1f}"]
    return "\n".join(lines)


def _detector_lines(detector: DetectorStudy, heights: Sequence[float]) -> list[str]:
    widest = max(map(len, detector.results))
    names = ranges(heights)
    head = (
        f"{'':{widest}}  {'AP50':>5}  {'95 % of chance':>14}{'AP50:95':>9}{'prec':>6}{'recall':>8}"
    )
    lines = []
    for name in detector.classes:
        objects = next(iter(detector.results.values()))[name].objects
        lines.append(f"{detector.name}: {objects} x {name}")
        lines.append(head + "".join(f"{label:>13}" for label in names))
        for kind, results in detector.results.items():
            result, (low, high) = results[name], detector.intervals[kind][name]
            lines.append(
                f"{kind:{widest}}  {percent(result.ap50):>5}  "
                f"{percent(low) + ' to ' + percent(high):>14}{percent(result.ap50_95):>9}"
                f"{percent(result.precision):>6}{percent(result.recall):>8}"
                + "".join(f"{percent(value):>13}" for value in result.by_height)
            )
        gain, low, high = detector.gains[name]
        lines.append(
            f"fused less the better camera: {gain:+.1f} ({low:+.1f} to {high:+.1f})"
            if math.isfinite(gain)
            else "fused less the better camera: no object to find"
        )
        lines.append("")
    return lines[:-1]


def as_json(study: DetectionStudy) -> dict[str, Any]:
    """Everything that was measured, ready for `json.dumps`; what there is nothing of is null."""
    return {
        "pairs": [pair.name for pair in study.pairs],
        "heights": list(study.heights),
        "working_score": WORKING_SCORE,
        "detectors": {detector.name: _detector_json(detector) for detector in study.detectors},
        "unknown_classes": {name: list(classes) for name, classes in study.unknown.items()},
        "left_out": dict(study.left_out),
    }


def _detector_json(detector: DetectorStudy) -> dict[str, Any]:
    return {
        "images": {
            kind: {
                name: _result_json(result, detector.intervals[kind][name])
                for name, result in results.items()
            }
            for kind, results in detector.results.items()
        },
        "gain": {
            name: {"ap50": _finite(gain), "interval": [_finite(low), _finite(high)]}
            for name, (gain, low, high) in detector.gains.items()
        },
    }


def _result_json(result: ClassResult, interval: tuple[float, float]) -> dict[str, Any]:
    return {
        "objects": result.objects,
        "ap50": _finite(result.ap50),
        "ap50_interval": [_finite(end) for end in interval],
        "ap50_95": _finite(result.ap50_95),
        "precision": _finite(result.precision),
        "recall": _finite(result.recall),
        "ap50_by_height": [_finite(value) for value in result.by_height],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
