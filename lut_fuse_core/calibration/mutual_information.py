"""What blocks of two images tell about each other, whatever the gray levels mean in either.

Edges tell where a thing ends, mutual information what belongs to it: two measures that fail for
different reasons, so that a place on which both agree is rarely wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lut_fuse_core.arrays import Float64Array, FloatArray, UInt8Array
from lut_fuse_core.calibration.blocks import Blocks, Surface, collect
from lut_fuse_core.calibration.views import View, Views

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

    Args:
        views: All pairs under one registration.
        radius: Of the displacements, in working pixels.
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
        beyond = (
            (rows.start - row + radius, row + block + radius - rows.stop),
            (columns.start - column + radius, column + block + radius - columns.stop),
        )
        inner = np.s_[row : row + block, column : column + block]
        around = infrared[rows, columns]
        here = _ranked(visible[inner], visible[inner][seen[inner]])
        there = np.pad(_ranked(around, around), beyond, constant_values=LEVELS)
        surface = _shared(here, seen[inner], there)
        distinct = np.maximum(surface - np.median(surface), np.float32(0))
        yield (row, column), np.float32(GAIN) * distinct


def _ranked(image: FloatArray, sample: FloatArray) -> UInt8Array:
    """Levels 0 to `LEVELS` - 1 that hold equally many pixels of the sample."""
    ordered = np.sort(sample, axis=None)
    last = ordered.size - 1
    places = np.linspace(0, last, LEVELS + 1)[1:-1]
    limits = np.interp(places, np.arange(last + 1), ordered)
    return np.searchsorted(limits, image).astype(np.uint8)


def _shared(here: UInt8Array, seen: npt.NDArray[np.bool_], there: UInt8Array) -> FloatArray:
    """Normalized mutual information for every place of a block in its window.

    Args:
        here: ``(b, b)``, levels of the block.
        seen: ``(b, b)``, whether it has a pixel.
        there: ``(b + 2 r, b + 2 r)``, levels of the window; `LEVELS` beyond the image.

    Returns:
        ``(2 r + 1, 2 r + 1) float32``.
    """
    # One code for each pair of levels that meets at a displacement, counted for all of them at
    # once. The levels beyond the image and of pixels that are not seen are counted, too, and left.
    kinds = LEVELS + 1
    codes = np.where(seen, here, LEVELS).astype(np.intp) * kinds
    meetings = sliding_window_view(there, here.shape) + codes
    places = meetings.shape[:2]
    meetings += kinds**2 * np.arange(places[0] * places[1]).reshape(*places, 1, 1)
    counts = np.bincount(meetings.ravel(), minlength=kinds**2 * places[0] * places[1])
    joint = counts.reshape(*places, kinds, kinds)[..., :LEVELS, :LEVELS]
    count = joint.sum(axis=(2, 3))
    logarithms = np.arange(here.size + 1) * np.log(np.maximum(np.arange(here.size + 1), 1))

    def entropy(counts: npt.NDArray[np.intp]) -> Float64Array:
        """In nats, of counts ``(h, w, ...)`` that sum up to `count`; 0 for none."""
        total = np.maximum(count, 1)
        sums = logarithms[counts].reshape(*places, -1).sum(axis=2)
        return np.asarray(np.log(total) - sums / total)

    both, one, other = entropy(joint), entropy(joint.sum(axis=3)), entropy(joint.sum(axis=2))
    shared = (one + other - both) / np.sqrt(np.maximum(one * other, 0.25))
    return np.where(count < LEAST_PIXELS, 0, shared).astype(np.float32)
