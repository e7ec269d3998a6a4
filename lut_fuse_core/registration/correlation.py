"""Correlation of images at every shift, in the frequency domain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.libraries.opencv import cv2


def spectrum(image: FloatArray, shape: Sequence[int]) -> FloatArray:
    """The spectrum of an image with zeros beyond its right and lower border.

    Args:
        image: ``(h, w) float32``.
        shape: ``(H, W)`` with these zeros, as `cv2.getOptimalDFTSize` has it.

    Returns:
        ``(H, W) float32``, in OpenCV's layout for the spectrum of a real image.
    """
    height, width = image.shape
    padded = np.zeros(tuple(shape), np.float32)
    padded[:height, :width] = image
    return np.asarray(cv2.dft(padded, nonzeroRows=height), np.float32)


def correlation(pairs: Sequence[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """The correlation of images with others, summed over all pairs.

    Args:
        pairs: Spectra of each image and of the other, of one shape; at least one pair.

    Returns:
        ``(H, W) float32``: at row and column by how much the other is shifted, modulo the shape.
    """
    total = np.zeros_like(pairs[0][0])
    for image, other in pairs:
        total += cv2.mulSpectrums(image, other, 0, conjB=True)
    flags = cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT
    return np.asarray(cv2.dft(total, flags=flags), np.float32)
