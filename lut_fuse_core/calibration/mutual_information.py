"""What blocks of two images tell about each other, whatever the gray levels mean in either.

Edges tell where a thing ends, mutual information what belongs to it: two measures that fail for
different reasons, so that a place on which both agree is rarely wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.calibration.blocks import Blocks, Surface, collect
from lut_fuse_core.calibration.views import View, Views
from lut_fuse_core.jit import compiled

LEVELS = 12
"""Gray levels that are told apart, equally many pixels in each."""

SMOOTHING = 1.0
"""Pixels; the sensor's noise would hide what is shared."""

GAIN = 3.3
"""Brings the information of a good block (0.1 to 0.3 above that of its surroundings) to the size
of the correlation of a good block's edges."""

LEAST_PIXELS = 100


def inform_blocks(views: Views, radius: int) -> Blocks:
    """Normalized mutual information of each block above its median over all displacements.

    The normalization is by the geometric mean of both entropies (Strehl and Ghosh, JMLR 2002).
    radius: working pixels.
    """
    return collect(views, radius, [list(_informed(views, view, radius)) for view in views.views])


def _informed(views: Views, view: View, radius: int) -> Iterator[Surface]:
    infrared, visible = (
        cv2.GaussianBlur(image, (0, 0), SMOOTHING).astype(np.float32, copy=False)
        for image in (view.infrared, view.visible)
    )
    seen = view.mask > 0
    block, (height, width) = views.block, views.shape
    for row, column in views.filled_blocks(view):
        rows = slice(max(0, row - radius), min(height, row + block + radius))
        columns = slice(max(0, column - radius), min(width, column + block + radius))
        inner = np.s_[row : row + block, column : column + block]
        around = infrared[rows, columns]
        here, there = _ranked(visible[inner], visible[inner][seen[inner]]), _ranked(around, around)
        surface = _shared(
            here, seen[inner], there, row - rows.start, column - columns.start, radius
        )
        yield (row, column), GAIN * np.maximum(surface - np.median(surface), 0)


def _ranked(image: FloatArray, sample: FloatArray) -> UInt8Array:
    """Levels 0 to `LEVELS` - 1 that hold equally many pixels of the sample."""
    limits = np.quantile(sample, np.arange(1, LEVELS) / LEVELS)
    return np.searchsorted(limits, image).astype(np.uint8)


@compiled
def _shared(
    here: UInt8Array,
    seen: npt.NDArray[np.bool_],
    there: UInt8Array,
    top: int,
    left: int,
    radius: int,
) -> FloatArray:
    """Normalized mutual information for every displacement of a block within its window.

    here, seen: ``(b, b)``, levels of the block and whether it has a pixel. there: levels around it;
    top, left: where the block lies in it.
    """
    edge = 2 * radius + 1
    out = np.zeros((edge, edge), np.float32)
    joint = np.empty((LEVELS, LEVELS), np.float64)
    for i in range(edge):
        for j in range(edge):
            y, x = top + i - radius, left + j - radius
            joint[:] = 0
            count = 0
            for row in range(max(0, -y), min(here.shape[0], there.shape[0] - y)):
                for column in range(max(0, -x), min(here.shape[1], there.shape[1] - x)):
                    if seen[row, column]:
                        joint[here[row, column], there[y + row, x + column]] += 1
                        count += 1
            if count < LEAST_PIXELS:
                continue
            both = _entropy(joint.ravel(), count)
            one, other = _entropy(joint.sum(axis=1), count), _entropy(joint.sum(axis=0), count)
            out[i, j] = (one + other - both) / np.sqrt(max(one * other, 0.25))
    return out


@compiled
def _entropy(counts: FloatArray, total: int) -> float:
    sum_of_logs = 0.0
    for count in counts:
        if count > 0:
            sum_of_logs += count * np.log(count)
    return np.log(total) - sum_of_logs / total
