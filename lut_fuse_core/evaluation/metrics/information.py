"""Metrics from information theory: entropy and mutual information of gray levels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import UInt8Array

LEVELS = 256


def entropy(image: UInt8Array) -> float:
    """EN: Shannon entropy of the gray levels, in bits, 0 to 8.

    ``-sum p log2 p`` over the normalized histogram p (Roberts, van Aardt and Ahmed, "Assessment of
    image fusion procedures using entropy, image quality, and multispectral classification",
    Journal of Applied Remote Sensing 2, 2008).

    Args:
        image: ``(H, W) uint8``.
    """
    return _entropy_of(np.bincount(image.ravel(), minlength=LEVELS)) / float(np.log(2.0))


def mutual_information(one: UInt8Array, other: UInt8Array) -> float:
    """Mutual information of the gray levels of two images, in nats, from 0.

    ``H(one) + H(other) - H(one, other)``. one, other: ``(H, W) uint8``.
    """
    pairs = one.ravel().astype(np.int64) * LEVELS + other.ravel()
    joint = np.bincount(pairs, minlength=LEVELS * LEVELS).reshape(LEVELS, LEVELS)
    separate = _entropy_of(joint.sum(axis=0)) + _entropy_of(joint.sum(axis=1))
    return max(separate - _entropy_of(joint), 0.0)


def fusion_mutual_information(
    infrared: UInt8Array, visible: UInt8Array, fused: UInt8Array
) -> float:
    """MI: what the fused image tells about its two sources, in nats, from 0.

    Sum of the mutual informations with either source (Qu, Zhang and Yan, "Information measure for
    performance of image fusion", Electronics Letters 38(7), 2002).

    Args:
        infrared: ``(H, W) uint8``.
        visible: ``(H, W) uint8``, luma.
        fused: ``(H, W) uint8``, luma.
    """
    return mutual_information(fused, infrared) + mutual_information(fused, visible)


def _entropy_of(counts: npt.NDArray[np.int64]) -> float:
    probability = counts[counts > 0] / counts.sum()
    return float(-(probability * np.log(probability)).sum())
