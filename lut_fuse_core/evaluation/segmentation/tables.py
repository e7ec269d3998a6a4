"""The outcome of a segmentation study as a table for the terminal and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lut_fuse_core.evaluation.figures import percent
from lut_fuse_core.evaluation.segmentation.study import SegmentationStudy, SegmenterStudy


def as_text(study: SegmentationStudy) -> str:
    """A block of rows per segmenter, and what fusion gained."""
    lines = [f"{len(study.pairs)} labeled pairs; intersection over union (IoU) in percent"]
    for segmenter in study.segmenters:
        lines += ["", *_lines(segmenter)]
    return "\n".join(lines)


def _lines(segmenter: SegmenterStudy) -> list[str]:
    rows = [["", *segmenter.classes, "mean", "95 % of chance"]]
    for kind, iou in segmenter.iou.items():
        low, high = segmenter.intervals[kind]
        interval = f"{low:.1f} to {high:.1f}"
        rows.append([kind, *map(percent, iou), percent(segmenter.mean[kind]), interval])
    gain, low, high = segmenter.gain
    return [
        segmenter.name,
        *aligned(rows),
        f"fused less the better camera: {gain:+.1f} ({low:+.1f} to {high:+.1f})",
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, the first column to the left and all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def as_json(study: SegmentationStudy) -> dict[str, Any]:
    """Everything that was measured, ready for `json.dumps`; what there is nothing of is null."""
    return {
        "pairs": [pair.name for pair in study.pairs],
        "segmenters": {segmenter.name: _json(segmenter) for segmenter in study.segmenters},
        "unknown_classes": {name: list(classes) for name, classes in study.unknown.items()},
        "left_out": dict(study.left_out),
    }


def _json(segmenter: SegmenterStudy) -> dict[str, Any]:
    gain, low, high = segmenter.gain
    return {
        "images": {
            kind: {
                "iou": {
                    name: value if math.isfinite(value) else None
                    for name, value in zip(segmenter.classes, iou, strict=True)
                },
                "mean_iou": segmenter.mean[kind],
                "mean_iou_interval": list(segmenter.intervals[kind]),
            }
            for kind, iou in segmenter.iou.items()
        },
        "gain": {"mean_iou": gain, "interval": [low, high]},
    }
