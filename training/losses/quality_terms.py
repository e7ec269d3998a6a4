"""Loss terms that follow the published metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..images import round_to_gray
from . import differentiable_metrics as metrics
from .term import Term


@dataclass(frozen=True)
class QualityWeights:
    """Weights of what the published metrics reward; 0 leaves a term out (and saves its time).

    Attributes:
        mi: Mutual information with both images (nats).
        en: Entropy (bits).
        cc: Correlation.
        ssim: To both images, summed.
        qabf: Edges kept.
        scd: Correlation of differences.
        vif: Visual information fidelity to both images, summed.
    """

    mi: float = 0.0
    en: float = 0.0
    cc: float = 0.0
    ssim: float = 0.0
    qabf: float = 0.0
    scd: float = 0.0
    vif: float = 0.0


@dataclass(frozen=True)
class QualityTargets:
    """Values beyond which a term no longer contributes.

    In the units of `QualityWeights`, for the mean of a batch of (disturbed) crops, which differs
    from the mean of whole images; None rewards without end.

    Attributes:
        mi: Of mutual information.
        en: Of entropy.
        cc: Of the correlation coefficient.
        ssim: Of structural similarity.
        qabf: Of edge transfer.
        scd: Of the sum of correlations of differences.
        vif: Of visual information fidelity.
    """

    mi: float | None = None
    en: float | None = None
    cc: float | None = None
    ssim: float | None = None
    qabf: float | None = None
    scd: float | None = None
    vif: float | None = None


@dataclass(frozen=True)
class Start:
    """What a student that goes on from a model is compared with.

    Attributes:
        fused: What that model makes of the same pairs.
        darker: Groups of pairs of darker scenes, ``(B,) bool``, and the targets that they have
            where these are given: at night other losses are worth a gain than in daylight. A pair
            of several groups has the targets of the last.
        rival: What another method makes of the same pairs, None without one. On every pair the
            student is to be better than it by the share ``lead``, whatever its targets are.
        lead: See ``rival``.
    """

    fused: Tensor
    darker: Sequence[tuple[Tensor, QualityTargets]] = ()
    rival: Tensor | None = None
    lead: float = 0.0

    def aims(self, name: str, luma: Tensor, infrared: Tensor, target: float) -> Tensor:
        """What one measure is to reach on each pair, ``(B,)``."""

        def measured(fused: Tensor) -> Tensor:
            return _measures(round_to_gray(fused), luma, infrared)[name]()

        with torch.no_grad():
            before = measured(self.fused)
            aims = before + target
            for scenes, targets in self.darker:
                due = getattr(targets, name)
                if due is not None:
                    aims = torch.where(scenes, before + due, aims)
            if self.rival is not None:
                beaten = measured(self.rival)
                aims = torch.maximum(aims, beaten + self.lead * beaten.abs())
        return aims


def quality_terms(
    fused: Tensor,
    luma: Tensor,
    infrared: Tensor,
    weights: QualityWeights,
    targets: QualityTargets | None = None,
    start: Start | None = None,
) -> dict[str, Term]:
    """What the metrics reward, measured on the 8-bit image that a user gets.

    Rounding passes the gradient straight through. Beyond 0 and 1 a tenth of it leads back.

    Args:
        fused: ``(B, 1, H, W)`` in [0, 1].
        luma: Likewise, of the visible image.
        infrared: Likewise.
        weights: Of the measures.
        targets: Beyond which they no longer contribute; None for none.
        start: Targets then are differences from its measures instead of values, image by image, so
            that no measure need be given up for another, and none in daylight for a gain at night.
    """
    inside = fused.clamp(0, 1)
    measures = _measures(round_to_gray(inside + 0.1 * (fused - inside)), luma, infrared)
    terms = {}
    for name, weight in vars(weights).items():
        target: float | None = getattr(targets, name, None)
        if weight and target is not None and start is not None:
            aims = start.aims(name, luma, infrared, target)
            terms[name] = Term(measures[name](), -weight, aims)
        elif weight:
            terms[name] = Term(measures[name]().mean(), -weight, target)
    return terms


def _measures(fused: Tensor, luma: Tensor, infrared: Tensor) -> dict[str, Callable[[], Tensor]]:
    """The measures of a fused image in gray levels, by name, one value per image."""
    f, y, i = fused, round_to_gray(luma), infrared
    return {
        "mi": lambda: metrics.mutual_information(f, y) + metrics.mutual_information(f, i),
        "en": lambda: metrics.entropy(f) * np.log2(metrics.HISTOGRAM_BINS),
        "cc": lambda: metrics.correlation_coefficient(f, y, i),
        "ssim": lambda: metrics.ssim(f, y) + metrics.ssim(f, i),
        "qabf": lambda: metrics.edge_preservation(f, y, i),
        "scd": lambda: metrics.sum_of_correlated_differences(f, y, i),
        "vif": lambda: (
            metrics.visual_information_fidelity(f, y) + metrics.visual_information_fidelity(f, i)
        ),
    }
