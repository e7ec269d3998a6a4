"""A robot's detector with gradients: from the pixels of an image to the scores of its boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lut_fuse_core.arrays import Size
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.detector import PADDING, Detector
from lut_fuse_core.evaluation.detection.layouts import (
    END_TO_END,
    FASTESTDET,
    LARGEST_RAW_OFFSET,
    STRIDES,
    YOLOV5,
    YOLOV8,
    YOLOX,
)

from .onnx_module import OnnxModule

LARGEST_DIFFERENCE = 1e-2
"""Between scores in PyTorch and in ONNX Runtime or OpenCV."""


class Candidates(NamedTuple):
    """What a detector answers before overlapping boxes are thinned out.

    Attributes:
        boxes: ``(n, 4)``, x0, y0, x1, y1 in pixels of the image.
        scores: ``(n, classes)``, 0 to 1.
    """

    boxes: Tensor
    scores: Tensor


class TorchDetector:
    """A detector of the YOLO family in an ONNX file, differentiable by the image.

    Args:
        path: The file; its layout is recognized as in `lut_fuse_core.evaluation.detection`.
        classes: Names of its classes, see `Detector`.
        device: Where it computes.

    Attributes:
        name: Stem of the file.
        classes: Names of its classes in order.
        core: The same detector without gradients.

    Raises:
        InputError: It cannot be run, is not understood, or computes otherwise in PyTorch.
    """

    def __init__(
        self, path: str | Path, classes: tuple[str, ...] | None = None, device: str = "cpu"
    ) -> None:
        self.core = Detector(path, classes)
        self.name, self.classes = self.core.name, self.core.classes
        self._module = OnnxModule(path).to(device)
        self._decode = _DECODERS[self.core.layout.name]
        self._check(path, device)

    def candidates(self, image: Tensor) -> Candidates:
        """All boxes with the scores of all classes.

        Unlike the core's, FastestDet's cells have the scores of all classes, not of the best one
        alone: what is taken for a cow can learn to be a person.

        Args:
            image: ``(3, H, W)``, RGB in [0, 1].
        """
        batch, scale, shift = self._prepared(image)
        output = self._module(batch)[self.core.output]
        boxes, scores = self._decode(output, self.core.input_size)
        corners = (boxes - shift.repeat(2)) / scale.repeat(2)
        limit = torch.tensor(image.shape[:0:-1] * 2, device=image.device)
        return Candidates(torch.minimum(corners.clamp(min=0), limit), scores)

    def _prepared(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """An image as the layout wants it, and how its pixels came there: scale, then shift."""
        layout, (width, height) = self.core.layout, self.core.input_size
        sides = torch.tensor(image.shape[:0:-1])
        scale = torch.tensor([width, height]) / sides
        if layout.fit != "stretch":
            scale = scale.min().repeat(2)
        inner = (scale * sides).round().long().clamp(min=1)
        resized = F.interpolate(image[None], inner.tolist()[::-1], mode="bilinear")
        room = torch.tensor([width, height]) - inner
        before = room // 2 if layout.fit == "center" else torch.zeros_like(room)
        after = room - before
        pads = [int(side) for pair in zip(before, after, strict=True) for side in pair]
        canvas = F.pad(resized, pads, value=PADDING / 255)
        ordered = canvas.flip(1) if layout.bgr else canvas
        device = image.device
        return 255 * layout.scale * ordered, scale.to(device), before.float().to(device)

    def _check(self, path: str | Path, device: str) -> None:
        """A network whose operators mean something else in PyTorch must not teach anything."""
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand((1, 3, *self.core.input_size[::-1]), generator=generator)
        noise = 255 * self.core.layout.scale * noise
        expected = torch.from_numpy(self.core.answer(noise.numpy()))
        with torch.no_grad():
            try:
                found = self._module(noise.to(device))[self.core.output].cpu()
            except (RuntimeError, IndexError, KeyError, TypeError, ValueError) as error:
                raise InputError(
                    f"{path} cannot be computed in PyTorch ({str(error).splitlines()[0]}); export "
                    "it without post-processing, for a fixed size of the input"
                ) from None
        largest = expected.abs().max().clamp(min=1)
        if found.shape != expected.shape or (found - expected).abs().max() / largest > (
            LARGEST_DIFFERENCE
        ):
            raise InputError(
                f"{path} computes otherwise in PyTorch than in ONNX; export it without "
                "post-processing, for a fixed size of the input"
            )


Decode = Callable[[Tensor, Size], tuple[Tensor, Tensor]]
"""Output and the input's size to boxes ``(n, 4)``, pixels of the input, and scores."""


def _corners(centers: Tensor, sides: Tensor) -> Tensor:
    return torch.cat([centers - sides / 2, centers + sides / 2], 1)


def _cells(width: int, height: int, like: Tensor) -> Tensor:
    """Column and row of every cell of a grid, ``(n, 2)``."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns.reshape(-1), rows.reshape(-1)], 1).to(like)


def _yolox(output: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    rows = output[0]
    scores = rows[:, 4:5] * rows[:, 5:]
    if rows[:, :2].abs().max() > LARGEST_RAW_OFFSET:
        return _corners(rows[:, :2], rows[:, 2:4]), scores
    grids = [_cells(size[0] // stride, size[1] // stride, rows) for stride in STRIDES]
    strides = torch.cat(
        [torch.full((len(grid), 1), stride) for grid, stride in zip(grids, STRIDES, strict=True)]
    ).to(rows)
    centers = (rows[:, :2] + torch.cat(grids)) * strides
    return _corners(centers, rows[:, 2:4].clamp(max=10).exp() * strides), scores


def _yolov5(output: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    rows = output[0]
    return _corners(rows[:, :2], rows[:, 2:4]), rows[:, 4:5] * rows[:, 5:]


def _yolov8(output: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    rows = output[0].T
    return _corners(rows[:, :2], rows[:, 2:4]), rows[:, 4:]


def _end_to_end(output: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    rows = output[0]
    numbers = rows[:, 5].detach().long()
    scores = torch.zeros(len(rows), int(numbers.max()) + 1).to(rows)
    return rows[:, :4], scores.scatter(1, numbers[:, None], rows[:, 4:5])


def _fastestdet(output: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    planes = output[0]
    _, height, width = planes.shape
    rows = planes.flatten(1).T
    grid = torch.tensor([width, height]).to(rows)
    sides = torch.tensor(size).to(rows)
    centers = (_cells(width, height, rows) + rows[:, 1:3].tanh()) / grid * sides
    # The root of zero has no gradient.
    certain, likely = rows[:, :1].clamp(min=1e-6), rows[:, 5:].clamp(min=1e-6)
    return _corners(centers, sides * rows[:, 3:5].sigmoid()), certain**0.6 * likely**0.4


_DECODERS: dict[str, Decode] = {
    YOLOX.name: _yolox,
    YOLOV5.name: _yolov5,
    YOLOV8.name: _yolov8,
    END_TO_END.name: _end_to_end,
    FASTESTDET.name: _fastestdet,
}
