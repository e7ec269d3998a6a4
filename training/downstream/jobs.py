"""A segmenter and a detector as the training loop wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.evaluation.detection.average_precision import Assessment
from lut_fuse_core.evaluation.detection.detector import MAX_DETECTIONS, Detections
from lut_fuse_core.evaluation.detection.labels import LabeledBox
from lut_fuse_core.evaluation.segmentation.label_maps import IGNORED
from lut_fuse_core.evaluation.segmentation.study import assessed, shared_pixels

from ..losses.term import Term, Terms
from ..run.tensorboard import Board
from ..run.validate import Scores
from .pictures import PictureBatch, Pictures, as_input

Boxes = tuple[tuple[LabeledBox, ...], tuple[int, int]]
"""Objects of a pair, in pixels, and its width and height."""


Target = TypeVar("Target")


@dataclass(eq=False)
class _NetworkJob(Generic[Target]):
    """A network that learns as a whole.

    Attributes:
        module: A network of transformers.
        structure: What its weights fit, plain values.
        rate: Learning rate.
        classes: Names by number.
        test: Pictures that it is measured on.
        device: Where it computes.
    """

    module: nn.Module
    structure: dict[str, Any]
    rate: float
    classes: tuple[str, ...]
    test: Pictures[Target]
    device: str

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All weights at one rate."""
        return [{"params": list(self.module.parameters()), "lr": self.rate}]


class SegmentJob(_NetworkJob[UInt8Array]):
    """A segmenter, a SegFormer, that learns label maps."""

    def losses(self, batch: PictureBatch[UInt8Array], rng: np.random.Generator) -> Terms:
        """Cross entropy."""
        self.module.train()
        scores = self.module(pixel_values=batch.images).logits
        size = batch.images.shape[-2:]
        truth = torch.stack(
            [
                _resized(labels[:, ::-1] if turn else labels, size)
                for labels, turn in zip(batch.targets, batch.mirrored, strict=True)
            ]
        ).to(scores.device)
        full = F.interpolate(scores, size, mode="bilinear")
        return {"entropy": Term(F.cross_entropy(full, truth, ignore_index=IGNORED), 1.0)}

    @torch.no_grad()
    def validate(self, board: Board, step: int) -> Scores:
        """Intersection over union of every class in percent, and ``mIoU``."""
        self.module.eval()
        rows = []
        for index in range(len(self.test)):
            image, truth = self.test[index]
            scores = self.module(pixel_values=as_input([image]).to(self.device)).logits
            full = F.interpolate(scores, truth.shape, mode="bilinear")
            found = full[0].argmax(0).to(torch.uint8).cpu().numpy()
            rows.append(shared_pixels(found, truth, len(self.classes)))
        numbers = set(range(len(self.classes)))
        study = assessed("segmenter", self.classes, {"fused": np.stack(rows)}, numbers)
        iou = dict(zip(study.classes, study.iou["fused"], strict=True))
        scores_of = {**iou, "mIoU": study.mean["fused"]}
        board.scalars(step, {f"validation/{name}": value for name, value in scores_of.items()})
        return scores_of


@dataclass(eq=False)
class DetectJob(_NetworkJob[Boxes]):
    """A detector, an RT-DETR, that learns boxes.

    Attributes:
        least_height: Of objects that count when it is measured, in pixels.
    """

    least_height: float

    def losses(self, batch: PictureBatch[Boxes], rng: np.random.Generator) -> Terms:
        """RT-DETR's own loss; its random queries come from ``rng``, so that runs can be resumed."""
        self.module.train()
        labels = [
            self._labels(boxes, size, turn)
            for (boxes, size), turn in zip(batch.targets, batch.mirrored, strict=True)
        ]
        torch.manual_seed(int(rng.integers(2**62)))
        return {"loss": Term(self.module(pixel_values=batch.images, labels=labels).loss, 1.0)}

    @torch.no_grad()
    def validate(self, board: Board, step: int) -> Scores:
        """``Pre.``, ``Rec.``, ``mAP@0.5`` and ``mAP@0.5:0.95``: means over the classes, 0 to 1."""
        self.module.eval()
        truth, found = [], []
        for index in range(len(self.test)):
            image, (boxes, size) = self.test[index]
            answer = self.module(pixel_values=as_input([image]).to(self.device))
            found.append(self._detections(answer, size))
            truth.append(boxes)
        results = Assessment(truth, found, self.classes, (self.least_height,)).results()
        columns = {
            "Pre.": [r.precision for r in results.values()],
            "Rec.": [r.recall for r in results.values()],
            "mAP@0.5": [r.ap50 for r in results.values()],
            "mAP@0.5:0.95": [r.ap50_95 for r in results.values()],
        }
        # A detector that is sure of nothing has no precision, which is none to boast of.
        scores = {
            name: float(np.mean(np.nan_to_num(values))) / 100 for name, values in columns.items()
        }
        board.scalars(step, {f"validation/{name}": value for name, value in scores.items()})
        return scores

    def _labels(
        self, boxes: tuple[LabeledBox, ...], size: tuple[int, int], turn: bool
    ) -> dict[str, Tensor]:
        """Objects as transformers wants them: centers and sides as shares of the picture."""
        width, height = size
        known = [box for box in boxes if box.name in self.classes and not box.crowd]
        corners = torch.tensor([box[1:5] for box in known], dtype=torch.float32).reshape(-1, 4)
        corners = corners / torch.tensor([width, height, width, height])
        centers, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        if turn:
            centers = torch.stack([1 - centers[:, 0], centers[:, 1]], 1)
        numbers = torch.tensor([self.classes.index(box.name) for box in known], dtype=torch.long)
        return {
            "class_labels": numbers.to(self.device),
            "boxes": torch.cat([centers, sides], 1).to(self.device),
        }

    def _detections(self, answer: Any, size: tuple[int, int]) -> Detections:
        scores = answer.logits[0].sigmoid().flatten()
        best, places = scores.topk(min(MAX_DETECTIONS, len(scores)))
        count = len(self.classes)
        x, y, width, height = answer.pred_boxes[0][places // count].T
        corners = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1)
        boxes = corners.cpu() * torch.tensor([*size, *size])
        names = tuple(self.classes[int(place) % count] for place in places)
        return Detections(boxes.numpy(), best.cpu().numpy(), names)


def _resized(labels: UInt8Array, size: tuple[int, ...]) -> Tensor:
    """A label map of a network's size ``(h, w)``, its numbers unmixed."""
    whole = torch.from_numpy(np.ascontiguousarray(labels))[None, None].float()
    return F.interpolate(whole, size, mode="nearest")[0, 0].long()
