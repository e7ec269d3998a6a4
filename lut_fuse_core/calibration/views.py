"""Both images of a pair on one grid, and how that grid is cut into blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array, FloatArray
from lut_fuse_core.calibration.search import GrayPair, size_of
from lut_fuse_core.registration.resizing import resizing

BLOCK_SHARE = 0.075
"""Side of a block, in longer sides of the working infrared image."""

LEAST_FILLED = 0.8
"""Share of a block that must show the visible image."""


@dataclass(frozen=True)
class View:
    """One pair on the working infrared grid, each ``(h, w) float32``.

    Attributes:
        infrared: Gray levels.
        visible: Gray levels.
        mask: 1 where the visible image shows something, else 0.
    """

    infrared: FloatArray
    visible: FloatArray
    mask: FloatArray


@dataclass(frozen=True)
class Views:
    """All pairs of a rig under one registration.

    Attributes:
        views: One per pair.
        shape: Working infrared height and width.
        to_work: Full infrared pixels to working ones, ``(3, 3)``.
        block: Side of a block in working pixels.
    """

    views: tuple[View, ...]
    shape: tuple[int, int]
    to_work: Float64Array
    block: int

    def filled_blocks(self, view: View) -> Iterator[tuple[int, int]]:
        """Row and column of the first pixel of every block that the visible image fills; blocks
        overlap by half.
        """
        size = (self.block, self.block)
        filled = cv2.boxFilter(view.mask, -1, size, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        for row in range(0, self.shape[0] - self.block + 1, self.block // 2):
            for column in range(0, self.shape[1] - self.block + 1, self.block // 2):
                if filled[row, column] >= LEAST_FILLED:
                    yield row, column


def bring_together(pairs: Sequence[GrayPair], matrix: Float64Array, side: int) -> Views:
    """Warp the visible images of all pairs onto the infrared grid.

    Args:
        pairs: Gray images of both cameras.
        matrix: ``(3, 3)``, infrared to visible, full pixels.
        side: Longest infrared side to work at; the work is done at the coarser of both resolutions
            at most.

    Returns:
        The images of all pairs on one grid.
    """
    infrared_shape = pairs[0][1].shape
    magnification = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    scale = min(1.0, magnification, side / max(infrared_shape))
    shape = (max(32, round(infrared_shape[0] * scale)), max(32, round(infrared_shape[1] * scale)))
    to_work = resizing(size_of(infrared_shape), size_of(shape))
    to_visible = matrix @ np.linalg.inv(to_work)
    block = max(16, round(BLOCK_SHARE * max(shape)) // 2 * 2)
    return Views(tuple(_view(pair, to_visible, shape) for pair in pairs), shape, to_work, block)


def _view(pair: GrayPair, to_visible: Float64Array, shape: tuple[int, int]) -> View:
    visible, infrared = pair
    shrink = float(np.sqrt(abs(np.linalg.det(to_visible[:2, :2]))))
    if shrink > 1.2:
        # The warp takes single pixels; without this, fine texture would turn into noise.
        size = (round(visible.shape[1] / shrink), round(visible.shape[0] / shrink))
        smaller = cv2.resize(visible, size, interpolation=cv2.INTER_AREA)
        to_visible = resizing(size_of(visible.shape), size) @ to_visible
        visible = smaller.astype(np.float32, copy=False)
    size = size_of(shape)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(
        visible, to_visible, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpPerspective(np.ones(visible.shape, np.float32), to_visible, size, flags=flags)
    mask = cv2.erode((inside > 0.99).astype(np.float32), np.ones((5, 5), np.uint8))
    working = cv2.resize(infrared, size, interpolation=cv2.INTER_AREA)
    return View(working.astype(np.float32), warped.astype(np.float32), mask.astype(np.float32))
