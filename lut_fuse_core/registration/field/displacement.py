"""How far infrared lies beside the visible image, cell by cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lut_fuse_core.arrays import FloatArray, Size
from lut_fuse_core.libraries.opencv import cv2


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """Where infrared that is registered at the set distance shows what each visible pixel shows.

    What is at pixel ``p`` of the visible image is at ``p + displacement`` of the registered one.

    Attributes:
        displacement: ``(rows, columns, 2) float32``, x and y in visible pixels, at the centers of
            equal cells that fill the visible image.
        confidence: ``(rows, columns) float32``, 0 where nothing was to be seen in a cell and its
            displacement comes from its neighbors, 1 where it is certain.
        visible_size: Width and height of the visible image in pixels.
        direction: ``(2,) float32``, the axis along which displacements were sought, averaged over
            the image: a unit vector in the visible image, of either sign.
    """

    displacement: FloatArray
    confidence: FloatArray
    visible_size: Size
    direction: FloatArray

    @classmethod
    def none(cls, shape: tuple[int, int], visible_size: Size) -> DisplacementField:
        """The field that leaves registration as it is, for cells in ``shape`` rows and columns."""
        return cls(
            np.zeros((*shape, 2), np.float32),
            np.zeros(shape, np.float32),
            visible_size,
            np.array([1, 0], np.float32),
        )

    def at(self, points: FloatArray) -> FloatArray:
        """The displacement at ``(..., 2)`` visible pixels, interpolated: ``(..., 2) float32``."""
        rows, columns = self.confidence.shape
        width, height = self.visible_size
        x = ((points[..., 0] + 0.5) * (columns / width) - 0.5).astype(np.float32)
        y = ((points[..., 1] + 0.5) * (rows / height) - 0.5).astype(np.float32)
        shape = x.shape
        flat = x.reshape(len(x), -1), y.reshape(len(x), -1)
        found = cv2.remap(
            self.displacement, *flat, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return found.astype(np.float32, copy=False).reshape(*shape, 2)

    def everywhere(self) -> FloatArray:
        """The displacement of every visible pixel, ``(H, W, 2) float32``."""
        width, height = self.visible_size
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        return self.at(np.stack([x, y], axis=-1))
