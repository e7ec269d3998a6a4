"""Images brought to a small grid, and what is done with them there without OpenCV.

The grid has some ten thousand pixels. A node that uses nothing else of OpenCV needs not import it.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, RawInfrared, Size
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.native.bindings import Areas, Blur, load_library
from lut_fuse_core.registration.edge_channels import gaussian

WINDOW = 2
"""Pixels to every side that `inner` looks at."""


def shrunk(image: FloatArray | RawInfrared, size: Size) -> FloatArray:
    """An image whose pixels are the means of the areas that they stand for.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``, uint8, uint16 or float32.
        size: Wanted, width and height.

    Returns:
        ``(h, w)`` or ``(h, w, C) float32``.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        if image.ndim == 2:
            image = image.astype(np.float32)  # of whole numbers OpenCV makes whole numbers
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
    adjacent: npt.NDArray[Any] = np.ascontiguousarray(image)
    height, width, channels = (*image.shape, 1)[:3]
    result = np.empty((size[1], size[0], *image.shape[2:]), np.float32)
    described = Areas(
        adjacent.ctypes.data,
        result.ctypes.data,
        *(height, width, channels, image.itemsize, size[1], size[0]),
    )
    if library.lut_fuse_mean_areas(ctypes.byref(described)):
        raise MemoryError("no memory to make an image smaller")
    return result


def blurred(image: FloatArray, sigma: float) -> FloatArray:
    """An image smoothed with a Gaussian as OpenCV does it.

    Args:
        image: ``(h, w)`` or ``(h, w, C) float32``.
        sigma: Pixels.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
    image, weights = np.ascontiguousarray(image), gaussian(round(8 * sigma + 1) | 1, sigma)
    result = np.empty_like(image)
    height, width, channels = (*image.shape, 1)[:3]
    described = Blur(
        *(each.ctypes.data for each in (image, weights, result)),
        *(height, width, channels, len(weights)),
    )
    if library.lut_fuse_blur(ctypes.byref(described)):
        raise MemoryError("no memory to smooth an image")
    return result


def sampled(image: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Values between the pixels of an image, which goes on as its border does.

    Args:
        image: ``(H, W) float32``.
        x: ``(h, w) float32``, column of each value; NaN for any.
        y: The row of each.

    Returns:
        ``(h, w) float32``.
    """
    height, width = image.shape
    x, y = (
        np.clip(np.nan_to_num(at, nan=0.0), 0, side - 1) for at, side in ((x, width), (y, height))
    )
    left = np.minimum(x.astype(np.intp), max(width - 2, 0))
    top = np.minimum(y.astype(np.intp), max(height - 2, 0))
    right, low = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = x - left, y - top
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[low, left] * (1 - across) + image[low, right] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def inner(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where a mask, ``(h, w)``, also holds `WINDOW` pixels around; beyond its border it does."""
    for axis in range(2):
        border = [(WINDOW, WINDOW) if each == axis else (0, 0) for each in range(2)]
        padded = np.pad(mask, border, constant_values=True)
        length = mask.shape[axis]
        steps = range(2 * WINDOW + 1)
        mask = np.all([padded.take(range(s, s + length), axis) for s in steps], axis=0)
    return mask


def window_sums(values: FloatArray, side: int) -> FloatArray:
    """Sums over the squares of a side that begin at each pixel, as far as they are inside.

    Args:
        values: ``(h, w) float32``.
        side: Of the squares.

    Returns:
        ``(h - side + 1, w - side + 1) float32``.
    """
    sums = np.pad(values.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows = sums[side:] - sums[:-side]
    return np.asarray(rows[:, side:] - rows[:, :-side], np.float32)


def products(window: FloatArray, template: FloatArray) -> FloatArray:
    """Sums of products with a template at each place in a window.

    Args:
        window: ``(H, W, C) float32``.
        template: ``(h, w, C) float32``.

    Returns:
        ``(H - h + 1, W - w + 1) float32``.
    """
    size = window.shape[:2]
    here, there = (np.fft.rfft2(each, size, axes=(0, 1)) for each in (window, template))
    whole = np.fft.irfft2((here * there.conj()).sum(axis=2), size)
    rows, columns = (a - b + 1 for a, b in zip(size, template.shape[:2], strict=True))
    return np.asarray(whole[:rows, :columns], np.float32)
