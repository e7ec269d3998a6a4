"""How much neighboring cells are bound to each other: less where an object may end between them."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.registration.field.grid import CELL
from lut_fuse_core.registration.field.lines import SearchLines

Links = tuple[FloatArray, FloatArray]
"""``(rows, columns) float32`` each: weight of the bond with the next cell to the right, below."""

SAMPLE = 4
"""Working pixels over which infrared is averaged before it is looked up for a cell."""


def visible_links(gray: FloatArray, columns: int, rows: int) -> Links:
    """Weaker across edges of the visible image.

    Args:
        gray: ``(rows * CELL, columns * CELL) float32``, gray levels.
        columns: Of cells.
        rows: Of cells.
    """
    mean = cv2.resize(gray, (columns, rows), interpolation=cv2.INTER_AREA)
    return _links(mean.astype(np.float32, copy=False), 0.5, 0.2)


def infrared_links(infrared: FloatArray, lines: SearchLines, labels: FloatArray) -> Links:
    """Weaker across edges of the infrared image, in which a person is one blob whatever they wear.

    Args:
        infrared: ``(h, w) float32``, on the working grid with the same margin on all sides.
        lines: What the labels mean.
        labels: ``(rows, columns) float32``, where to look for what a cell shows.
    """
    height, width = infrared.shape
    margin = (height - len(labels) * CELL) // 2
    size = max(width // SAMPLE, 1), max(height // SAMPLE, 1)
    small = cv2.resize(infrared, size, interpolation=cv2.INTER_AREA)
    y, x = (each * CELL + (CELL / 2 + margin) for each in np.indices(labels.shape))
    moved = lines.directions() * labels[..., None]
    across = ((x + moved[..., 0]) * (size[0] / width) - 0.5).astype(np.float32)
    down = ((y + moved[..., 1]) * (size[1] / height) - 0.5).astype(np.float32)
    seen = cv2.remap(small, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _links(seen.astype(np.float32, copy=False), 1.0, 0.1)


def _links(mean: FloatArray, decay: float, least: float) -> Links:
    """From what cells show in the mean: `decay` for a usual step between neighbors."""
    found = []
    for axis in (1, 0):
        step = np.zeros_like(mean)
        inner = step[:, :-1] if axis else step[:-1]
        inner[...] = np.abs(np.diff(mean, axis=axis))
        weak = np.exp(-decay * step / (step.mean() + 1))
        found.append(np.maximum(weak, least).astype(np.float32))
    return found[0], found[1]
