"""Pairs with labeled objects, as an adaptation draws them: windows of pictures with their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.evaluation.detection.labels import LabeledBox, Labels
from lut_fuse_core.evaluation.image_kinds import labeled_pairs
from lut_fuse_core.io.dataset import PairFiles
from lut_fuse_core.model.features import ambient

from ..data.pairs import Pair, in_validation, load_pair, training_part
from .detection_terms import Objects

LEAST_SHARE = 0.6
"""Of an object that a window must show for the object to be asked for."""

_Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class LabeledWindow:
    """A window of a pair.

    Attributes:
        visible: ``(1, 3, H, W)``, RGB in [0, 1].
        infrared: ``(1, 1, H, W)`` in [0, 1].
        ambient: Level of the whole picture, ``(1,)`` in [0, 1].
        objects: What it shows, in its pixels.
    """

    visible: Tensor
    infrared: Tensor
    ambient: Tensor
    objects: Objects


@dataclass(frozen=True)
class LabeledPictures:
    """The pairs with labels, in memory, split as the unlabeled ones are.

    Attributes:
        training: Pairs to adapt to, with their boxes in pixels.
        held_out: Files of those that are kept to measure the gain on.
        labels: All labels.
        orphans: Labeled pictures that have no pair.
    """

    training: tuple[tuple[Pair, tuple[LabeledBox, ...]], ...]
    held_out: tuple[PairFiles, ...]
    labels: Labels
    orphans: tuple[str, ...]


def read_labeled(folder: Path, boxes: Path, validation_share: float) -> LabeledPictures:
    """Read the labels of a data set and the pairs that they belong to.

    Args:
        folder: The pairs, in any layout that `find_dataset` knows.
        boxes: Labels, in any layout that `read_labels` knows.
        validation_share: Share that is held out, chosen by name as `in_validation` does.

    Raises:
        InputError: Pairs or labels cannot be used, or none is left to adapt to.
    """
    labels = read_labels(boxes)
    chosen, orphans = labeled_pairs(training_part(folder).pairs, labels.boxes)
    held_out = [files for files in chosen if in_validation(files.name, validation_share)]
    training = []
    for files in chosen:
        if files in held_out:
            continue
        try:
            pair = load_pair(files)
        except InputError:  # named with the unlabeled ones that cannot be used
            continue
        height, width = pair.infrared.shape
        training.append((pair, labels.inside(files.name, (width, height))))
    if not any(found for _, found in training):
        raise InputError(
            f"none of the {len(chosen)} labeled pairs in {folder} is left to adapt to: label more, "
            "or lower data.validation_share"
        )
    return LabeledPictures(tuple(training), tuple(held_out), labels, orphans)


def window(
    pair: Pair,
    boxes: Sequence[LabeledBox],
    classes: Sequence[str],
    least_height: float,
    rng: np.random.Generator,
    device: str,
) -> LabeledWindow:
    """A random window of a pair, three quarters of its sides or more, mirrored half of the time.

    Args:
        pair: The pair.
        boxes: Its objects, in pixels.
        classes: Those that count.
        least_height: Of objects that are asked for, in pixels.
        rng: Where chance comes from.
        device: Where the tensors go.
    """
    height, width = pair.infrared.shape
    sides = (rng.uniform(0.75, 1.0, 2) * (height, width)).astype(int)
    top, left = (
        int(rng.integers(0, n - m + 1)) for n, m in zip((height, width), sides, strict=True)
    )
    cut = np.s_[top : top + sides[0], left : left + sides[1]]
    mirror = rng.random() < 0.5
    visible, infrared = (
        torch.from_numpy(np.ascontiguousarray(np.fliplr(image[cut]) if mirror else image[cut]))
        for image in (pair.visible, pair.infrared)
    )
    required: dict[str, list[_Box]] = {name: [] for name in classes}
    ignored: dict[str, list[_Box]] = {name: [] for name in classes}
    for box in boxes:
        if box.name not in required:
            continue
        shown, share = _shown(box, left, top, int(sides[1]), int(sides[0]), mirror)
        if not share:
            continue
        counts = share >= LEAST_SHARE and not box.crowd and shown[3] - shown[1] >= least_height
        (required if counts else ignored)[box.name].append(shown)
    level = torch.tensor([ambient(pair.visible) / 255], dtype=torch.float32)
    return LabeledWindow(
        (visible.permute(2, 0, 1)[None].float() / 255).to(device),
        (infrared[None, None].float() / 255).to(device),
        level.to(device),
        Objects(_tensors(required, device), _tensors(ignored, device), least_height),
    )


def _shown(
    box: LabeledBox, left: int, top: int, width: int, height: int, mirror: bool
) -> tuple[_Box, float]:
    """A box in a window's pixels, clipped to it, and the share of it that is inside."""
    x0, x1 = (min(max(x - left, 0.0), float(width)) for x in (box.x0, box.x1))
    y0, y1 = (min(max(y - top, 0.0), float(height)) for y in (box.y0, box.y1))
    share = (x1 - x0) * (y1 - y0) / ((box.x1 - box.x0) * (box.y1 - box.y0))
    return (width - x1, y0, width - x0, y1) if mirror else (x0, y0, x1, y1), share


def _tensors(found: dict[str, list[_Box]], device: str) -> dict[str, Tensor]:
    return {
        name: torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4).to(device)
        for name, boxes in found.items()
    }
