"""The two cameras of the synthetic street: light to 8-bit color, temperature to 16-bit counts."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.synthetic.camera_view import Float32Array

COUNTS_PER_DEGREE = 25.0
COUNTS_AT_ZERO = 7000.0
NOISE_COUNTS = 1.5
"""Temporal noise of the infrared sensor: 60 mK, an ordinary uncooled camera."""

_LEVELS = 4096
_BANK_MARGIN = 61


class VisibleSensor:
    """Linear light to 8-bit sRGB, with shot noise and read noise as at night.

    Args:
        width: In pixels.
        height: In pixels.
        seed: Of the noise.
        day: Whether it is exposed for the day.
        noisy: False for an ideal sensor.
    """

    def __init__(self, width: int, height: int, seed: int, day: bool, noisy: bool) -> None:
        rng = np.random.default_rng((seed, 1))
        shape = (height + _BANK_MARGIN, width + _BANK_MARGIN, 3)
        self._bank = rng.standard_normal(shape, np.float32) if noisy else None
        self._read, self._shot = (0.0002, 0.0006) if day else (0.0035, 0.0011)
        self._exposure = 0.85 if day else 1.0
        self._curve = _srgb_curve()

    def expose(self, light: Float32Array, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """``(H, W, 3) float32`` linear RGB to ``(H, W, 3) uint8``; ``light`` is overwritten."""
        light *= self._exposure
        np.minimum(light, 2.0, out=light)
        # A soft shoulder keeps color in what is bright; values beyond 2 are white anyway.
        light *= 1 - 0.18 * light
        if self._bank is not None:
            spread = cv2.sqrt(light * self._shot + self._read**2)
            light += spread * _window(self._bank, light.shape, rng)
        np.clip(light, 0, 1, out=light)
        index = (light * (_LEVELS - 1) + 0.5).astype(np.uint16)
        return self._curve[index]


class InfraredSensor:
    """Apparent temperature to 14-bit counts: lens blur, noise, fixed pattern and slow drift.

    Args:
        width: In pixels.
        height: In pixels.
        seed: Of the noise.
        noisy: False for an ideal sensor.
    """

    def __init__(self, width: int, height: int, seed: int, noisy: bool) -> None:
        rng = np.random.default_rng((seed, 2))
        shape = (height + _BANK_MARGIN, width + _BANK_MARGIN)
        self._bank = rng.standard_normal(shape, np.float32) if noisy else None
        columns = 0.7 * rng.standard_normal((1, width), np.float32)
        pixels = 0.7 * rng.standard_normal((height, width), np.float32)
        across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        narcissus = -9.0 * np.exp(-(across**2 + down**2) / 0.5)
        self._pattern = (columns + pixels + narcissus).astype(np.float32)
        self._phase = float(rng.uniform(0, 2 * np.pi))
        self._blur = max(0.55, 0.75 * width / 640)

    def expose(
        self, temperature: Float32Array, time: float, rng: np.random.Generator
    ) -> npt.NDArray[np.uint16]:
        """``(H, W) float32`` degrees Celsius at ``time`` seconds to ``(H, W) uint16`` counts."""
        counts: Float32Array = cv2.GaussianBlur(temperature, (0, 0), self._blur).astype(
            np.float32, copy=False
        )
        counts *= COUNTS_PER_DEGREE
        counts += COUNTS_AT_ZERO
        if self._bank is not None:
            drift = 35.0 * np.sin(2 * np.pi * time / 47.0 + self._phase) + 0.8 * time
            counts += self._pattern
            counts += _window(self._bank, counts.shape, rng) * NOISE_COUNTS + np.float32(drift)
        return np.clip(np.rint(counts), 0, 16383).astype(np.uint16)


def _window(bank: Float32Array, shape: tuple[int, ...], rng: np.random.Generator) -> Float32Array:
    """A part of a bank of noise: much faster than new noise for every frame."""
    top, left = rng.integers(0, _BANK_MARGIN, 2)
    return bank[top : top + shape[0], left : left + shape[1]]


def _srgb_curve() -> npt.NDArray[np.uint8]:
    """Linear light, 0 to 1 in `_LEVELS` steps, to sRGB (IEC 61966-2-1)."""
    linear = np.linspace(0, 1, _LEVELS)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * curve).astype(np.uint8)
