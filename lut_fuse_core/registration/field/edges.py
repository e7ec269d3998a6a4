"""Edges that visible and infrared images share, as small integers, fast enough for every frame."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.native.bindings import Edges, load_library
from lut_fuse_core.registration.edge_channels import gaussian

CHANNELS = 4
"""Orientations between 0 and 180 degrees."""

UNIT = 1000
"""Length of the vector of a strong edge's channels, before they are pooled."""

SMOOTHING = gaussian(5, 0.8)
"""Against noise."""

POOLING = gaussian(9, 1.5)
"""Working pixels over which an edge may stray."""

COARSE = 4
"""Pixels a side over which means of the surroundings are taken."""

WIDE = 9 * COARSE
"""Working pixels over which the mean of a channel is structure of the whole scene, and dropped:
where edges are everywhere, as in leaves, they fit everywhere."""


def edge_channels(gray: FloatArray, inside: FloatArray | None = None) -> npt.NDArray[np.int16]:
    """Direction of edges at each pixel.

    As `registration.edge_channels`, in integers: whether a wall is dark or bright, and how strong
    its edge is, differs between the images; that there is an edge, and how it runs, does not.

    Args:
        gray: ``(H, W) float32``.
        inside: ``(H, W) float32``, 1 where there is an image, 0 elsewhere; None for all.

    Returns:
        ``(H, W, CHANNELS) int16``.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        return edge_channels_portably(gray, inside)
    height, width = gray.shape
    channels = np.empty((height, width, CHANNELS), np.int16)
    gray = np.ascontiguousarray(gray)
    seen = None if inside is None else np.ascontiguousarray(inside)
    halves = (np.ascontiguousarray(each[len(each) // 2 :]) for each in (SMOOTHING, POOLING))
    smoothing, pooling = halves
    described = Edges(
        gray.ctypes.data,
        None if seen is None else seen.ctypes.data,
        *(smoothing.ctypes.data, pooling.ctypes.data, channels.ctypes.data),
        *(height, width, WIDE // COARSE, UNIT),
    )
    if library.lut_fuse_edge_channels(ctypes.byref(described)):
        raise MemoryError("no memory to find the edges of an image")
    return channels


def edge_channels_portably(
    gray: FloatArray, inside: FloatArray | None = None
) -> npt.NDArray[np.int16]:
    """`edge_channels` in OpenCV."""
    smooth = cv2.sepFilter2D(gray, cv2.CV_32F, SMOOTHING, SMOOTHING)
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1)
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1)
    strength = cv2.magnitude(gx, gy)
    some = np.sort(strength[::3, ::3], axis=None)
    usual = float(some[some.size // 2])
    weight = np.float32(UNIT) / (strength * np.float32(2**0.5) + np.float32(0.7 * usual + 0.3))
    gx, gy = cv2.multiply(gx, weight), cv2.multiply(gy, weight)
    half = np.float32(0.5**0.5)
    slanted = cv2.add(gx, gy) * half, cv2.subtract(gy, gx) * half
    channels = np.abs(cv2.merge([gx, slanted[0], gy, slanted[1]]))
    pooled = cv2.sepFilter2D(channels, cv2.CV_32F, POOLING, POOLING)
    height, width = gray.shape
    ends = 0, -height % COARSE, 0, -width % COARSE
    whole = cv2.copyMakeBorder(pooled, *ends, cv2.BORDER_REPLICATE)
    size = whole.shape[1] // COARSE, whole.shape[0] // COARSE
    coarse = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    reach = WIDE // COARSE
    coarse = cv2.blur(coarse, (reach, reach), borderType=cv2.BORDER_REFLECT_101)
    wide = cv2.resize(coarse, whole.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    found = cv2.subtract(pooled, wide[:height, :width])
    if inside is not None:
        found = found * inside[..., None]
    return found.astype(np.int16)
