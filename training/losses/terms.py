"""The loss terms: what pulls a fused image where. Every term is named, weighted and logged.

Images are luma ``(B, 1, H, W)``, float, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import sobel
from . import differentiable_metrics as metrics
from .term import Term

DISTILLATION_SSIM = (0.01**2, 0.03**2)
"""SSIM's constants for images from 0 to 1: flat regions, where only noise differs, count little."""

NOISE_RANGE = (0.004, 0.015)
"""Standard deviation of the sensor noise that the stability term adds: 1 to 4 gray levels."""


MARKING_FLOOR = 8 / 255
"""Contrast of the visible image, of means of 2x2 pixels, that may be noise: see `markings_term`."""


@dataclass(frozen=True)
class FusionWeights:
    """Weights of `fusion_terms`; if all are 0, the terms are left out.

    Attributes:
        intensity: To the brighter camera, pixel by pixel.
        gradient: To the stronger gradient.
        structure: SSIM with both cameras.
    """

    intensity: float = 0.0
    gradient: float = 0.0
    structure: float = 0.0


def fusion_terms(
    fused: Tensor, luma: Tensor, infrared: Tensor, weights: FusionWeights
) -> dict[str, Term]:
    """The Text-IF family: brightest intensity, strongest gradient, structure of both (paper, 3.4).

    Color needs no term: chroma is the visible image's by construction.
    """
    strongest = torch.maximum(_strength(luma), _strength(infrared))
    structure = metrics.ssim(fused, luma, DISTILLATION_SSIM) + metrics.ssim(
        fused, infrared, DISTILLATION_SSIM
    )
    return {
        **brightness_term(fused, luma, infrared, weights.intensity),
        "gradient": Term((_strength(fused) - strongest).abs().mean(), weights.gradient),
        "structure": Term(1 - structure.mean() / 2, weights.structure),
    }


def brightness_term(
    fused: Tensor, luma: Tensor, infrared: Tensor, weight: float
) -> dict[str, Term]:
    """Distance to the brighter of the two images (the intensity term of the Text-IF family)."""
    return {"brightness": Term((fused - torch.maximum(luma, infrared)).abs().mean(), weight)}


def markings_term(
    fused: Tensor, luma: Tensor, infrared: Tensor, weight: float, share: float
) -> dict[str, Term]:
    """Contrast that only the visible camera sees, as road markings on warm asphalt, and that the
    fused image lacks: it should have this share of it, with the same sign.

    Measured between means of 2x2 pixels, two pixels apart, and only beyond `MARKING_FLOOR`, so that
    noise need not be kept and outlines are enough. The metrics hardly ask for this: what little of
    the visible image shows through a bright infrared one costs more mutual information than it
    gains.
    """
    if not weight:
        return {}
    shortfalls = []
    for dim in (2, 3):
        seen, warm, shown = (
            _apart(F.avg_pool2d(image, 2, 1), dim) for image in (luma, infrared, fused)
        )
        due = share * F.relu(seen.abs() - MARKING_FLOOR)
        only_seen = warm.abs() < share * seen.abs()
        shortfalls.append((F.relu(due - shown * seen.sign()) * only_seen).mean())
    return {"markings": Term(torch.stack(shortfalls).sum(), weight)}


def _apart(image: Tensor, dim: int) -> Tensor:
    size = image.shape[dim]
    return image.narrow(dim, 2, size - 2) - image.narrow(dim, 0, size - 2)


def distillation_terms(
    fused: Tensor, teacher_output: Tensor, intensity: float, ssim: float
) -> dict[str, Term]:
    """Intensity and structural similarity to the teacher (EMDS; paper, section 3.4)."""
    similarity = metrics.ssim(fused, teacher_output, DISTILLATION_SSIM).mean()
    return {
        "intensity": Term((fused - teacher_output).abs().mean(), intensity),
        "structure": Term(1 - similarity, ssim),
    }


def stability_term(
    fuse: Callable[[Tensor, Tensor], Tensor],
    fused: Tensor,
    visible: Tensor,
    infrared: Tensor,
    weight: float,
    limit: float,
    rng: np.random.Generator,
) -> dict[str, Term]:
    """Change of the fused image under sensor noise, over the larger change of the two inputs.

    What is below ``limit`` costs nothing: a fused video then flickers less than its inputs. Noise
    comes from ``rng`` by way of the CPU, so that every device sees the same. Measured on half of
    the batch, which is enough and saves time.
    """
    if not weight:
        return {}
    half = (len(fused) + 1) // 2
    fused, visible, infrared = fused[:half], visible[:half], infrared[:half]
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    deviation = float(rng.uniform(*NOISE_RANGE))
    luma_noise, infrared_noise = (
        (torch.randn(infrared.shape, generator=noise) * deviation).to(infrared.device)
        for _ in range(2)
    )
    change = (fuse(visible + luma_noise, infrared + infrared_noise) - fused).abs().mean((1, 2, 3))
    loudest = torch.maximum(luma_noise.abs().mean((1, 2, 3)), infrared_noise.abs().mean((1, 2, 3)))
    excess = F.relu((change / loudest).mean() - limit)
    return {"stability": Term(excess, weight)}


def twilight_term(slope: Tensor, weight: float, limit: float) -> dict[str, Term]:
    """How much the fused image changes with the ambient level alone, beyond a limit.

    In twilight a mixture of two lattices serves, and a lamp that enters moves the ambient level,
    and thereby all of the picture.

    Args:
        slope: See `MMLut.slope`, ``(B,)``.
        weight: In the loss.
        limit: Gray levels per gray level that are free.
    """
    return {"twilight": Term(F.relu(slope - limit).mean(), weight)}


def _strength(image: Tensor) -> Tensor:
    horizontal, vertical = sobel(image)
    return horizontal.abs() + vertical.abs()
