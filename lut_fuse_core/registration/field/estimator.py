"""Estimates the displacement field of one pair of images."""

from __future__ import annotations

import cv2
import numpy as np

from lut_fuse_core.arrays import FloatArray, RawInfrared, UInt8Array
from lut_fuse_core.registration.field.background import find_background, fit_at
from lut_fuse_core.registration.field.displacement import DisplacementField
from lut_fuse_core.registration.field.edges import edge_channels
from lut_fuse_core.registration.field.geometry import FieldGeometry
from lut_fuse_core.registration.field.lines import SearchLines
from lut_fuse_core.registration.field.matching import Channels, match, smooth_labels

COARSE = ((4, 0.1, 1.0, 0.02), (2, 0.2, 2.0, 0.03), (1, 0.5, 3.0, 0.1))
"""From large cells to small ones: cells a side, cost of a step of one label between neighbors and
of any step, and cost per label of leaving the surface so far."""

LEAVING = 5.0
"""Labels beyond which leaving the surface costs no more."""

ALIGNED = 1.05
"""Bonus of displacements across or down over slanted ones, where the direction is not known."""

CERTAIN = 0.5
"""Fit of a cell that is certain of its displacement."""


class FieldEstimator:
    """Compares the pairs of one rig, each on its own.

    Args:
        geometry: Of the rig.

    >>> from lut_fuse_core.registration import RegistrationConfig
    >>> geometry = FieldGeometry(RegistrationConfig(), (320, 240), (640, 480))
    >>> visible, raw = np.zeros((480, 640, 3), np.uint8), np.zeros((240, 320), np.uint16)
    >>> FieldEstimator(geometry).estimate(visible, raw).displacement.shape
    (30, 40, 2)
    """

    def __init__(self, geometry: FieldGeometry) -> None:
        self.geometry = geometry

    def estimate(self, visible: UInt8Array, raw: RawInfrared) -> DisplacementField:
        """The field of one pair.

        Args:
            visible: ``(H, W, 3) uint8``, RGB.
            raw: ``(h, w) uint8 or uint16``, infrared as the camera gave it.
        """
        grid = self.geometry.grid
        small = cv2.resize(visible, grid.size, interpolation=cv2.INTER_AREA)
        gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        warm, inside = self.geometry.infrared_at_work(raw)
        there = edge_channels(warm) * inside.astype(np.int16)[..., None]
        links = _links(gray, grid.columns, grid.rows)
        lines, fit = self._best_lines(edge_channels(gray), there)
        labels, confidence = field_labels(fit, lines, links)
        displacement = labels[..., None] * lines.directions() * grid.scale
        mean = lines.directions().mean(axis=(0, 1)) * grid.scale
        return DisplacementField(
            displacement.astype(np.float32),
            confidence,
            grid.visible_size,
            (mean / np.linalg.norm(mean)).astype(np.float32),
        )

    def _best_lines(self, visible: Channels, infrared: Channels) -> tuple[SearchLines, FloatArray]:
        """The lines along which the images fit best, and how well they do."""
        choices = self.geometry.choices
        fits = [match(visible, infrared, lines) for lines in choices]
        # One mean for all: edges fit along themselves, which says nothing against that direction.
        mean = np.concatenate(fits, axis=-1).mean(axis=-1, keepdims=True)
        fits = [fit - mean for fit in fits]
        best = int(
            np.argmax(
                [_plausible(each) * evidence(fit) for each, fit in zip(choices, fits, strict=True)]
            )
        )
        return choices[best], fits[best]


def evidence(fit: FloatArray) -> float:
    """How much speaks for a set of lines: the mean of what large parts of the image find."""
    return float(np.maximum(_blurred(_merged(fit, 4)).max(axis=-1), 0).mean())


def _plausible(lines: SearchLines) -> float:
    """Cameras are mounted side by side or one above the other rather than aslant."""
    return ALIGNED if np.abs(lines.slopes).max() < 0.01 else 1.0


def field_labels(
    fit: FloatArray, lines: SearchLines, links: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """The label of each cell, and how certain it is, both ``(rows, columns) float32``."""
    alone = _lowest(smooth_labels(-fit, links, 1.0, 4.0)) + lines.first
    blurred = _blurred(fit)
    labels = find_background(blurred, alone, lines, None).labels
    for cells, small, large, leaving in COARSE:
        labels = _refined(fit, lines, links, labels, (cells, small, large, leaving))
    confidence = np.clip(fit_at(blurred, labels, lines) / CERTAIN, 0, 1)
    return labels, confidence


def _refined(
    fit: FloatArray,
    lines: SearchLines,
    links: tuple[FloatArray, FloatArray],
    labels: FloatArray,
    step: tuple[int, float, float, float],
) -> FloatArray:
    """Labels once more, in cells of another size, as steps from the surface so far."""
    cells, small, large, leaving = step
    reach = max(6, lines.labels // 4)
    steps = np.arange(-reach, reach + 1, dtype=np.float32)
    around = _around(fit, labels - lines.first, reach)
    if cells > 1:
        around = _merged(around, cells)
        ones = np.ones(around.shape[:2], np.float32)
        links = (ones, ones)
    costs = np.float32(leaving) * np.minimum(np.abs(steps), np.float32(LEAVING)) - around
    found = _lowest(smooth_labels(costs, links, small, large)) - reach
    if cells > 1:
        rows, columns = labels.shape
        y, x = np.indices((rows, columns), np.float32)
        across, down = (((each + 0.5) / cells - 0.5).astype(np.float32) for each in (x, y))
        wide = cv2.remap(found, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found = wide.astype(np.float32)
    limits = lines.first, lines.last
    return np.clip(labels + found, *limits).astype(np.float32, copy=False)


def _around(fit: FloatArray, place: FloatArray, reach: int) -> FloatArray:
    """The fit at the labels around ``place`` (from the first one), 0 where there is no label."""
    whole = np.floor(place)
    share = (place - whole).astype(np.float32)[..., None]
    padded = np.pad(fit, ((0, 0), (0, 0), (reach, reach + 1)))
    first = whole.astype(np.intp)[..., None] + np.arange(2 * reach + 2)
    near = np.take_along_axis(padded, first, 2)
    return near[..., :-1] * (1 - share) + near[..., 1:] * share


def _merged(values: FloatArray, cells: int) -> FloatArray:
    rows, columns, labels = values.shape
    padded = np.pad(values, ((0, -rows % cells), (0, -columns % cells), (0, 0)), "edge")
    shape = padded.shape[0] // cells, cells, padded.shape[1] // cells, cells, labels
    return np.asarray(padded.reshape(shape).mean(axis=(1, 3)), np.float32)


def _blurred(values: FloatArray) -> FloatArray:
    """Over neighboring cells, with weights 1, 2, 1."""
    for _ in range(2):
        padded = np.pad(values, ((1, 1), (0, 0), (0, 0)), "edge")
        values = (0.25 * (padded[:-2] + padded[2:]) + 0.5 * padded[1:-1]).swapaxes(0, 1)
    return values


def _lowest(costs: FloatArray) -> FloatArray:
    """Index of the least cost of each cell, between labels where a parabola says so."""
    best = costs.argmin(axis=-1)[..., None]
    last = costs.shape[-1] - 1
    left, middle, right = (
        np.take_along_axis(costs, np.clip(best + step, 0, last), 2)[..., 0] for step in (-1, 0, 1)
    )
    bend = left + right - 2 * middle
    inner = (best[..., 0] > 0) & (best[..., 0] < last) & (bend > 1e-6)
    between = np.where(inner, 0.5 * (left - right) / np.where(inner, bend, 1), 0)
    return (best[..., 0] + np.clip(between, -0.5, 0.5)).astype(np.float32)


def _links(gray: FloatArray, columns: int, rows: int) -> tuple[FloatArray, FloatArray]:
    """How much neighbors are bound to each other: less across edges of the visible image."""
    mean = cv2.resize(gray, (columns, rows), interpolation=cv2.INTER_AREA)
    found = []
    for axis in (1, 0):
        step = np.abs(np.diff(mean, axis=axis, append=np.take(mean, [-1], axis)))
        weak = np.exp(-0.5 * step / (step.mean() + 1))
        found.append(np.maximum(weak, 0.2).astype(np.float32))
    return found[0], found[1]
