"""Metrics from moments and differences of gray levels: SD, SF, AG, CC, SCD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.evaluation.metrics.blocks import row_blocks

FloatVector = npt.NDArray[np.float64]


def standard_deviation(image: UInt8Array) -> float:
    """SD: standard deviation of the gray levels, 0 to 127.5; global contrast.

    As in the survey of Ma, Ma and Li, "Infrared and visible image fusion methods and applications",
    Information Fusion 45, 2019.

    Args:
        image: ``(H, W) uint8``.
    """
    return float(image.std(dtype=np.float64))


def spatial_frequency(image: UInt8Array) -> float:
    """SF: root of the mean squared row difference plus column difference, in gray levels.

    ``sqrt(RF^2 + CF^2)`` (Eskicioglu and Fisher, "Image quality measures and their performance",
    IEEE Transactions on Communications 43(12), 1995), each mean over the differences there are.

    Args:
        image: ``(H, W) uint8``.
    """
    levels = image.astype(np.int32)
    rows = np.square(np.diff(levels, axis=1)).mean()
    columns = np.square(np.diff(levels, axis=0)).mean()
    return float(np.sqrt(rows + columns))


def average_gradient(image: UInt8Array) -> float:
    """AG: mean of ``sqrt((gx^2 + gy^2) / 2)``, in gray levels per pixel.

    Cui, Feng, Xu, Li and Chen, "Detail preserved fusion of visible and infrared images using
    regional saliency extraction and multi-scale image decomposition", Optics Communications 341,
    2015; with central differences (one-sided at the border).

    Args:
        image: ``(H, W) uint8``.
    """
    levels = image.astype(np.float32)
    strength = np.empty_like(levels)
    for rows in row_blocks(levels.shape):
        first, last = max(rows.start - 1, 0), min(rows.stop + 1, len(levels))
        block = levels[first:last]  # with a row more at each end
        down, right = (np.asarray(np.gradient(block, axis=axis)) for axis in range(2))
        inner = slice(rows.start - first, rows.stop - first)
        steepness = down[inner] ** 2 + right[inner] ** 2
        strength[rows] = np.sqrt(steepness * np.float32(0.5))
    return float(strength.mean(dtype=np.float64))


@dataclass(frozen=True)
class Centered:
    """An image less its mean, for correlations.

    Attributes:
        image: ``(H, W)``, of integers that float32 holds.
        values: ``(H * W,)``.
        energy: Sum of the squared values.
    """

    image: FloatArray
    values: FloatVector
    energy: float


def centered(image: FloatArray | UInt8Array) -> Centered:
    """An image, ``(H, W)`` of any real type, less its mean."""
    values = image.ravel().astype(np.float64)
    values -= values.mean()
    return Centered(image.astype(np.float32, copy=False), values, _dot(values, values))


def correlation(one: Centered, other: Centered) -> float:
    """Pearson correlation of two images, -1 to 1; 0 where one of them is constant."""
    energies = one.energy * other.energy
    return _dot(one.values, other.values) / energies**0.5 if energies > 0.0 else 0.0


def _dot(a: FloatVector, b: FloatVector) -> float:
    """Scalar product without BLAS, whose threads cost more than they save at this size."""
    return float(np.einsum("i,i", a, b))


def correlation_coefficient(infrared: Centered, visible: Centered, fused: Centered) -> float:
    """CC: mean of the fused image's Pearson correlations with its two sources, -1 to 1.

    As in the survey of Ma, Ma and Li (2019).

    Args:
        infrared: Centered gray levels.
        visible: Likewise.
        fused: Likewise.
    """
    return (correlation(fused, infrared) + correlation(fused, visible)) / 2


def sum_of_correlations_of_differences(
    infrared: Centered, visible: Centered, fused: Centered
) -> float:
    """SCD: does what the fused image adds to one source look like the other? -2 to 2.

    ``r(F - B, A) + r(F - A, B)`` with Pearson's r (Aslantas and Bendes, "A new image quality metric
    for image fusion: the sum of the correlations of differences", AEU International Journal of
    Electronics and Communications 69(12), 2015).

    Args:
        infrared: Centered gray levels.
        visible: Likewise.
        fused: Likewise.
    """
    added_to_visible = centered(fused.image - visible.image)
    added_to_infrared = centered(fused.image - infrared.image)
    return correlation(added_to_visible, infrared) + correlation(added_to_infrared, visible)
