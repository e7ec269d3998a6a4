"""VIF: visual information fidelity in the pixel domain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array, UInt8Array
from lut_fuse_core.evaluation.metrics.blocks import row_blocks

SCALES = 4
EYE_NOISE = 2.0
"""Variance of the visual noise, in squared gray levels (Sheikh and Bovik's constant)."""

NEGLIGIBLE = 1e-10
"""Information per pixel, in nats, below which a source has no structure."""

_EPSILON = 1e-10


@dataclass(frozen=True)
class _Scale:
    """One level of the pyramid.

    Attributes:
        image: Gray levels, ``(h, w)``.
        mean: In Gaussian windows that lie wholly in the image.
        variance: Likewise.
    """

    image: Float64Array
    mean: Float64Array
    variance: Float64Array

    @cached_property
    def available(self) -> float:
        """Information that the eye gets from this scale, in nats."""
        information = np.empty(self.variance.shape)
        for rows in row_blocks(information.shape):
            information[rows] = np.log1p(self.variance[rows] / EYE_NOISE)
        return float(information.sum())


Pyramid = tuple[_Scale, ...]


def pyramid(image: UInt8Array) -> Pyramid:
    """The image at four scales with local moments.

    Args:
        image: ``(H, W) uint8``, at least 41x41.
    """
    level = image.astype(np.float64)
    scales = []
    for index in range(SCALES):
        if index > 0:
            level = np.ascontiguousarray(_smooth(level, index)[::2, ::2])
        mean, variance = _smooth(level, index), _smooth(level * level, index)
        for rows in row_blocks(mean.shape):
            variance[rows] = np.maximum(variance[rows] - mean[rows] * mean[rows], 0.0)
        scales.append(_Scale(level, mean, variance))
    return tuple(scales)


def visual_information_fidelity(reference: Pyramid, fused: Pyramid) -> float:
    """VIF of a fused image against one source, from 0; 1 if identical, above 1 if enhanced.

    Information that the eye gets from the fused image about the source, over what it gets from the
    source itself: Sheikh and Bovik, "Image information and visual quality", IEEE Transactions on
    Image Processing 15(2), 2006, in its pixel-domain form on four scales (Gaussian windows of 17,
    9, 5 and 3 pixels). For a fused image the published tables add the VIFs against its two sources.

    A source without any structure has no information to lose: the result is 1.
    """
    kept = available = 0.0
    for index, (source, result) in enumerate(zip(reference, fused, strict=True)):
        products = _smooth(source.image * result.image, index)
        information = np.empty(products.shape)
        for rows in row_blocks(products.shape):
            covariance = products[rows] - source.mean[rows] * result.mean[rows]
            covariance = np.maximum(covariance, 0.0)
            gain = covariance / (source.variance[rows] + _EPSILON)
            noise = np.maximum(result.variance[rows] - gain * covariance, 0.0)
            signal = gain * gain * source.variance[rows]
            information[rows] = np.log1p(signal / (noise + EYE_NOISE))
        kept += information.sum()
        available += source.available
    return float(kept / available) if available > NEGLIGIBLE * reference[0].image.size else 1.0


def window(index: int) -> Float64Array:
    """The weights along one side of the windows of scale ``index``, ``(size, 1)``."""
    size = 2 ** (SCALES - index) + 1
    return np.asarray(cv2.getGaussianKernel(size, size / 5.0, cv2.CV_64F), np.float64)


def _smooth(image: Float64Array, index: int) -> Float64Array:
    """Gaussian means in the windows of scale ``index`` that lie wholly in the image."""
    weights = window(index)
    margin = len(weights) // 2
    smoothed = np.asarray(cv2.sepFilter2D(image, cv2.CV_64F, weights, weights), np.float64)
    return smoothed[margin:-margin, margin:-margin]
