"""The smooth part of a field: what the set distance, a plane, or a road below a horizon make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.opencv import cv2
from lut_fuse_core.registration.field.lines import SearchLines

HORIZONS = (0.3, 0.45, 0.6)
"""Where the ground may begin, in heights of the image."""

ZERO_BONUS = 1.12
"""How much better than the set distance another surface must fit."""

BLOCKS = (8, 6)
"""Parts of the image, across and down, that are taken for independent witnesses."""

DOUBTFUL = 2.0
"""Labels: where only a twentieth of the cells is displaced by more than this, it may be what is
left of a registration that is right."""

SURE, SURER = 3.75, 6.0
"""By how many of its standard errors another surface must fit better than the set distance where
only the images tell where displacements lie; the second below `DOUBTFUL` labels."""

HELD, NEW = 0.7, 1.4
"""Share of that which is demanded of a surface in use, which must not flicker, and while the set
distance is in use: an hour of frames must not find by chance what the first did not show."""

STEPS = 8
"""Of reweighted least squares."""

SHARP = 1.2
"""Labels that a cell may stray before it counts as something in front."""


@dataclass(frozen=True, eq=False)
class Background:
    """A surface through the labels, and how well it fits.

    Attributes:
        labels: ``(rows, columns) float32``.
        evidence: Mean fit of a cell on it, 0 for none.
        at_rest: Mean fit of a cell at the set distance.
    """

    labels: FloatArray
    evidence: float
    at_rest: float


def find_background(
    fit: FloatArray,
    found: FloatArray,
    lines: SearchLines,
    before: FloatArray | None,
    turn: int,
    calibrated: bool,
) -> Background:
    """The surface that fits best.

    Args:
        fit: ``(rows, columns, labels) float32``, blurred over neighboring cells.
        found: ``(rows, columns) float32``, the label of each cell on its own.
        lines: What the labels mean.
        before: That of the frame before, if there was one. Then only one kind of surface is fitted
            again: planes and roads take turns.
        turn: Counts the frames.
        calibrated: Whether the lines are known. If not, the set distance is only left for what
            fits better all over the image.
    """
    rest = np.zeros(found.shape, np.float32)
    bases = _bases(found.shape)
    if before is not None:
        bases = (bases[turn % len(bases)],)
    surfaces = _surfaces(fit, found, lines, bases)
    if before is not None:
        surfaces.append(np.clip(before, lines.first, lines.last))
    at_rest, *seen = (_seen(fit, surface, lines) for surface in (rest, *surfaces))
    values = [float(each.mean()) for each in seen]
    best, zero = int(np.argmax(values)), float(at_rest.mean())
    better = values[best] > max(zero, 0.0) * ZERO_BONUS
    if not calibrated:
        better = _lead(seen[best], at_rest) > _demanded(surfaces[best], before)
    if not better:
        return Background(rest, zero, zero)
    return Background(surfaces[best], values[best], zero)


def best_surface(fit: FloatArray, found: FloatArray, lines: SearchLines) -> float:
    """Mean fit of a cell on the surface that fits best, the one at the set distance included.

    Args:
        fit: ``(rows, columns, labels) float32``, blurred over neighboring cells.
        found: ``(rows, columns) float32``, the label of each cell on its own.
        lines: What the labels mean.
    """
    rest = np.zeros(found.shape, np.float32)
    surfaces = [rest, *_surfaces(fit, found, lines, _bases(found.shape))]
    return max(float(_seen(fit, surface, lines).mean()) for surface in surfaces)


def fit_at(fit: FloatArray, labels: FloatArray, lines: SearchLines) -> FloatArray:
    """The fit of each cell at a label, ``(rows, columns) float32``, interpolated."""
    place = np.clip(labels - lines.first, 0, lines.labels - 1.001)
    low = place.astype(np.intp)[..., None]
    share = (place - low[..., 0]).astype(np.float32)
    lower = np.take_along_axis(fit, low, 2)[..., 0]
    upper = np.take_along_axis(fit, low + 1, 2)[..., 0]
    return lower + share * (upper - lower)


def _surfaces(
    fit: FloatArray, found: FloatArray, lines: SearchLines, bases: tuple[FloatArray, ...]
) -> list[FloatArray]:
    """A constant, and one surface of each kind, through most of the labels."""
    weights = np.maximum(fit_at(fit, found, lines), 0)
    histogram = np.maximum(fit, 0).mean(axis=(0, 1))
    constant = np.full(found.shape, float(np.argmax(histogram) + lines.first), np.float32)
    surfaces = [constant, *(_robust(basis, found, weights) for basis in bases)]
    return [np.clip(surface, lines.first, lines.last) for surface in surfaces]


def _seen(fit: FloatArray, labels: FloatArray, lines: SearchLines) -> FloatArray:
    """How well each cell fits on a surface, ``(rows, columns) float32``."""
    return np.maximum(fit_at(fit, labels, lines), np.float32(-0.2))


def _lead(seen: FloatArray, other: FloatArray) -> float:
    """By how many standard errors a surface fits better than another, over parts of the image."""
    parts = cv2.resize(seen - other, BLOCKS, interpolation=cv2.INTER_AREA)
    return float(parts.mean() * parts.size**0.5 / (parts.std() + 1e-6))


def _demanded(surface: FloatArray, before: FloatArray | None) -> float:
    demanded = SURE if float(np.quantile(np.abs(surface), 0.95)) > DOUBTFUL else SURER
    if before is None:
        return demanded
    return demanded * (HELD if before.any() else NEW)


def _robust(basis: FloatArray, found: FloatArray, weights: FloatArray) -> FloatArray:
    """A surface through most of the labels (iteratively reweighted least squares)."""
    every = np.s_[::2, ::2]
    columns = np.ascontiguousarray(basis[every].reshape(-1, basis.shape[-1]))
    values, given = found[every].ravel(), weights[every].ravel() + np.float32(1e-6)
    weight, reach = given, 6.0
    fixed = 1e-3 * np.eye(basis.shape[-1])
    for _ in range(STEPS):
        weighted = columns * weight[:, None]
        terms = np.linalg.solve(
            weighted.T @ columns + fixed * weight.sum(), weighted.T @ values
        ).astype(np.float32)
        reach = max(SHARP, 0.7 * reach)
        weight = given / np.square(1 + np.square((values - columns @ terms) / np.float32(reach)))
    return basis @ terms


@lru_cache(maxsize=4)
def _bases(shape: tuple[int, int]) -> tuple[FloatArray, ...]:
    rows, columns = shape
    v, u = np.meshgrid(
        (np.arange(rows, dtype=np.float32) + 0.5) / rows,
        (np.arange(columns, dtype=np.float32) + 0.5) / columns,
        indexing="ij",
    )
    plane = [np.ones_like(u), u - 0.5, v - 0.5]
    roads = ([*plane, np.maximum(v - horizon, 0)] for horizon in HORIZONS)
    return tuple(np.stack(terms, axis=-1) for terms in (plane, *roads))
