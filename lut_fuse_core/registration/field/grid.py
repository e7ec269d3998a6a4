"""The grid on which a field is estimated: cells of eight working pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lut_fuse_core.arrays import FloatArray, Size

CELL = 8
"""Working pixels a side of one cell."""

WORKING_WIDTH = 320
"""Longer side of the working image: what is finer than this does not help to find a match."""


@dataclass(frozen=True)
class WorkingGrid:
    """A visible image reduced to whole cells.

    Attributes:
        visible_size: Width and height of the visible image in pixels.
        rows: Of cells.
        columns: Of cells.
    """

    visible_size: Size
    rows: int
    columns: int

    @classmethod
    def of(cls, visible_size: Size) -> WorkingGrid:
        """The grid for a visible image: 40x30 cells at 640x480."""
        scale = max(1.0, max(visible_size) / WORKING_WIDTH)
        columns, rows = (max(2, round(side / scale / CELL)) for side in visible_size)
        return cls(visible_size, rows, columns)

    @property
    def size(self) -> Size:
        """Width and height of the working image."""
        return self.columns * CELL, self.rows * CELL

    @cached_property
    def scale(self) -> FloatArray:
        """Visible pixels in one working pixel, ``(2,) float32``: across and down."""
        ratios = (whole / side for whole, side in zip(self.visible_size, self.size, strict=True))
        return np.array([*ratios], np.float32)

    def points(self, margin: int) -> FloatArray:
        """Visible pixels at the centers of the working ones, and of ``margin`` more on each side:
        ``(rows, columns, 2) float32``."""
        width, height = self.size
        x = (np.arange(-margin, width + margin, dtype=np.float32) + 0.5) * self.scale[0] - 0.5
        y = (np.arange(-margin, height + margin, dtype=np.float32) + 0.5) * self.scale[1] - 0.5
        return np.stack(np.meshgrid(x, y), axis=-1)

    @cached_property
    def centers(self) -> FloatArray:
        """Visible pixels at the centers of the cells, ``(rows, columns, 2) float32``."""
        step = self.scale * CELL
        x = (np.arange(self.columns, dtype=np.float32) + 0.5) * step[0] - 0.5
        y = (np.arange(self.rows, dtype=np.float32) + 0.5) * step[1] - 0.5
        return np.stack(np.meshgrid(x, y), axis=-1)
