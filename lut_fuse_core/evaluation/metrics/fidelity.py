"""VIF: visual information fidelity in the pixel domain."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array, UInt8Array

SCALES = 4
EYE_NOISE = 2.0
"""Variance of the visual noise, in squared gray levels (Sheikh and Bovik's constant)."""

_EPSILON = 1e-10


@dataclass(frozen=True)
class _Scale:
    """One level of the pyramid and its Gaussian-windowed mean and variance."""

    image: Float64Array
    mean: Float64Array
    variance: Float64Array


Pyramid = tuple[_Scale, ...]


def pyramid(image: UInt8Array) -> Pyramid:
    """The image at four scales with local moments. image: ``(H, W) uint8``, at least 41x41."""
    level = image.astype(np.float64)
    scales = []
    for index in range(SCALES):
        if index > 0:
            level = np.ascontiguousarray(_smooth(level, index)[::2, ::2])
        mean = _smooth(level, index)
        variance = np.maximum(_smooth(level * level, index) - mean * mean, 0.0)
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
        covariance = _smooth(source.image * result.image, index) - source.mean * result.mean
        covariance = np.maximum(covariance, 0.0)
        gain = covariance / (source.variance + _EPSILON)
        noise = np.maximum(result.variance - gain * covariance, 0.0)
        kept += np.log1p(gain * gain * source.variance / (noise + EYE_NOISE)).sum()
        available += np.log1p(source.variance / EYE_NOISE).sum()
    return float(kept / available) if available > _EPSILON * reference[0].image.size else 1.0


def _smooth(image: Float64Array, index: int) -> Float64Array:
    """Gaussian means in the windows of scale ``index`` that lie wholly in the image."""
    margin = 2 ** (SCALES - 1 - index)
    size = 2 * margin + 1
    smoothed = np.asarray(cv2.GaussianBlur(image, (size, size), size / 5.0), np.float64)
    return smoothed[margin:-margin, margin:-margin]
