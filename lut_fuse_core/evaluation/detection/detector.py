"""An object detector, from a color image to boxes with classes and scores."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from lut_fuse_core.arrays import FloatArray, Size, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.classes import COCO_CLASSES, ClassMap
from lut_fuse_core.evaluation.detection.layouts import Candidates, Layout, recognize
from lut_fuse_core.evaluation.onnx_network import open_network

LEAST_SCORE = 0.01
"""Below this nothing is a detection; low, since average precision looks at all scores."""

MAX_OVERLAP = 0.5
"""Intersection over union from which the weaker of two boxes of a class is dropped."""

MAX_CANDIDATES = 1000
MAX_DETECTIONS = 100
"""Of a class in an image before and after overlapping boxes are dropped."""

PADDING = 114
"""Gray level around images that do not have the sides' ratio of the network's input."""


class Detections(NamedTuple):
    """What was found in an image.

    Attributes:
        boxes: ``(n, 4) float32``, x0, y0, x1, y1 in pixels of the image.
        scores: ``(n,) float32``, 0 to 1.
        names: Class of each, as the labels name it.
    """

    boxes: FloatArray
    scores: FloatArray
    names: tuple[str, ...]


class Detector:
    """A detector of the YOLO family in an ONNX file.

    Args:
        path: The file; `layouts.LAYOUTS` says which outputs are understood.
        classes: Names of its classes in order; None takes those in the file, or COCO's if it has
            80 classes.
        threads: CPU threads.

    Attributes:
        name: Stem of the file.
        classes: Names of its classes in order.
        layout: How it wants images and answers.
        output: Which of its outputs has the boxes.
        input_size: Width and height of its input.

    Raises:
        InputError: If it cannot be run, its output is not understood, or its classes have no names.
    """

    def __init__(
        self, path: str | Path, classes: tuple[str, ...] | None = None, threads: int = 1
    ) -> None:
        self._network = open_network(path, threads)
        self.name = self._network.path.stem
        self.input_size = size = (self._network.width, self._network.height)
        gray = np.full((1, 3, size[1], size[0]), PADDING / 255, np.float32)
        try:
            self.layout, self.output, count = recognize(self._network.forward(gray), size)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        self.classes = classes or self._network.classes or COCO_CLASSES
        if count not in (0, len(self.classes)):
            raise InputError(
                f"{path} has {count} classes, but {len(self.classes)} names are known "
                f"({'given' if classes else 'from the file' if self._network.classes else 'COCO'}"
                "); give a text file with a name per line as --detector-classes"
            )

    def answer(self, batch: FloatArray) -> FloatArray:
        """The output with the boxes, for an image as the layout wants it, ``(1, 3, h, w)``."""
        return self._network.forward(batch)[self.output]

    def candidates(self, image: UInt8Array) -> Candidates:
        """All boxes with the scores of all classes, in pixels of the image.

        Args:
            image: ``(H, W, 3) uint8``, RGB.
        """
        batch, scale, shift = _prepared(image, self.input_size, self.layout)
        boxes, scores = self.layout.decode(self.answer(batch), self.input_size)
        keep = scores.max(axis=1, initial=0.0) >= LEAST_SCORE
        corners = (boxes[keep] - np.tile(shift, 2)) / np.tile(scale, 2)
        limit = np.array(image.shape[1::-1] * 2, np.float32)
        return Candidates(np.clip(corners, 0, limit).astype(np.float32), scores[keep])

    def detect(self, image: UInt8Array, classes: ClassMap) -> Detections:
        """Find objects.

        Args:
            image: ``(H, W, 3) uint8``, RGB.
            classes: Which of its classes count as which class of the labels.

        Returns:
            What it finds, in the pixels of the image.
        """
        boxes, scores = self.candidates(image)
        found = []
        for name, numbers in classes.items():
            known = [number for number in numbers if number < scores.shape[1]]
            if not known:
                continue
            best = scores[:, known].max(axis=1, initial=0.0)
            # Classes that count as one compete with each other: a car that is a truck, too.
            found += [(boxes[i], best[i], name) for i in self._thinned(boxes, best)]
        if not found:
            return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), ())
        corners, strengths, names = zip(*found, strict=True)
        return Detections(np.array(corners), np.array(strengths, np.float32), names)

    def _thinned(self, boxes: FloatArray, scores: FloatArray) -> list[int]:
        order = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
        order = order[scores[order] >= LEAST_SCORE]
        if self.layout.thinned or not len(order):
            return order[:MAX_DETECTIONS].tolist()
        sides = np.concatenate([boxes[order, :2], boxes[order, 2:] - boxes[order, :2]], axis=1)
        kept = cv2.dnn.NMSBoxes(sides.tolist(), scores[order].tolist(), LEAST_SCORE, MAX_OVERLAP)
        return order[np.asarray(kept, int).ravel()[:MAX_DETECTIONS]].tolist()


def _prepared(
    image: UInt8Array, size: Size, layout: Layout
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """An image as a layout wants it, and how its pixels came there: times scale, plus shift."""
    height, width = image.shape[:2]
    sides = np.array(size, np.float32)
    scale = sides / (width, height)
    if layout.fit != "stretch":
        scale = np.full(2, scale.min(), np.float32)
    inner = np.maximum(np.rint(scale * (width, height)).astype(int), 1)
    resized = cv2.resize(image, inner.tolist(), interpolation=cv2.INTER_LINEAR)
    shift = (size - inner) // 2 if layout.fit == "center" else np.zeros(2, int)
    canvas = np.full((size[1], size[0], 3), PADDING, np.uint8)
    canvas[shift[1] : shift[1] + inner[1], shift[0] : shift[0] + inner[0]] = resized
    ordered = canvas[..., ::-1] if layout.bgr else canvas
    batch = ordered.transpose(2, 0, 1)[None].astype(np.float32) * np.float32(layout.scale)
    return np.ascontiguousarray(batch), scale.astype(np.float32), shift.astype(np.float32)
