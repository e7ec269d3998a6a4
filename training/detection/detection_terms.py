"""Loss terms of what a detector finds on a fused image: objects found, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..losses.term import Term
from .torch_detector import Candidates

LEAST_OVERLAP = 0.4
"""With no object of its class a candidate overlaps by this much: it is a wrong detection."""


@dataclass(frozen=True)
class DetectionWeights:
    """What a detector's answers count in the loss; 0 leaves a term out.

    Attributes:
        found: Objects: minus the logarithm of the best score times overlap of any candidate.
        wrong: Confident candidates where no object is.
        contrast: Share of an object's contrast to what is beside it that the fused image lacks
            against the start, so that people see what the detector sees.
    """

    found: float = 1.0
    wrong: float = 0.3
    contrast: float = 2.0


@dataclass(frozen=True)
class Objects:
    """What is to be found in a picture.

    Attributes:
        boxes: Class to its objects, ``(n, 4)``, in pixels.
        ignored: Class to what is neither right nor wrong to find: crowds, and objects that are too
            small or too much clipped.
        least_height: Pixels; what is lower is not counted as wrong.
    """

    boxes: dict[str, Tensor]
    ignored: dict[str, Tensor]
    least_height: float


def detection_terms(
    candidates: Candidates,
    objects: Objects,
    classes: dict[str, tuple[int, ...]],
    weights: DetectionWeights,
) -> dict[str, Term]:
    """How badly a detector finds the objects of one picture.

    Args:
        candidates: What it answers.
        objects: What is there.
        classes: Class of the labels to the numbers of the detector's classes that count as it.
        weights: Of the terms.

    Returns:
        ``found``, the mean over the objects, and ``wrong``, the sum over the candidates for each
        object; both zero in a picture without objects and candidates.
    """
    nothing = candidates.scores.sum() * 0
    missed, wrong = [nothing], [nothing]
    for name, numbers in classes.items():
        scores = candidates.scores[:, list(numbers)].amax(1)
        boxes, ignored = objects.boxes[name], objects.ignored[name]
        overlaps = overlap(candidates.boxes, boxes)
        if len(boxes):
            best = (scores[:, None] * overlaps).amax(0)
            missed.append(-(best + 0.01).log())
        with torch.no_grad():
            near = overlap(candidates.boxes, torch.cat([boxes, ignored])).amax(1, keepdim=True)
            height = candidates.boxes[:, 3] - candidates.boxes[:, 1]
            none_there = (near[:, 0] < LEAST_OVERLAP) & (height >= objects.least_height)
        strong = scores.clamp(max=0.99)[none_there]
        # Average precision cares for the confident ones.
        wrong.append(-(strong.detach() ** 2) * (1 - strong).log())
    count = max(sum(len(boxes) for boxes in objects.boxes.values()), 1)
    return {
        "found": Term(torch.cat([m.reshape(-1) for m in missed]).sum() / count, weights.found),
        "wrong": Term(torch.cat([w.reshape(-1) for w in wrong]).sum() / count, weights.wrong),
    }


def contrast_term(
    fused: Tensor, before: Tensor, objects: Objects, weights: DetectionWeights
) -> dict[str, Term]:
    """Contrast of the objects that a fusion lost against its start.

    Args:
        fused: Luma ``(1, 1, H, W)`` in [0, 1], as it is now.
        before: The same as it was at the start.
        objects: Whose contrast counts.
        weights: Of the term.

    Returns:
        ``contrast``, the mean share that is lost, over objects that stand out at the start.
    """
    lost = [fused.sum() * 0]
    for boxes in objects.boxes.values():
        for box in boxes.long().tolist():
            with torch.no_grad():
                was = _contrast(before[0, 0], box)
            if was is not None and was.abs() > 10 / 255:
                now = _contrast(fused[0, 0], box)
                assert now is not None
                lost.append((1 - now / was).clamp(min=0))
    return {"contrast": Term(torch.stack(lost).sum() / max(len(lost) - 1, 1), weights.contrast)}


def _contrast(image: Tensor, box: Sequence[int]) -> Tensor | None:
    """Mean of a box's inner part less that of what is beside it; None at the picture's edge."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    inner = image[y0 + height // 8 : y1 - height // 8, x0 + width // 4 : x1 - width // 4]
    left = image[y0:y1, max(x0 - width // 2, 0) : x0].reshape(-1)
    right = image[y0:y1, x1 : x1 + width // 2].reshape(-1)
    beside = torch.cat([left, right])
    return inner.mean() - beside.mean() if inner.numel() and beside.numel() else None


def overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of every box with every other, ``(n, m)``; a column of zeros where
    there is no other."""
    if not len(others):
        return boxes.new_zeros(len(boxes), 1)
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    areas, other_areas = ((b[:, 2:] - b[:, :2]).clamp(min=0).prod(1) for b in (boxes, others))
    return shared / (areas[:, None] + other_areas[None] - shared).clamp(min=1e-6)
