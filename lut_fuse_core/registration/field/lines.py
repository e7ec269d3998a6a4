"""The lines along which displacements are sought."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lut_fuse_core.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class SearchLines:
    """One line a cell through its own place; a label is a whole displacement along x or y.

    Attributes:
        vertical: Whether labels count working pixels down rather than across.
        slopes: ``(rows, columns) float32``, working pixels in the other direction for each label.
        first: Least label, working pixels; 0 is the place at the set distance.
        last: Greatest label.
        far: Label of what is infinitely far away; 0 where that is not known.
    """

    vertical: bool
    slopes: FloatArray
    first: int
    last: int
    far: float = 0.0

    @classmethod
    def straight(cls, angle: float, reach: int, shape: tuple[int, int]) -> SearchLines:
        """Parallel lines: `angle` in radians, 0 across, `reach` working pixels to either side."""
        across, down = np.cos(angle), np.sin(angle)
        vertical = bool(abs(down) > abs(across))
        slope = across / down if vertical else down / across
        end = round(reach * max(abs(across), abs(down)))
        return cls(vertical, np.full(shape, slope, np.float32), -end, end)

    def reversed(self) -> SearchLines:
        """The same lines with what is near on the other side."""
        return replace(self, first=-self.last, last=-self.first, far=-self.far)

    @property
    def labels(self) -> int:
        """How many there are."""
        return self.last - self.first + 1

    @property
    def nearest(self) -> int:
        """The last label on the side of what is near."""
        return self.last if self.last > -self.first else self.first

    @property
    def margin(self) -> int:
        """Working pixels beyond the image that the lines may reach."""
        farthest = max(abs(self.first), abs(self.last))
        return int(np.ceil(farthest * max(1.0, float(np.abs(self.slopes).max())))) + 1

    def directions(self) -> FloatArray:
        """Working pixels that label 1 moves each cell by, ``(rows, columns, 2) float32``."""
        ones = np.ones_like(self.slopes)
        return np.stack([self.slopes, ones] if self.vertical else [ones, self.slopes], axis=-1)
