"""The loss terms: what pulls a fused image where. Every term is named, weighted and logged.

Images are luma ``(B, 1, H, W)``, float, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.mm_lut import sobel
from . import differentiable_metrics as metrics

DISTILLATION_SSIM = (0.01**2, 0.03**2)
"""SSIM's constants for images from 0 to 1: flat regions, where only noise differs, count little."""

NOISE_RANGE = (0.004, 0.015)
"""Standard deviation of the sensor noise that the stability term adds: 1 to 4 grey levels."""


MARKING_FLOOR = 8 / 255
"""Contrast of the visible image, of means of 2x2 pixels, that may be noise: see `markings_term`."""


@dataclass(frozen=True)
class FusionWeights:
    """Weights of `fusion_terms`; if all are 0, the terms are left out."""

    intensity: float = 0.0
    gradient: float = 0.0
    structure: float = 0.0


@dataclass(frozen=True)
class QualityWeights:
    """Weights of what the published metrics reward; 0 leaves a term out (and saves its time).

    mi: mutual information with both images (nats). en: entropy (bits). cc: correlation.
    ssim: to both images, summed. qabf: edges kept. scd: correlation of differences.
    vif: visual information fidelity to both images, summed.
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
    """Values beyond which a measure earns nothing more: the others get the room.

    In the units of `QualityWeights`, for the mean of a batch of (disturbed) crops, which differs
    from the mean of whole images; None rewards without end.
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

    fused: what that model makes of the same pairs.
    darker: groups of pairs of darker scenes, ``(B,) bool``, and the targets that they have where
        these are given: at night other losses are worth a gain than in daylight. A pair of several
        groups has the targets of the last.
    rival: what another method makes of the same pairs, None without one. On every pair the student
        is to be better than it by the share ``lead``, whatever its targets are.
    """

    fused: Tensor
    darker: Sequence[tuple[Tensor, QualityTargets]] = ()
    rival: Tensor | None = None
    lead: float = 0.0

    def aims(self, name: str, luma: Tensor, infrared: Tensor, target: float) -> Tensor:
        """What one measure is to reach on each pair, ``(B,)``."""

        def measured(fused: Tensor) -> Tensor:
            return _measures(round_to_grey(fused), luma, infrared)[name]()

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


@dataclass(frozen=True)
class Term:
    """One term: its value, whose mean is logged, and its weight in the loss (negative: more is
    better).

    target: the value beyond which it earns nothing more, a number or a tensor like ``value``.
    """

    value: Tensor
    weight: float
    target: float | Tensor | None = None

    @property
    def contribution(self) -> Tensor:
        """What the term adds to the loss."""
        value = self.value if self.target is None else self.value.clamp(max=self.target)
        return self.weight * value.mean()


Terms = Mapping[str, Term]


def total(terms: Terms) -> Tensor:
    """The loss that is minimised."""
    return torch.stack([term.contribution for term in terms.values()]).sum()


def fusion_terms(
    fused: Tensor, luma: Tensor, infrared: Tensor, weights: FusionWeights
) -> dict[str, Term]:
    """The Text-IF family: brightest intensity, strongest gradient, structure of both (paper, 3.4).

    Colour needs no term: chroma is the visible image's by construction.
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
    fused: Tensor, taught: Tensor, intensity: float, ssim: float
) -> dict[str, Term]:
    """Intensity and structural similarity to the teacher (EMDS; paper, section 3.4)."""
    similarity = metrics.ssim(fused, taught, DISTILLATION_SSIM).mean()
    return {
        "intensity": Term((fused - taught).abs().mean(), intensity),
        "structure": Term(1 - similarity, ssim),
    }


def quality_terms(
    fused: Tensor,
    luma: Tensor,
    infrared: Tensor,
    weights: QualityWeights,
    targets: QualityTargets | None = None,
    start: Start | None = None,
) -> dict[str, Term]:
    """What the metrics reward, measured on the 8-bit image that a user gets.

    start: targets then are differences from its measures instead of values, image by image, so
        that no measure need be given up for another, and none in daylight for a gain at night.

    Rounding passes the gradient straight through. Beyond 0 and 1 a tenth of it leads back.
    """
    inside = fused.clamp(0, 1)
    measures = _measures(round_to_grey(inside + 0.1 * (fused - inside)), luma, infrared)
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
    """The measures of a fused image in grey levels, by name, one value per image."""
    f, y, i = fused, round_to_grey(luma), infrared
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
    and thereby all of the picture. slope: see `MMLut.slope`, ``(B,)``.
    """
    return {"twilight": Term(F.relu(slope - limit).mean(), weight)}


def lattice_terms(
    lattices: Iterable[Tensor], smoothness: float, monotonicity: float
) -> dict[str, Term]:
    """Lattices without kinks, and never darker where an input is brighter (paper, section 3.3).

    Kinks show as banding and amplify noise; falling values show as inverted detail.
    """
    bends, falls = [], []
    for lattice in lattices:
        along = [d for d in range(4) if lattice.shape[d] > 2]
        bends += [lattice.diff(n=2, dim=d).square().mean() for d in along]
        falls += [F.relu(-lattice.diff(dim=d)).mean() for d in (0, 1)]
    return {
        "smoothness": Term(100 * torch.stack(bends or [falls[0] * 0]).sum(), smoothness),
        "monotonicity": Term(torch.stack(falls).sum(), monotonicity),
    }


def steepness_term(
    lattices: Iterable[Tensor], weight: float, steepest: Sequence[float]
) -> dict[str, Term]:
    """Steps between neighbouring nodes beyond ``steepest``, in grey levels, axis by axis; summed.

    Where a lattice is steep, a fixed-point look-up is too far from the exact one, and slower code
    has to serve on CPUs.
    """
    if not weight:
        return {}
    steps = [
        F.relu(lattice.diff(dim=d).abs() - most / 255).sum()
        for lattice in lattices
        for d, most in enumerate(steepest)
    ]
    return {"steepness": Term(torch.stack(steps).sum(), weight)}


def round_to_grey(image: Tensor) -> Tensor:
    """The image in 8-bit grey levels; the gradient passes straight through."""
    return image + ((image * 255).round() / 255 - image).detach()


def _strength(image: Tensor) -> Tensor:
    horizontal, vertical = sobel(image)
    return horizontal.abs() + vertical.abs()
