"""Image quality measures as differentiable functions: what the fusion metrics reward, per image.

All functions take luma images, ``(B, 1, H, W)`` in [0, 1], and return ``(B,) float32``, a value for
each image; higher is better.
They follow the definitions in `lut_fuse_core.evaluation.metrics`, with soft histograms instead of
hard ones.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import torch
from torch import Tensor

from ..images import sobel

SSIM_WINDOW = 7
SSIM_CONSTANTS = ((0.01 * 2 / 255) ** 2, (0.03 * 2 / 255) ** 2)
HISTOGRAM_BINS = 64


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation of two images, -1 to 1."""
    a = a.flatten(1) - a.flatten(1).mean(1, keepdim=True)
    b = b.flatten(1) - b.flatten(1).mean(1, keepdim=True)
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1) + 1e-8).sqrt()


def correlation_coefficient(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """CC: mean correlation of the fused image with its two sources.

    Args:
        fused: ``(B, 1, H, W)`` in [0, 1].
        visible: Likewise, luma.
        infrared: Likewise.

    Returns:
        ``(B,)``, -1 to 1.
    """
    return (correlation(fused, visible) + correlation(fused, infrared)) / 2


def sum_of_correlated_differences(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """SCD (Aslantas and Bendes, 2015): how what was added to one source correlates with the other.

    The sum of two correlations, -2 to 2.
    """
    return correlation(fused - infrared, visible) + correlation(fused - visible, infrared)


def ssim(a: Tensor, b: Tensor, constants: tuple[float, float] = SSIM_CONSTANTS) -> Tensor:
    """SSIM (Wang et al., 2004) with a uniform 7x7 window, up to 1.

    Computed in double precision: with the constants that published tables use, the variance of
    flat regions decides, and single precision loses it.
    """
    a, b = a.double(), b.double()
    mean_a, mean_b = _box(a), _box(b)
    variance_a = (_box(a * a) - mean_a**2).clamp(min=0)
    variance_b = (_box(b * b) - mean_b**2).clamp(min=0)
    covariance = _box(a * b) - mean_a * mean_b
    c1, c2 = constants
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    contrast = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return (luminance * contrast).mean((1, 2, 3)).float()


def edge_preservation(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """Qabf (Xydeas and Petrovic, 2000): how well edges survive, weighted by strength, 0 to 1."""
    edges = [_edges(image) for image in (visible, infrared, fused)]
    fused_strength, fused_angle = edges[2]
    kept: Tensor = torch.zeros(())
    total: Tensor = torch.zeros(())
    for strength, angle in edges[:2]:
        low, high = torch.minimum(strength, fused_strength), torch.maximum(strength, fused_strength)
        ratio = (low + 1e-6) / (high + 1e-6)
        difference = (angle - fused_angle).abs()
        aligned = 1 - torch.minimum(difference, math.pi - difference) / (math.pi / 2)
        strength_kept = 0.9994 * torch.sigmoid(15 * (ratio - 0.5))
        angle_kept = 0.9879 * torch.sigmoid(22 * (aligned - 0.8))
        kept = kept + (strength_kept * angle_kept * strength).sum((1, 2, 3))
        total = total + strength.sum((1, 2, 3))
    return kept / (total + 1e-6)


def visual_information_fidelity(fused: Tensor, source: Tensor) -> Tensor:
    """VIF (Sheikh and Bovik, 2006), pixel domain, four scales; from 0, 1 for the source itself."""
    reference, distorted = source * 255, fused * 255
    noise = 2.0
    numerator: Tensor = torch.zeros(())
    denominator: Tensor = torch.zeros(())
    for scale in range(1, 5):
        size = 2 ** (5 - scale) + 1
        if scale > 1:
            reference = _gaussian(reference, size)[..., ::2, ::2]
            distorted = _gaussian(distorted, size)[..., ::2, ::2]
        mean_r, mean_d = _gaussian(reference, size), _gaussian(distorted, size)
        variance_r = (_gaussian(reference**2, size) - mean_r**2).clamp(min=0)
        variance_d = (_gaussian(distorted**2, size) - mean_d**2).clamp(min=0)
        covariance = _gaussian(reference * distorted, size) - mean_r * mean_d
        gain = (covariance / (variance_r + 1e-3)).clamp(min=0)
        residual = (variance_d - gain * covariance).clamp(min=1e-3)
        numerator = numerator + torch.log10(1 + gain**2 * variance_r / (residual + noise)).sum(
            (1, 2, 3)
        )
        denominator = denominator + torch.log10(1 + variance_r / noise).sum((1, 2, 3))
    return numerator / (denominator + 1e-3)


def entropy(image: Tensor, bins: int = HISTOGRAM_BINS) -> Tensor:
    """EN: entropy of the soft gray-level histogram, as a share of the largest possible one, 0 to 1.

    Args:
        image: ``(B, 1, H, W)`` in [0, 1].
        bins: Of the histogram.
    """
    lower, upper, fraction = _soft_bins(image, bins)
    histogram = _accumulate(lower, 1 - fraction, bins) + _accumulate(upper, fraction, bins)
    return _entropy(histogram) / math.log(bins)


def mutual_information(a: Tensor, b: Tensor, bins: int = HISTOGRAM_BINS) -> Tensor:
    """MI in nats between two images, from soft joint histograms."""
    lower_a, upper_a, fraction_a = _soft_bins(a, bins)
    lower_b, upper_b, fraction_b = _soft_bins(b, bins)
    joint = sum(
        _accumulate(index_a * bins + index_b, weight_a * weight_b, bins * bins)
        for index_a, weight_a in ((lower_a, 1 - fraction_a), (upper_a, fraction_a))
        for index_b, weight_b in ((lower_b, 1 - fraction_b), (upper_b, fraction_b))
    )
    assert isinstance(joint, Tensor)
    table = joint.reshape(-1, bins, bins)
    return _entropy(table.sum(2)) + _entropy(table.sum(1)) - _entropy(joint)


def _box(image: Tensor) -> Tensor:
    return _filter(image, (1.0 / SSIM_WINDOW,) * SSIM_WINDOW)


def _edges(image: Tensor) -> tuple[Tensor, Tensor]:
    horizontal, vertical = sobel(image)
    strength = (horizontal**2 + vertical**2 + 1e-8).sqrt()
    safe = torch.where(horizontal.abs() < 1e-6, torch.full_like(horizontal, 1e-6), horizontal)
    return strength, torch.atan(vertical / safe)


def _gaussian(image: Tensor, size: int) -> Tensor:
    return _filter(image, _gaussian_kernel(size))


@cache
def _gaussian_kernel(size: int) -> tuple[float, ...]:
    positions = [k - (size - 1) / 2 for k in range(size)]
    weights = [math.exp(-(x**2) / (2 * (size / 5.0) ** 2)) for x in positions]
    return tuple(weight / sum(weights) for weight in weights)


def _filter(image: Tensor, kernel: tuple[float, ...]) -> Tensor:
    """The kernel along rows and columns, without borders.

    As products with band matrices, which for crops are several times faster than convolutions of
    one channel.
    """
    rows, columns = (
        _band(side, kernel, image.dtype, str(image.device)) for side in image.shape[-2:]
    )
    return rows @ image @ columns.T


@lru_cache(maxsize=64)
def _band(side: int, kernel: tuple[float, ...], dtype: torch.dtype, device: str) -> Tensor:
    band = torch.zeros(side - len(kernel) + 1, side, dtype=dtype)
    for row in range(band.shape[0]):
        band[row, row : row + len(kernel)] = torch.tensor(kernel, dtype=dtype)
    return band.to(device)


def _soft_bins(image: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    position = image.flatten(1).clamp(0, 1) * (bins - 1)
    # What is not a number must end as a loss that is none, not as an index.
    lower = position.detach().floor().clamp(max=bins - 2).nan_to_num()
    return lower.long(), lower.long() + 1, position - lower


def _accumulate(index: Tensor, weight: Tensor, size: int) -> Tensor:
    histogram = torch.zeros(index.shape[0], size, dtype=weight.dtype, device=weight.device)
    return histogram.scatter_add(1, index, weight) / index.shape[1]


def _entropy(probability: Tensor) -> Tensor:
    flat = probability.flatten(1)
    return -(flat * (flat + 1e-9).log()).sum(1)
