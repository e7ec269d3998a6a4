"""The camera of the synthetic street: a pinhole on the right pavement that looks along the road.

World coordinates in meters: x to the right, y up from the road, z along the road.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array

Float32Array = npt.NDArray[np.float32]

NEAREST = 0.35
"""Points nearer than this (meters) are projected as if they were here."""


@dataclass(frozen=True)
class View:
    """A pinhole camera without distortion.

    Attributes:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        x: Place across the road, in meters.
        eye: Height above the road, in meters.
    """

    width: int
    height: int
    x: float = 4.1
    eye: float = 1.75

    @property
    def focal(self) -> float:
        """Focal length in pixels: 60 degrees across."""
        return 0.87 * self.width

    @property
    def center(self) -> tuple[float, float]:
        """The vanishing point of the road in pixels."""
        return 0.62 * self.width, 0.47 * self.height

    def project(self, points: Float64Array) -> Float64Array:
        """World points ``(N, 3)`` to pixels ``(N, 2)``."""
        depth = np.maximum(points[:, 2], NEAREST)
        across = self.focal * (points[:, 0] - self.x) / depth + self.center[0]
        down = self.focal * (self.eye - points[:, 1]) / depth + self.center[1]
        return np.stack([across, down], axis=1)

    def directions(self) -> tuple[Float32Array, Float32Array]:
        """Rightward and downward slope of each pixel's ray, ``(H, W) float32`` each."""
        columns = (np.arange(self.width, dtype=np.float32) - self.center[0]) / self.focal
        rows = (np.arange(self.height, dtype=np.float32) - self.center[1]) / self.focal
        across, down = np.meshgrid(columns, rows)
        return across.astype(np.float32), down.astype(np.float32)
