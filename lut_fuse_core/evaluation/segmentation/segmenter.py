"""A segmenter, from a color image to the number of a class in every pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np

from lut_fuse_core.arrays import FloatArray, Size, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.onnx_network import open_network
from lut_fuse_core.evaluation.segmentation.classes import class_table, known_names

InputScale = Literal["imagenet", "unit", "bytes"]
"""What RGB values become: less ImageNet's mean and over its deviation, 0 to 1, or 0 to 255."""

INPUT_SCALES: tuple[InputScale, ...] = get_args(InputScale)

LAYOUTS = "scores (1, classes, h, w), or numbers of classes (1, h, w) or (1, 1, h, w)"

STEP = 32
"""Networks that take any size get multiples of this."""

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class Segmenter:
    """A segmenter in an ONNX file.

    Args:
        path: The file; it takes ``(1, 3, h, w)``, RGB, and answers as `LAYOUTS` says.
        labeled: Classes of the labels, by number.
        classes: Names of its classes in order; None takes those in the file, or MFNet's if it has
            9 classes, or Cityscapes' if it has 19.
        scale: What the network takes, see `InputScale`.
        threads: CPU threads.

    Attributes:
        name: Stem of the file.
        classes: Names of its classes in order.
        table: For each of them the number of the labels' class, see `class_table`.

    Raises:
        InputError: If it cannot be run, its output is not understood, or its classes do not fit.
    """

    def __init__(
        self,
        path: str | Path,
        labeled: tuple[str, ...],
        classes: tuple[str, ...] | None = None,
        scale: InputScale = "imagenet",
        threads: int = 1,
    ) -> None:
        self._network, self._scale = open_network(path, threads), scale
        self.name = self._network.path.stem
        size = (self._network.width, self._network.height)
        gray = np.full((size[1], size[0], 3), 114, np.uint8)
        shapes = [output.shape for output in self._network.forward(self._prepared(gray, size))]
        try:
            self._output = _recognized(shapes)
            shape = shapes[self._output]
            given = classes or self._network.classes
            # A network that answers numbers does not say how many classes it has.
            count = shape[1] if _is_scores(shape) else len(given) or len(labeled)
            default = given or (labeled if count == len(labeled) else None)
            self.classes = known_names(count, (), default)
            self.table = class_table(labeled, self.classes)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def segment(self, image: UInt8Array) -> UInt8Array:
        """The number of a class of the labels in every pixel.

        Args:
            image: ``(H, W, 3) uint8``, RGB.

        Returns:
            ``(H, W) uint8``; `classes.OTHER` where it sees a class that the labels do not have.
        """
        height, width = image.shape[:2]
        inner = (self._network.width, self._network.height)
        if self._network.any_size:
            inner = tuple(max(STEP * round(side / STEP), STEP) for side in (width, height))
        output = self._network.forward(self._prepared(image, inner))[self._output]
        planes = output[0] if _is_scores(output.shape) else output.reshape(1, *output.shape[-2:])
        smooth = cv2.INTER_LINEAR if len(planes) > 1 else cv2.INTER_NEAREST
        resized = np.stack(
            [cv2.resize(plane, (width, height), None, 0, 0, smooth) for plane in planes]
        )
        numbers = resized.argmax(axis=0) if len(planes) > 1 else resized[0].astype(int)
        return self.table[np.minimum(numbers, len(self.table) - 1)]

    def _prepared(self, image: UInt8Array, size: Size) -> FloatArray:
        resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
        if self._scale != "bytes":
            resized /= 255
        if self._scale == "imagenet":
            resized = (resized - _MEAN) / _DEVIATION
        return np.ascontiguousarray(resized.transpose(2, 0, 1)[None])


def _is_scores(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[1] > 1


def _recognized(shapes: list[tuple[int, ...]]) -> int:
    """Which output is the segmentation. Raises InputError if none is."""
    for index, shape in enumerate(shapes):
        if shape[:1] == (1,) and (len(shape) in (3, 4)) and min(shape[-2:]) > 1:
            return index
    shown = " and ".join(map(str, shapes))
    raise InputError(f"output {shown} is of no known layout; known are {LAYOUTS}")
