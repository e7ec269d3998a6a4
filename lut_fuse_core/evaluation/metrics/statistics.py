"""Metrics from moments and differences of gray levels: SD, SF, AG, CC, SCD."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, UInt8Array

FloatVector = npt.NDArray[np.float64]


def standard_deviation(image: UInt8Array) -> float:
    """SD: standard deviation of the gray levels, 0 to 127.5; global contrast.

    As in the survey of Ma, Ma and Li, "Infrared and visible image fusion methods and applications",
    Information Fusion 45, 2019. image: ``(H, W) uint8``.
    """
    return float(image.std(dtype=np.float64))


def spatial_frequency(image: UInt8Array) -> float:
    """SF: root of the mean squared row difference plus column difference, in gray levels.

    ``sqrt(RF^2 + CF^2)`` (Eskicioglu and Fisher, "Image quality measures and their performance",
    IEEE Transactions on Communications 43(12), 1995), each mean over the differences there are.
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
    2015; with central differences (one-sided at the border). image: ``(H, W) uint8``.
    """
    down, right = np.gradient(image.astype(np.float32))
    return float(np.sqrt((down**2 + right**2) * np.float32(0.5)).mean(dtype=np.float64))


def correlation(one: FloatArray, other: FloatArray) -> float:
    """Pearson correlation of two images, -1 to 1; 0 where one of them is constant.

    one, other: ``(H, W)``, any real type.
    """
    a, b = (image.ravel().astype(np.float64) for image in (one, other))
    a, b = a - a.mean(), b - b.mean()
    energies = _dot(a, a) * _dot(b, b)
    return _dot(a, b) / energies**0.5 if energies > 0.0 else 0.0


def _dot(a: FloatVector, b: FloatVector) -> float:
    """Scalar product without BLAS, whose threads cost more than they save at this size."""
    return float(np.einsum("i,i", a, b))


def correlation_coefficient(infrared: UInt8Array, visible: UInt8Array, fused: UInt8Array) -> float:
    """CC: mean of the fused image's Pearson correlations with its two sources, -1 to 1.

    As in the survey of Ma, Ma and Li (2019). All ``(H, W) uint8``.
    """
    a, b, f = _as_float(infrared, visible, fused)
    return (correlation(f, a) + correlation(f, b)) / 2


def sum_of_correlations_of_differences(
    infrared: UInt8Array, visible: UInt8Array, fused: UInt8Array
) -> float:
    """SCD: does what the fused image adds to one source look like the other? -2 to 2.

    ``r(F - B, A) + r(F - A, B)`` with Pearson's r (Aslantas and Bendes, "A new image quality metric
    for image fusion: the sum of the correlations of differences", AEU International Journal of
    Electronics and Communications 69(12), 2015). All ``(H, W) uint8``.
    """
    a, b, f = _as_float(infrared, visible, fused)
    return correlation(f - b, a) + correlation(f - a, b)


def _as_float(*images: UInt8Array) -> tuple[FloatArray, ...]:
    return tuple(image.astype(np.float32) for image in images)
