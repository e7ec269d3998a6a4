"""Edges that visible and infrared images share: oriented gradients without sign or strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.infrared.quantiles import middle
from lut_fuse_core.libraries.opencv import cv2

Blur = Callable[[FloatArray, float], FloatArray]
"""Smooths ``(H, W)`` or ``(H, W, C) float32`` with a Gaussian of so many pixels."""


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


def energy_of(channels: FloatArray) -> FloatArray:
    """The sum of the squares of a pixel's channels, ``(h, w)``; of ``(h, w, channels) float32``."""
    return np.einsum("ijk,ijk->ij", channels, channels)


def gaussian(size: int, sigma: float) -> FloatArray:
    """Weights of a Gaussian of so many pixels, ``(size,) float32``; they add up to 1."""
    steps = np.arange(size) - (size - 1) / 2
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    return (weights / weights.sum()).astype(np.float32)


def oriented_channels(
    gray: FloatArray, settings: ChannelSettings, blurred: Blur | None = None
) -> FloatArray:
    """Direction of edges at each pixel.

    A warm wall may be dark or bright in the visible image, and an edge faint or strong; that there
    is an edge, and how it runs, is what both have in common. So the sign of the gradient is
    dropped and its strength divided out, softly, that noise may not count as edges (after the
    channel features of oriented gradients of Ye et al., IEEE TGRS 2019).

    Args:
        gray: ``(H, W) float32``, gray levels.
        settings: Scales and number of orientations.
        blurred: What smooths; None for OpenCV.

    Returns:
        ``(H, W, channels) float32``, around zero where ``high_pass`` is above 0, else from 0.
    """
    blur = blurred or _blurred
    smooth = blur(gray, settings.sigma)
    gx, gy = np.zeros_like(smooth), np.zeros_like(smooth)
    gx[:, 1:-1] = smooth[:, 2:] - smooth[:, :-2]
    gy[1:-1] = smooth[2:] - smooth[:-2]
    count = settings.channels
    directions = np.empty((*gray.shape, count), np.float32)
    for index in range(count):
        across, down = (np.float32(f(np.pi * index / count)) for f in (np.cos, np.sin))
        np.abs(across * gx + down * gy, out=directions[..., index])
    # The squares of evenly spaced directions sum up to this multiple of the squared gradient.
    strength = np.float32(np.sqrt(count / 2)) * np.sqrt(gx * gx + gy * gy)
    directions /= (strength + np.float32(0.5 * middle(strength) + 0.3))[..., None]
    pooled = blur(directions, settings.pool)
    if settings.high_pass > 0:
        pooled = pooled - blur(pooled, settings.high_pass * settings.pool)
    return pooled.astype(np.float32, copy=False)


def _blurred(image: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
