"""Edges that visible and infrared images share, as small integers, fast enough for every frame."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray

CHANNELS = 4
"""Orientations between 0 and 180 degrees."""

UNIT = 1000
"""What a clear edge counts in its channel."""

POOL = 1.5
"""Working pixels over which an edge may stray."""

WIDE = 32
"""Working pixels over which the mean of a channel is structure of the whole scene, and dropped:
where edges are everywhere, as in leaves, they fit everywhere."""


def edge_channels(gray: FloatArray) -> npt.NDArray[np.int16]:
    """Direction of edges at each pixel, ``(H, W) float32`` to ``(H, W, CHANNELS) int16``.

    As `registration.edge_channels`, in integers: whether a wall is dark or bright, and how strong
    its edge is, differs between the images; that there is an edge, and how it runs, does not.
    """
    smooth = cv2.GaussianBlur(gray, (5, 5), 0.8)
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1)
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1)
    strength = cv2.magnitude(gx, gy)
    usual = float(np.median(strength[::3, ::3]))
    weight = np.float32(UNIT) / (strength * np.float32(2**0.5) + np.float32(0.7 * usual + 0.3))
    gx, gy = cv2.multiply(gx, weight), cv2.multiply(gy, weight)
    half = np.float32(0.5**0.5)
    slanted = cv2.add(gx, gy) * half, cv2.subtract(gy, gx) * half
    channels = np.abs(cv2.merge([gx, slanted[0], gy, slanted[1]]))
    pooled = cv2.GaussianBlur(channels, (9, 9), POOL)
    height, width = gray.shape
    coarse = cv2.resize(pooled, (-(-width // 4), -(-height // 4)), interpolation=cv2.INTER_AREA)
    coarse = cv2.blur(coarse, (WIDE // 4 + 1, WIDE // 4 + 1), borderType=cv2.BORDER_REFLECT_101)
    wide = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.subtract(pooled, wide).astype(np.int16)
