"""Edges that visible and infrared images share: oriented gradients without sign or strength."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lut_fuse_core.arrays import FloatArray, UInt8Array


@dataclass(frozen=True)
class ChannelSettings:
    """How `oriented_channels` describes edges.

    Attributes:
        channels: Orientations between 0 and 180 degrees.
        sigma: Standard deviation in pixels of the Gaussian that smooths before the derivative.
        pool: Standard deviation in pixels of the Gaussian by which an edge may stray.
        high_pass: Standard deviation, in units of ``pool``, of the Gaussian mean that is subtracted
            as structure of the whole scene; 0 subtracts none.
    """

    channels: int = 4
    sigma: float = 1.0
    pool: float = 1.5
    high_pass: float = 5.0


def gray_levels(image: UInt8Array) -> FloatArray:
    """``(H, W, 3)`` RGB or ``(H, W)``, uint8, to ``(H, W) float32``."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    return image.astype(np.float32)


def oriented_channels(gray: FloatArray, settings: ChannelSettings) -> FloatArray:
    """Direction of edges at each pixel.

    A warm wall may be dark or bright in the visible image, and an edge faint or strong; that there
    is an edge, and how it runs, is what both have in common. So the sign of the gradient is
    dropped and its strength divided out, softly, that noise may not count as edges (after the
    channel features of oriented gradients of Ye et al., IEEE TGRS 2019).

    Args:
        gray: ``(H, W) float32``, gray levels.
        settings: Scales and number of orientations.

    Returns:
        ``(H, W, channels) float32``, around zero where ``high_pass`` is above 0, else from 0.
    """
    smooth = cv2.GaussianBlur(gray, (0, 0), settings.sigma)
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1)
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1)
    count = settings.channels
    angles = [np.pi * index / count for index in range(count)]
    parts = [cv2.addWeighted(gx, np.cos(angle), gy, np.sin(angle), 0) for angle in angles]
    directions = np.abs(cv2.merge(parts))
    # The squares of evenly spaced directions sum up to this multiple of the squared gradient.
    strength = np.float32(np.sqrt(count / 2)) * cv2.magnitude(gx, gy)
    middle = np.partition(strength, strength.size // 2, axis=None)[strength.size // 2]
    directions /= (strength + np.float32(0.5 * middle + 0.3))[..., None]
    pooled = cv2.GaussianBlur(directions, (0, 0), settings.pool)
    if settings.high_pass > 0:
        wide = cv2.GaussianBlur(pooled, (0, 0), settings.high_pass * settings.pool)
        pooled = cv2.subtract(pooled, wide)
    return pooled.astype(np.float32, copy=False)
