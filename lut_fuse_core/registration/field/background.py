"""The smooth part of a field: what the set distance, a plane, or a road below a horizon make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.registration.field.lines import SearchLines

HORIZONS = (0.3, 0.45, 0.6)
"""Where the ground may begin, in heights of the image."""

ZERO_BONUS = 1.12
"""How much better than the set distance another surface must fit."""

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
) -> Background:
    """The surface that fits best.

    Args:
        fit: ``(rows, columns, labels) float32``, blurred over neighboring cells.
        found: ``(rows, columns) float32``, the label of each cell on its own.
        lines: What the labels mean.
        before: That of the frame before, if there was one. Then only one kind of surface is fitted
            again: planes and roads take turns.
        turn: Counts the frames.
    """
    shape = found.shape
    weights = np.maximum(fit_at(fit, found, lines), 0)
    histogram = np.maximum(fit, 0).mean(axis=(0, 1))
    constant = np.full(shape, float(np.argmax(histogram) + lines.first), np.float32)
    rest = np.zeros(shape, np.float32)
    bases = _bases(shape)
    if before is not None:
        bases = (bases[turn % len(bases)],)
    surfaces = [constant, *(_robust(basis, found, weights) for basis in bases)]
    if before is not None:
        surfaces.append(before)
    surfaces = [np.clip(surface, lines.first, lines.last) for surface in surfaces]
    at_rest = _value(fit, rest, lines)
    values = [_value(fit, surface, lines) for surface in surfaces]
    best = int(np.argmax(values))
    if values[best] <= max(at_rest, 0.0) * ZERO_BONUS:
        return Background(rest, at_rest, at_rest)
    return Background(surfaces[best], values[best], at_rest)


def fit_at(fit: FloatArray, labels: FloatArray, lines: SearchLines) -> FloatArray:
    """The fit of each cell at a label, ``(rows, columns) float32``, interpolated."""
    place = np.clip(labels - lines.first, 0, lines.labels - 1.001)
    low = place.astype(np.intp)[..., None]
    share = (place - low[..., 0]).astype(np.float32)
    lower = np.take_along_axis(fit, low, 2)[..., 0]
    upper = np.take_along_axis(fit, low + 1, 2)[..., 0]
    return lower + share * (upper - lower)


def _value(fit: FloatArray, labels: FloatArray, lines: SearchLines) -> float:
    return float(np.maximum(fit_at(fit, labels, lines), -0.2).mean())


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
