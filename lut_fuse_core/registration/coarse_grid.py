"""Positions that are computed for some visible pixels only, and interpolated for the others."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import FloatArray, Size

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
    share = (np.arange(STEP, dtype=np.float32) + np.float32(0.5)) / STEP
    down = share[:, None, None]
    rows = nodes[:-1, None] * (1 - down) + nodes[1:, None] * down
    rows = rows.reshape(-1, *nodes.shape[1:])[: size[1]]
    across = share[:, None]
    fine = rows[:, :-1, None] * (1 - across)
    fine += rows[:, 1:, None] * across
    return fine.reshape(size[1], -1, 2)[:, : size[0]]
