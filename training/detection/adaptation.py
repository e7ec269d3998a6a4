"""What a fusion learns from a robot's own detectors, step by step, and what it gained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lut_fuse_core import Fuser
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.classes import ClassMap, class_map
from lut_fuse_core.evaluation.detection.study import DetectionStudy, study_detection
from lut_fuse_core.evaluation.evaluate import fused_by
from lut_fuse_core.evaluation.image_kinds import image_kinds

from ..images import in_color, round_to_gray
from ..losses.term import Term
from ..networks.mm_lut import MMLut
from .detection_terms import DetectionWeights, contrast_term, detection_terms
from .labeled_pictures import LabeledPictures, read_labeled, window
from .torch_detector import TorchDetector

Fuse = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Visible, infrared and ambient level to luma."""


@dataclass(frozen=True)
class DetectionConfig:
    """What detectors teach, see `distil --detector`.

    Attributes:
        weights: Of the terms.
        pictures: Labeled pictures per step, each seen by one of the detectors.
        least_height: Of objects that count, in pixels.
    """

    weights: DetectionWeights = field(default_factory=DetectionWeights)
    pictures: int = 2
    least_height: float = 20.0

    def __post_init__(self) -> None:
        if self.pictures < 1 or self.least_height < 0:
            raise InputError(
                "detection.pictures must be 1 or more, detection.least_height 0 or more"
            )


@dataclass(frozen=True)
class DetectorFiles:
    """The detectors to adapt to and the labels they are held against.

    Attributes:
        detectors: ONNX files.
        boxes: Label file or folder.
        classes: Those to adapt to, see `classes.class_map`.
        names: Of the detectors' classes, where the files do not say.
    """

    detectors: tuple[Path, ...]
    boxes: Path
    classes: Mapping[str, Sequence[str]] | None = None
    names: tuple[str, ...] | None = None


class Adaptation:
    """The detectors and the labeled pictures.

    Args:
        files: Detectors and labels.
        config: What they teach.
        folder: The pairs.
        validation_share: Share of them that is held out.
        device: Where the detectors compute.

    Attributes:
        pictures: The labeled pairs.

    Raises:
        InputError: A detector, the labels or the pairs cannot be used, or do not fit.
    """

    def __init__(
        self,
        files: DetectorFiles,
        config: DetectionConfig,
        folder: Path,
        validation_share: float,
        device: str,
    ) -> None:
        self._files, self._config, self._device = files, config, device
        self.pictures: LabeledPictures = read_labeled(folder, files.boxes, validation_share)
        self._detectors = [TorchDetector(p, files.names, device) for p in files.detectors]
        known = self.pictures.labels.classes
        self._maps: list[ClassMap] = [
            class_map(known, detector.classes, files.classes) for detector in self._detectors
        ]
        self._before: MMLut | None = None

    def begin(self, student: MMLut) -> None:
        """Compare contrasts with the student as it is now."""
        self._before = deepcopy(student).requires_grad_(False)

    def terms(self, fuse: Fuse, rng: np.random.Generator) -> dict[str, Term]:
        """The terms on some labeled pictures: of each the mean.

        Args:
            fuse: The fusion that learns.
            rng: Draws the pictures and who sees them.
        """
        drawn = [self._of_one(fuse, rng) for _ in range(self._config.pictures)]
        return {
            name: Term(torch.stack([terms[name].value for terms in drawn]), term.weight)
            for name, term in drawn[0].items()
        }

    def _of_one(self, fuse: Fuse, rng: np.random.Generator) -> dict[str, Term]:
        number = int(rng.integers(len(self._detectors)))
        detector, classes = self._detectors[number], self._maps[number]
        pair, boxes = self.pictures.training[int(rng.integers(len(self.pictures.training)))]
        height = self._config.least_height
        shown = window(pair, boxes, tuple(classes), height, rng, self._device)
        fused = fuse(shown.visible, shown.infrared, shown.ambient)
        # Beyond black and white a tenth of the gradient leads back.
        inside = fused.clamp(0, 1)
        luma = round_to_gray(inside + 0.1 * (fused - inside))
        candidates = detector.candidates(round_to_gray(in_color(shown.visible, luma))[0])
        weights = self._config.weights
        terms = detection_terms(candidates, shown.objects, classes, weights)
        if self._before is None:
            return terms
        with torch.no_grad():
            before = self._before(shown.visible, shown.infrared, shown.ambient).clamp(0, 1)
        return terms | contrast_term(fused, before, shown.objects, weights)

    def gain(self, model: Path, start: str | Path | None) -> DetectionStudy | None:
        """What the detectors find on the pictures that were held out, on every kind of image.

        Args:
            model: The adapted model.
            start: What it started from, measured as ``before``.

        Returns:
            The study; None if none of these pictures has an object.
        """
        held_out = self.pictures.held_out
        if not any(self.pictures.labels.boxes[files.name] for files in held_out):
            return None
        models = {"before": start, "fused": model} if start else {"fused": model}
        kinds = image_kinds({name: fused_by(Fuser(file)) for name, file in models.items()})
        detectors = [detector.core for detector in self._detectors]
        heights = (self._config.least_height,)
        return study_detection(
            held_out, self.pictures.labels, detectors, kinds, heights, self._files.classes
        )
