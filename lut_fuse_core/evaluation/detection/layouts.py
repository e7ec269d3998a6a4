"""The output layouts of the YOLO family: how a detector wants its image, and what it answers.

Every layout is recognized by the shapes of input and outputs; `LAYOUTS` describes them for users.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lut_fuse_core.arrays import FloatArray, Size
from lut_fuse_core.errors import InputError

STRIDES = (8, 16, 32)
"""Of the grids that YOLO predicts on."""

LAYOUTS = (
    "YOLOX (1, N, 5 + classes), YOLOv5 and v7 (1, 3N, 5 + classes), YOLOv8, v9, v11 and v12 "
    "(1, 4 + classes, N), YOLOv10 and v26 (1, 300, 6), with N cells on grids of stride 8, 16 and "
    "32, and FastestDet (1, 5 + classes, h, w)"
)

LARGEST_RAW_OFFSET = 30.0
"""In cells. YOLOX gives offsets from a cell, or, exported with its decoder, pixels."""


class Candidates(NamedTuple):
    """What a detector answers before overlapping boxes are thinned out.

    Attributes:
        boxes: ``(n, 4) float32``, x0, y0, x1, y1 in pixels of the network's input.
        scores: ``(n, classes) float32``, 0 to 1.
    """

    boxes: FloatArray
    scores: FloatArray


@dataclass(frozen=True)
class Layout:
    """How a kind of detector wants its image and how its output is read.

    Attributes:
        name: For messages.
        bgr: Whether it takes blue, green, red instead of red, green, blue.
        scale: What gray levels are multiplied by.
        fit: ``stretch`` resizes to the input's size, ``corner`` keeps the sides' ratio and pads at
            the right and the bottom, ``center`` pads on both sides alike.
        thinned: Whether the network thins out overlapping boxes itself.
        decode: Output and the input's size to candidates.
    """

    name: str
    bgr: bool
    scale: float
    fit: str
    thinned: bool
    decode: Callable[[FloatArray, Size], Candidates]


def cells(size: Size, strides: Sequence[int] = STRIDES) -> int:
    """Number of cells on all grids of an input of this width and height."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in strides)


def recognize(outputs: Sequence[FloatArray], size: Size) -> tuple[Layout, int, int]:
    """Find the layout of a detector by what it answers to an image.

    Args:
        outputs: All outputs of the network.
        size: Width and height of its input.

    Returns:
        The layout, which of the outputs it is of, and the number of classes (0: it gives the
        class's number, of which there may be any).

    Raises:
        InputError: If none of the `LAYOUTS` fits.
    """
    count = cells(size)
    for index, output in enumerate(outputs):
        shape = output.shape
        if len(shape) == 4 and shape[1] > 5 and shape[2:] == (size[1] // 16, size[0] // 16):
            return FASTESTDET, index, shape[1] - 5
        if len(shape) != 3 or shape[0] != 1:
            continue
        if shape[1] == count and shape[2] > 5:
            return YOLOX, index, shape[2] - 5
        if shape[1] == 3 * count and shape[2] > 5:
            return YOLOV5, index, shape[2] - 5
        if shape[2] == count and shape[1] > 4:
            return YOLOV8, index, shape[1] - 4
        if shape[2] == 6 and shape[1] <= 1000:
            return END_TO_END, index, 0
    shapes = " and ".join(str(output.shape) for output in outputs)
    raise InputError(
        f"output {shapes} at an input of {size[0]}x{size[1]} is of no known layout; known are "
        f"{LAYOUTS}"
    )


def _corners(centers: FloatArray, sides: FloatArray) -> FloatArray:
    return np.concatenate([centers - sides / 2, centers + sides / 2], axis=1).astype(np.float32)


def _yolox(output: FloatArray, size: Size) -> Candidates:
    rows = output[0]
    if np.abs(rows[:, :2]).max() > LARGEST_RAW_OFFSET:
        boxes = _corners(rows[:, :2], rows[:, 2:4])
    else:
        grids, strides = [], []
        for stride in STRIDES:
            x, y = np.meshgrid(np.arange(size[0] // stride), np.arange(size[1] // stride))
            grids.append(np.stack([x.ravel(), y.ravel()], axis=1))
            strides.append(np.full((x.size, 1), stride))
        stride_of = np.concatenate(strides).astype(np.float32)
        centers = (rows[:, :2] + np.concatenate(grids)) * stride_of
        boxes = _corners(centers, np.exp(np.minimum(rows[:, 2:4], 10)) * stride_of)
    return Candidates(boxes, rows[:, 4:5] * rows[:, 5:])


def _yolov5(output: FloatArray, size: Size) -> Candidates:
    rows = output[0]
    return Candidates(_corners(rows[:, :2], rows[:, 2:4]), rows[:, 4:5] * rows[:, 5:])


def _yolov8(output: FloatArray, size: Size) -> Candidates:
    rows = output[0].T
    return Candidates(_corners(rows[:, :2], rows[:, 2:4]), rows[:, 4:])


def _end_to_end(output: FloatArray, size: Size) -> Candidates:
    rows = output[0][output[0][:, 4] > 0]
    numbers = rows[:, 5].astype(int)
    scores = np.zeros((len(rows), max(numbers, default=0) + 1), np.float32)
    scores[np.arange(len(rows)), numbers] = rows[:, 4]
    return Candidates(rows[:, :4].astype(np.float32), scores)


def _fastestdet(output: FloatArray, size: Size) -> Candidates:
    planes = output[0]
    _, height, width = planes.shape
    rows = planes.reshape(len(planes), -1).T
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    centers = (grid + np.tanh(rows[:, 1:3])) / (width, height) * size
    sides = size / (1 + np.exp(-rows[:, 3:5]))
    # It answers with its best class only, the others' scores are no detections.
    best = rows[:, 5:].argmax(axis=1)
    scores = np.zeros_like(rows[:, 5:])
    each = np.arange(len(rows))
    scores[each, best] = rows[:, 0] ** 0.6 * rows[each, 5 + best] ** 0.4
    return Candidates(_corners(centers, sides), scores)


YOLOX = Layout("YOLOX", True, 1.0, "corner", False, _yolox)
YOLOV5 = Layout("YOLOv5", False, 1 / 255, "center", False, _yolov5)
YOLOV8 = Layout("YOLOv8", False, 1 / 255, "center", False, _yolov8)
END_TO_END = Layout("end to end", False, 1 / 255, "center", True, _end_to_end)
FASTESTDET = Layout("FastestDet", True, 1 / 255, "stretch", False, _fastestdet)
