"""Low-order approximation encoding (LAE): luma and visible gradient; chroma is kept apart.

All features are gray levels: 0 to 255 for luma and infrared, a comparable scale for the gradient.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, UInt8Array, gray_view, is_gray_view
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.model.fusion_model import FusionModel, GradientSpec
from lut_fuse_core.model.scenes import Place
from lut_fuse_core.native.bindings import Frame, load_library

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of R, G, B in the luma: ITU-R BT.601, full range."""

AMBIENT_GRID = 64
"""The ambient level is measured at so many rows and columns, spread evenly over the frame. This and
the next number stand in native/model.cpp, too."""

AMBIENT_RANK = 1638
"""The ambient level is the 40th percentile of luma: so many of these pixels are darker. A lamp or a
dark vehicle that enters the picture, however bright or dark, hardly moves it."""


def luma(visible: UInt8Array) -> FloatArray:
    """Luma of an image: N_v, the zeroth order of the visible image (paper, section 3.2).

    Args:
        visible: ``(H, W, 3) uint8``, RGB.

    Returns:
        ``(H, W) float32`` in 0..255.
    """
    red, green, blue = (visible[..., channel].astype(np.float32) for channel in range(3))
    return (
        np.float32(LUMA_WEIGHTS[0]) * red
        + np.float32(LUMA_WEIGHTS[1]) * green
        + np.float32(LUMA_WEIGHTS[2]) * blue
    )


def ambient(visible: UInt8Array) -> float:
    """How bright the scene is: the 40th percentile of the frame's luma.

    Args:
        visible: ``(H, W, 3) uint8``, RGB.

    Returns:
        Gray levels, 0 to 256.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        library = None
    is_plane = visible.strides[1:] == (1, 0)
    if library is None or not (is_plane or visible.strides[1:] == (3, 1)):
        return ambient_of_samples(ambient_samples(visible))
    frame = Frame(visible=visible.ctypes.data, visible_stride=visible.strides[0])
    frame.height, frame.width, frame.channels = *visible.shape[:2], 1 if is_plane else 3
    found = (ctypes.c_int32 * 3)()
    library.lut_fuse_ambient(ctypes.byref(frame), ctypes.byref(found))
    whole, left, count = found
    return whole + left / count


def ambient_of_samples(pixels: UInt8Array) -> float:
    """The ambient level of a frame, from the pixels that `ambient_samples` takes of it.

    Pixels are counted by their luma in whole gray levels, rounded down, and taken as spread evenly
    up to the next: so the level changes smoothly, and every backend finds the same.

    Args:
        pixels: ``(AMBIENT_GRID**2, 3) uint8``, RGB.

    Returns:
        Gray levels, 0 to 256.
    """
    thousandths = pixels.astype(np.int32) @ np.array([299, 587, 114], np.int32)
    counts = np.bincount(thousandths // 1000, minlength=256)
    reached = np.cumsum(counts)
    level = int(np.searchsorted(reached, AMBIENT_RANK))
    return level + float(AMBIENT_RANK - (reached[level] - counts[level])) / float(counts[level])


def ambient_samples(visible: UInt8Array) -> UInt8Array:
    """The pixels by which the ambient level of a frame is measured.

    Args:
        visible: ``(H, W, 3) uint8``, RGB.

    Returns:
        ``(AMBIENT_GRID**2, 3) uint8``; of images with fewer rows or columns some more than once.
    """
    height, width = visible.shape[:2]
    rows, columns, places = _sampled(height, width)
    if is_gray_view(visible):
        return gray_view(visible[..., 0].reshape(1, -1).take(places, axis=1))[0]
    if visible.flags.c_contiguous:
        return visible.reshape(-1, 3).take(places, axis=0)
    # Faster than one index for both.
    return visible[rows].take(columns, axis=1).reshape(-1, 3)


@lru_cache(maxsize=16)
def _sampled(height: int, width: int) -> tuple[npt.NDArray[np.int_], ...]:
    """Rows and columns of the pixels that tell the ambient level, and their places row by row."""
    centers = 2 * np.arange(AMBIENT_GRID) + 1
    rows, columns = (centers * side // (2 * AMBIENT_GRID) for side in (height, width))
    return rows, columns, (rows[:, np.newaxis] * width + columns).reshape(-1)


def place(visible: UInt8Array, model: FusionModel, level: float | None = None) -> Place:
    """Where the scene of a frame is between a model's lattices, see `FusionModel.place`.

    Args:
        visible: ``(H, W, 3) uint8``, RGB.
        model: The model.
        level: Ambient level in gray levels; None to measure it in this frame.

    Returns:
        Number of a lattice and the share of the next one.
    """
    if level is None and model.knows_scenes:
        level = ambient(visible)
    return model.place(level or 0.0)


def gradient(luma_image: FloatArray, spec: GradientSpec) -> FloatArray:
    """Gradient of the luma: G_v, the first order of the visible image (paper, section 3.2).

    Args:
        luma_image: ``(H, W) float32`` in 0..255.
        spec: Norm, border and scaling.

    Returns:
        ``(H, W) float32`` in gray levels, from 0.
    """
    mode = "constant" if spec.border == "zero" else "edge"
    padded = np.pad(luma_image, 1, mode=mode)  # type: ignore[call-overload]
    left, right = padded[:, :-2], padded[:, 2:]
    horizontal = (right - left)[:-2] + 2 * (right - left)[1:-1] + (right - left)[2:]
    up, down = padded[:-2], padded[2:]
    vertical = (down - up)[:, :-2] + 2 * (down - up)[:, 1:-1] + (down - up)[:, 2:]
    if spec.norm == "l1":
        magnitude = np.abs(horizontal) + np.abs(vertical)
    else:
        magnitude = np.sqrt(horizontal**2 + vertical**2)
    return scaled_gradient(magnitude, spec)


def scaled_gradient(magnitude: FloatArray, spec: GradientSpec) -> FloatArray:
    """A gradient in gray levels of the gradient axis.

    Args:
        magnitude: ``(H, W) float32``, Sobel response in gray levels, from 0.
        spec: Scaling and scale.

    Returns:
        ``(H, W) float32``, from 0; up to 255 where each frame is scaled.
    """
    if spec.scaling == "fixed":
        return magnitude * np.float32(spec.scale)
    low, high = magnitude.min(), magnitude.max()
    return (magnitude - low) * np.float32(255.0 / (high - low + 255e-8))


def replace_luma(visible: UInt8Array, old: FloatArray, new: FloatArray) -> FloatArray:
    """The image with its luma replaced and its chroma kept.

    With chroma C = RGB - luma (BT.601's YCbCr is a linear map of it), keeping the chroma means
    adding the change of luma to each channel.

    Args:
        visible: ``(H, W, 3) uint8``, RGB.
        old: ``(H, W) float32`` gray levels, what the image has.
        new: ``(H, W) float32`` gray levels, what it shall have.

    Returns:
        ``(H, W, 3) float32`` gray levels, not clipped.
    """
    return visible.astype(np.float32) + (new - old)[..., None]
