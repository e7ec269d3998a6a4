"""Positions that are computed for some visible pixels only, and interpolated for the others."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import FloatArray, Size
from lut_fuse_core.libraries.opencv import cv2

STEP = 8
"""Visible pixels between two nodes. Lens models and displacements are smooth enough for that (below
0.01 pixels for any lens that can be calibrated)."""


def node_places(size: Size, border: int = 0) -> FloatArray:
    """The nodes of an image: upper left corners of every `STEP`-th pixel.

    Args:
        size: Width and height of the image in pixels.
        border: Pixels around it, a multiple of `STEP`, in which there are nodes too.

    Returns:
        ``(rows, columns, 2) float32``, x and y in pixels, whose centers are whole numbers. The last
        ones lie beyond the image.
    """
    x, y = (
        np.arange(-border, side + border + STEP, STEP, dtype=np.float32) - np.float32(0.5)
        for side in size
    )
    return np.stack(np.meshgrid(x, y), axis=-1)


def expanded(nodes: FloatArray, size: Size) -> FloatArray:
    """Values at all pixels of an image, between those at its nodes.

    Args:
        nodes: ``(rows, columns, 2) float32``, values at `node_places` without border.
        size: Width and height of the image in pixels.

    Returns:
        ``(H, W, 2) float32``.
    """
    to_nodes = np.array([[1, 0, 0.5], [0, 1, 0.5]]) / STEP
    fine = cv2.warpAffine(
        nodes,
        to_nodes,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return fine.astype(np.float32, copy=False)
