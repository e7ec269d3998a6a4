"""Validation: the real metrics of a fusion on whole validation pairs, and panels to look at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lut_fuse_core.evaluation.metrics import PairEvaluator

from ..data.batches import whole_images
from ..data.pairs import PairSource
from ..images import panel, to_gray_image
from .tensorboard import Board

Scores = dict[str, float]

VALIDATION_METRICS = ("MI", "EN", "CC", "SSIM", "Qabf", "SCD", "VIF")
PANELS = 3


class Validator:
    """Measures fusions on the same pairs again and again; what depends on these alone is kept.

    Args:
        pairs: To measure on.
        limit: How many of them at most.
        device: Where the networks are.
    """

    def __init__(self, pairs: PairSource, limit: int, device: str) -> None:
        self._pairs = [pairs[index] for index in range(min(limit, len(pairs)))]
        self._evaluators: list[PairEvaluator] = []
        self._device = torch.device(device)

    @torch.no_grad()
    def __call__(
        self, fuse: Callable[[Tensor, Tensor], Tensor], board: Board | None = None, step: int = 0
    ) -> Scores:
        """Mean of every validation metric; empty without validation pairs."""
        if not self._pairs:
            return {}
        if not self._evaluators:
            self._evaluators = [PairEvaluator(p.visible, p.infrared) for p in self._pairs]
        rows = []
        for index, (pair, evaluator) in enumerate(zip(self._pairs, self._evaluators, strict=True)):
            visible, infrared = whole_images(pair, self._device)
            fused = fuse(visible, infrared)
            scores = evaluator.evaluate(to_gray_image(fused))
            rows.append([scores[name] for name in VALIDATION_METRICS])
            if board is not None and board.active and index < PANELS:
                board.panel(step, f"pairs/{pair.name}", panel(visible, infrared, fused))
        means = {
            name: round(float(value), 4)
            for name, value in zip(VALIDATION_METRICS, np.mean(rows, 0), strict=True)
        }
        if board is not None:
            board.scalars(step, {f"validation/{name}": value for name, value in means.items()})
        return means
