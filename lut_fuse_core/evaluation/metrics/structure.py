"""Metrics of local structure: SSIM and the edge transfer Qabf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array, FloatArray, UInt8Array
from lut_fuse_core.evaluation.metrics.blocks import row_blocks

SSIM_WINDOW = 7
SSIM_RANGE = 2.0
"""The data range assumed by the software behind the published tables, not that of the images.

It makes the two stabilizing constants tiny against squared gray levels, so that SSIM counts
structure in the darkest corner as much as anywhere; with 255 all values would be higher.
"""


@dataclass(frozen=True)
class LocalMoments:
    """Sums over every SSIM window of one image: integers, so that differences of them are exact.

    Attributes:
        image: ``(H, W) float64``, gray levels.
        total: ``(h, w) float64``.
        spread: ``(h, w) float64``: pixels times the sum of squares less the square of the total.
    """

    image: Float64Array
    total: Float64Array
    spread: Float64Array


def local_moments(image: UInt8Array) -> LocalMoments:
    """Moments in the windows that lie wholly in the image.

    Args:
        image: ``(H, W) uint8``.
    """
    levels = image.astype(np.float64)
    total, spread = _window_sum(levels), _window_sum(levels * levels)
    for rows in row_blocks(total.shape):
        spread[rows] = SSIM_WINDOW**2 * spread[rows] - total[rows] * total[rows]
    return LocalMoments(levels, total, spread)


def structural_similarity(one: LocalMoments, other: LocalMoments) -> float:
    """SSIM of two images, -1 to 1: mean over uniform 7x7 windows, sample covariances.

    Equation 13 of Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE Transactions on Image Processing 13(4), 2004, with
    K1 = 0.01, K2 = 0.03 and the data range `SSIM_RANGE`. For a fused image the published tables add
    the SSIMs with its two sources.
    """
    area = SSIM_WINDOW**2
    # Sums instead of means, so both constants are larger by as much.
    c1 = (0.01 * SSIM_RANGE) ** 2 * area**2
    c2 = (0.03 * SSIM_RANGE) ** 2 * area * (area - 1)
    products = _window_sum(one.image * other.image)
    similarity = np.empty(products.shape)
    for rows in row_blocks(products.shape):
        product = one.total[rows] * other.total[rows]
        covariance = area * products[rows] - product
        spread = one.spread[rows] + other.spread[rows]
        luminance = (2 * product + c1) / (one.total[rows] ** 2 + other.total[rows] ** 2 + c1)
        similarity[rows] = luminance * (2 * covariance + c2) / (spread + c2)
    return float(similarity.mean())


def _window_sum(image: Float64Array) -> Float64Array:
    margin, size = SSIM_WINDOW // 2, (SSIM_WINDOW, SSIM_WINDOW)
    sums = np.asarray(cv2.boxFilter(image, cv2.CV_64F, size, normalize=False), np.float64)
    return sums[margin:-margin, margin:-margin]


@dataclass(frozen=True)
class Edges:
    """Sobel edges of one image.

    Attributes:
        strength: ``(H, W) float32``, gray levels (of the sum of eight).
        angle: ``(H, W) float32``, radians; that of a line, so within -pi/2 to pi/2.
    """

    strength: FloatArray
    angle: FloatArray


def edges(image: UInt8Array) -> Edges:
    """Edges for `edge_transfer`.

    Args:
        image: ``(H, W) uint8``; black outside.
    """
    levels = image.astype(np.float32)
    leftward = -cv2.Sobel(levels, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_CONSTANT)
    downward = cv2.Sobel(levels, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_CONSTANT)
    strength, angle = np.empty_like(levels), np.empty_like(levels)
    for rows in row_blocks(levels.shape):
        left, down = leftward[rows], downward[rows]
        steep = left == 0
        slope = down / np.where(steep, np.float32(1), left)
        angle[rows] = np.where(steep, np.float32(np.pi / 2), np.arctan(slope))
        strength[rows] = np.sqrt(left**2 + down**2)
    return Edges(strength, angle)


def edge_transfer(sources: Sequence[Edges], fused: Edges) -> float:
    """Qabf: how much of the sources' edges, weighted by their strength, survives; 0 to 1.

    Xydeas and Petrovic, "Objective image fusion performance measure", Electronics Letters 36(4),
    2000, with their constants. 0 where no source has an edge.

    Args:
        sources: Edges of the two inputs.
        fused: Edges of the fused image.
    """
    available = sum(float(source.strength.sum(dtype=np.float64)) for source in sources)
    kept = sum(_kept(source, fused) for source in sources)
    return kept / available if available > 0.0 else 0.0


def _kept(source: Edges, fused: Edges) -> float:
    """Strength of a source's edges that survives, summed over the image."""
    kept = np.empty_like(source.strength)
    for rows in row_blocks(kept.shape):
        ours = Edges(source.strength[rows], source.angle[rows])
        theirs = Edges(fused.strength[rows], fused.angle[rows])
        kept[rows] = _preservation(ours, theirs) * ours.strength
    return float(kept.sum(dtype=np.float64))


def _preservation(source: Edges, fused: Edges) -> FloatArray:
    """How well strength and angle of each edge are preserved: Q of (Xydeas and Petrovic 2000)."""
    weaker = np.minimum(source.strength, fused.strength)
    stronger = np.maximum(source.strength, fused.strength)
    # Where both are equal, the evaluators behind the published tables take the strength itself for
    # the ratio; for edges of at least one gray level both saturate the sigmoid.
    ratio = np.where(weaker == stronger, weaker, weaker / np.maximum(stronger, np.float32(1e-6)))
    alignment = 1 - np.abs(source.angle - fused.angle) * np.float32(2 / np.pi)
    strength = np.float32(0.9994) / (1 + np.exp(np.float32(-15) * (ratio - np.float32(0.5))))
    angle = np.float32(0.9879) / (1 + np.exp(np.float32(-22) * (alignment - np.float32(0.8))))
    return strength * angle
