"""From how well cells fit to the label of each: smooth surfaces first, then what stands out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.registration.field.background import (
    Background,
    best_surface,
    find_background,
    fit_at,
    street_worth,
)
from lut_fuse_core.registration.field.lines import SearchLines
from lut_fuse_core.registration.field.links import Links, infrared_links
from lut_fuse_core.registration.field.matching import scores_around, smooth_labels


@dataclass(frozen=True)
class Smoothing:
    """One pass over the labels.

    Attributes:
        cells: A side of what gets one label.
        small: Cost of a step of one label between neighbors.
        large: Cost of any larger step.
        leaving: Cost per label of leaving the surface so far.
    """

    cells: int
    small: float
    large: float
    leaving: float


DIRECTION_GUESSED = (
    Smoothing(2, 0.2, 2.0, 0.03),
    Smoothing(1, 0.5, 3.0, 0.1),
)
"""From large cells to small ones, where only the images tell where displacements lie."""

IN_FRONT = Smoothing(1, 0.15, 0.4, 0.008)
"""What stands out from the background where epipolar lines are known."""

FREE = 1.0
"""Labels by which a cell may leave the background there at no cost: it is not more exact."""

BEHIND = 4
"""Labels by which a cell may be farther away than the background there; it may be much nearer."""

LEAVING = 5.0
"""Labels beyond which leaving the surface costs no more."""

NOISE = 1.0
"""Labels by which a cell may differ from the surface by chance, where the direction is guessed:
half of the cells of a registered pair do, by half a label."""

CERTAIN = 0.5
"""Fit of a cell that is certain of its displacement."""

BLUR = np.array([0.25, 0.5, 0.25], np.float32)
"""Weights of a cell and of its neighbors to either side."""


def evidence(fit: FloatArray) -> float:
    """How much speaks for a set of lines: the mean of what large parts of the image find."""
    return float(np.maximum(_blurred(_merged(fit, 4)).max(axis=-1), 0).mean())


def surface_evidence(fit: FloatArray, lines: SearchLines, links: Links) -> float:
    """How well one surface along these lines explains the image.

    Unlike `evidence`, which chance raises where there is little to see and in any direction that
    edges run in, this compares directions.
    """
    return best_surface(_blurred(fit), _alone(fit, lines, links), lines)


def street_evidence(fit: FloatArray, lines: SearchLines) -> float:
    """How well a ground and what stands on it explain the image along these lines.

    A ground comes nearer downwards, so that this tells which way things are displaced that come
    nearer even where all displacements are small.
    """
    return street_worth(_blurred(fit), lines)


@dataclass(frozen=True, eq=False)
class FoundLabels:
    """What one frame says.

    Attributes:
        labels: ``(rows, columns) float32``, of each cell.
        confidence: ``(rows, columns) float32``, how certain they are, 0 to 1.
        background: The surface that they were found around.
    """

    labels: FloatArray
    confidence: FloatArray
    background: Background


def field_labels(
    fit: FloatArray,
    lines: SearchLines,
    links: Links,
    infrared: FloatArray | None,
    before: Background | None,
    turn: int,
) -> FoundLabels:
    """The label of each cell.

    Args:
        fit: ``(rows, columns, labels) float32``.
        lines: What the labels mean.
        links: Between neighboring cells.
        infrared: ``(h, w) float32``, on the working grid with its margin, where the lines are
            known; None where they are guessed from the images.
        before: The background of the frame before, if there was one.
        turn: Counts the frames.
    """
    alone = _alone(fit, lines, links)
    blurred = _blurred(fit)
    background = find_background(blurred, alone, lines, before, turn, infrared is not None)
    labels = background.labels
    if infrared is not None:
        labels = _in_front(fit, lines, infrared_links(infrared, lines, labels), labels)
    else:
        for smoothing in DIRECTION_GUESSED:
            labels = _refined(fit, lines, links, labels, smoothing)
        labels = background.labels + _firm(labels - background.labels)
    confidence = np.clip(fit_at(blurred, labels, lines) / np.float32(CERTAIN), 0, 1)
    return FoundLabels(labels, confidence, background)


def _alone(fit: FloatArray, lines: SearchLines, links: Links) -> FloatArray:
    """The label of each cell where no surface is assumed."""
    return smooth_labels(-fit, links, 1.0, 4.0) + np.float32(lines.first)


def _firm(steps: FloatArray) -> FloatArray:
    """Steps without those that chance makes; those of twice that size stay as they are."""
    size = np.abs(steps)
    return np.sign(steps) * np.clip(2 * (size - NOISE), 0, size)


def _in_front(
    fit: FloatArray, lines: SearchLines, links: Links, background: FloatArray
) -> FloatArray:
    """Labels as steps from the background of a calibrated rig, most of them to what is nearer."""
    reach = (max(2 * BEHIND, lines.labels // 2) + BEHIND) // 2
    middle = reach - BEHIND if lines.nearest > 0 else BEHIND - reach
    around = scores_around(fit, background + np.float32(middle - lines.first), reach)
    steps = np.arange(middle - reach, middle + reach + 1, dtype=np.float32)
    costs = np.float32(IN_FRONT.leaving) * np.maximum(np.abs(steps) - FREE, 0) - around
    found = smooth_labels(costs.astype(np.float32), links, IN_FRONT.small, IN_FRONT.large)
    limits = lines.first, lines.last
    return np.clip(background + steps[0] + found, *limits).astype(np.float32, copy=False)


def _refined(
    fit: FloatArray,
    lines: SearchLines,
    links: Links,
    labels: FloatArray,
    smoothing: Smoothing,
) -> FloatArray:
    """Labels once more, in cells of another size, as steps from the surface so far."""
    cells = smoothing.cells
    reach = max(6, lines.labels // 4)
    steps = np.arange(-reach, reach + 1, dtype=np.float32)
    around = scores_around(fit, labels - np.float32(lines.first), reach)
    if cells > 1:
        around = _merged(around, cells)
        ones = np.ones(around.shape[:2], np.float32)
        links = (ones, ones)
    costs = np.float32(smoothing.leaving) * np.minimum(np.abs(steps), np.float32(LEAVING)) - around
    found = smooth_labels(costs, links, smoothing.small, smoothing.large) - np.float32(reach)
    if cells > 1:
        rows, columns = labels.shape
        y, x = np.indices((rows, columns), np.float32)
        across, down = (((each + 0.5) / cells - 0.5).astype(np.float32) for each in (x, y))
        wide = cv2.remap(found, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found = wide.astype(np.float32)
    limits = lines.first, lines.last
    return np.clip(labels + found, *limits).astype(np.float32, copy=False)


def _merged(values: FloatArray, cells: int) -> FloatArray:
    """Means over squares of cells; beyond the last row and column these are repeated."""
    rows, columns, labels = values.shape
    for axis, length in enumerate((rows, columns)):
        if length % cells:
            whole = length + -length % cells
            values = values.take(np.minimum(np.arange(whole), length - 1), axis=axis)
    # One axis at a time is the fastest that NumPy offers.
    by_row = values.reshape(-1, cells, values.shape[1], labels).sum(axis=1)
    merged = by_row.reshape(len(by_row), -1, cells, labels).sum(axis=2)
    return np.asarray(merged * np.float32(1 / cells**2), np.float32)


def _blurred(values: FloatArray) -> FloatArray:
    """Over neighboring cells, with weights 1, 2, 1."""
    return cv2.sepFilter2D(values, cv2.CV_32F, BLUR, BLUR, borderType=cv2.BORDER_REPLICATE).astype(
        np.float32, copy=False
    )
