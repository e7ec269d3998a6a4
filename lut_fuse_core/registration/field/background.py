"""The smooth part of a field: what the set distance, a plane, or a road below a horizon make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.infrared.quantiles import quantiles
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.registration.field.lines import SearchLines
from lut_fuse_core.registration.field.matching import scores_around
from lut_fuse_core.registration.field.standing import Ground, find_street
from lut_fuse_core.registration.field.surface import surface_through

HORIZONS = (0.3, 0.45, 0.6)
"""Where the ground may begin, in heights of the image."""

GROUNDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
"""Where a ground may begin that lies at the set distance there and comes nearer below."""

ZERO_BONUS = 1.12
"""How much better than the set distance another surface must fit."""

BLOCKS = (8, 6)
"""Parts of the image, across and down, that are taken for independent witnesses."""

DOUBTFUL = 2.0
"""Labels: where only a twentieth of the cells is displaced by more than this, it may be what is
left of a registration that is right."""

SURE, SURER = 3.75, 6.0
"""By how many standard errors another surface must fit better than the set distance where
only the images tell where displacements lie; the second below `DOUBTFUL` labels."""

SIMPLER = 2.0
"""By how many standard errors a surface must fit better than one with fewer terms: what is
left of a registration is followed by whatever has terms enough."""

HELD, NEW = 0.7, 1.4
"""Share of that which is demanded of a surface in use, which must not flicker, and while the set
distance is in use: an hour of frames must not find by chance what the first did not show."""

APART = 0.5
"""Labels between two surfaces in a part of the image that can tell them apart."""

LEAST_PARTS = 8
"""Fewer parts tell nothing."""

LEAST_FIT = np.float32(-0.2)
"""A cell speaks no more than this against a surface: it may show something in front."""


@dataclass(frozen=True, eq=False)
class Background:
    """A surface through the labels.

    Attributes:
        labels: ``(rows, columns) float32``.
        terms: How many numbers describe it; 0 for the set distance.
        ground: Where everything stands, as far as that is known; None without calibration.
    """

    labels: FloatArray
    terms: int
    ground: Ground | None = None


@dataclass(frozen=True, eq=False)
class _Surface:
    """A surface that may be the background.

    Attributes:
        labels: ``(rows, columns) float32``.
        fit: ``(rows, columns) float32``, how well each cell fits on it.
        terms: How many numbers describe it.
        held: Whether it is in use.
    """

    labels: FloatArray
    fit: FloatArray
    terms: int
    held: bool = False

    @classmethod
    def of(
        cls,
        labels: FloatArray,
        terms: int,
        fit: FloatArray,
        lines: SearchLines,
        held: bool = False,
    ) -> _Surface:
        """With its fit, from that of all cells at all labels."""
        labels = np.clip(labels, lines.first, lines.last)
        fit_there = np.maximum(fit_at(fit, labels, lines), LEAST_FIT)
        return cls(labels, fit_there, terms, held)

    @cached_property
    def worth(self) -> float:
        """Mean fit of a cell."""
        return float(self.fit.mean())


def find_background(
    fit: FloatArray,
    found: FloatArray,
    lines: SearchLines,
    before: Background | None,
    turn: int,
    calibrated: bool,
) -> Background:
    """The surface that fits best.

    Args:
        fit: ``(rows, columns, labels) float32``, blurred over neighboring cells.
        found: ``(rows, columns) float32``, the label of each cell on its own.
        lines: What the labels mean.
        before: That of the frame before, if there was one. Then planes and roads take turns to be
            fitted again.
        turn: Counts the frames.
        calibrated: Whether the lines are known. If not, the set distance is only left for what
            fits better all over the image.
    """
    bases = _bases(found.shape)
    if before is not None:
        bases = (bases[turn % len(bases)],)
    surfaces = _surfaces(fit, found, lines, bases)
    if before is not None:
        surfaces.append(_Surface.of(before.labels, before.terms, fit, lines, held=True))
    rest = _Surface.of(np.zeros(found.shape, np.float32), 0, fit, lines)
    ground = None
    if calibrated:
        known = None if before is None else before.ground
        street = find_street(fit, float(LEAST_FIT), lines, known, turn)
        ground = street.ground
        surfaces.append(_Surface.of(street.labels, found.shape[1], fit, lines))
    best = max(surfaces, key=lambda each: each.worth)
    if calibrated:
        chosen = best if best.worth > max(rest.worth, 0.0) * ZERO_BONUS else rest
    else:
        simplest = _simplest(surfaces)
        leads = (_lead(each, rest) > _demanded(each.labels, before) for each in (simplest, best))
        chosen = simplest if any(leads) else rest
    return Background(chosen.labels, chosen.terms, ground)


def best_surface(fit: FloatArray, found: FloatArray, lines: SearchLines) -> float:
    """Mean fit of a cell on the surface that fits best, the one at the set distance included.

    Args:
        fit: ``(rows, columns, labels) float32``, blurred over neighboring cells.
        found: ``(rows, columns) float32``, the label of each cell on its own.
        lines: What the labels mean.
    """
    rest = _Surface.of(np.zeros(found.shape, np.float32), 0, fit, lines)
    surfaces = [rest, *_surfaces(fit, found, lines, _bases(found.shape))]
    return max(each.worth for each in surfaces)


def street_worth(fit: FloatArray, lines: SearchLines) -> float:
    """Mean fit of a cell on the ground, with what stands on it, that fits best.

    Args:
        fit: ``(rows, columns, labels) float32``, blurred over neighboring cells.
        lines: What the labels mean.
    """
    street = find_street(fit, float(LEAST_FIT), lines, None, 0)
    return _Surface.of(street.labels, fit.shape[1], fit, lines).worth


def fit_at(fit: FloatArray, labels: FloatArray, lines: SearchLines) -> FloatArray:
    """The fit of each cell at a label, ``(rows, columns) float32``, interpolated."""
    places = np.clip(labels - np.float32(lines.first), 0, np.float32(lines.labels - 1))
    return scores_around(fit, places, 0)[..., 0]


def _surfaces(
    fit: FloatArray, found: FloatArray, lines: SearchLines, bases: tuple[FloatArray, ...]
) -> list[_Surface]:
    """A constant, a ground, and one surface of each basis through most of the labels."""
    weights = np.maximum(fit_at(fit, found, lines), 0)
    by_row = np.maximum(fit, LEAST_FIT).mean(axis=1)
    columns = found.shape[1]
    level, ground = (
        np.repeat(rows[:, None], columns, axis=1)
        for rows in (_constant(by_row, lines), _ground(by_row, lines))
    )
    described = [(level, 1), (ground, 2)]
    described += [(surface_through(each, found, weights), each.shape[-1]) for each in bases]
    return [_Surface.of(labels, terms, fit, lines) for labels, terms in described]


def _constant(by_row: FloatArray, lines: SearchLines) -> FloatArray:
    """The best label of all rows."""
    best = _peak(by_row.mean(axis=0)) + lines.first
    return np.full(len(by_row), best, np.float32)


def _ground(by_row: FloatArray, lines: SearchLines) -> FloatArray:
    """The best labels, row by row, of a ground that begins at the set distance."""
    shapes, low, share = _grounds(len(by_row), lines.first, lines.last)
    row = np.arange(len(by_row))
    lower, upper = by_row[row, low], by_row[row, low + 1]
    worth = (lower + share * (upper - lower)).mean(axis=-1)
    horizon = int(worth.max(axis=1).argmax())
    return np.asarray(shapes[horizon] * (_peak(worth[horizon]) + lines.first), np.float32)


@lru_cache(maxsize=16)
def _grounds(
    rows: int, first: int, last: int
) -> tuple[FloatArray, npt.NDArray[np.intp], FloatArray]:
    """Grounds that end at each label, below each horizon.

    Returns:
        ``(GROUNDS, rows) float32``, what each is multiplied by, row by row; and, both ``(GROUNDS,
        labels, rows)``, the index of the label below that of a row, and the share of the next.
    """
    down = (np.arange(rows, dtype=np.float32) + 0.5) / rows
    shapes = np.maximum(down - np.array(GROUNDS, np.float32)[:, None], 0)
    shapes /= shapes[:, -1:]
    ends = np.arange(first, last + 1, dtype=np.float32)
    places = shapes[:, None] * ends[:, None] - np.float32(first)
    low = np.minimum(places.astype(np.intp), last - first - 1)
    return shapes, low, (places - low).astype(np.float32)


def _peak(values: FloatArray) -> float:
    """Index of the greatest value, between whole ones where a parabola says so."""
    best = int(values.argmax())
    if not 0 < best < len(values) - 1:
        return best
    left, middle, right = (float(each) for each in values[best - 1 : best + 2])
    bend = 2 * middle - left - right
    return best + (0.5 * (right - left) / bend if bend > 0 else 0.0)


def _simplest(surfaces: list[_Surface]) -> _Surface:
    """The surface of fewest terms than which none with more fits clearly better."""
    order = sorted(surfaces, key=lambda each: (each.terms, -each.worth))
    for surface in order:
        more = [each for each in order if each.terms > surface.terms]
        margins = (SIMPLER * (HELD if each.held else 1) for each in more)
        leads = (_lead_where_apart(each, surface) for each in more)
        if all(lead < margin for lead, margin in zip(leads, margins, strict=True)):
            break
    return surface


def _lead(one: _Surface, other: _Surface) -> float:
    """By how many standard errors a surface fits better than another all over the image."""
    return _standard_errors(_by_parts(one.fit - other.fit))


def _lead_where_apart(one: _Surface, other: _Surface) -> float:
    """The same over the parts of the image in which the surfaces differ."""
    apart = _by_parts(np.abs(one.labels - other.labels)) > APART
    parts = _by_parts(one.fit - other.fit)[apart]
    return _standard_errors(parts) if parts.size >= LEAST_PARTS else 0.0


def _by_parts(values: FloatArray) -> FloatArray:
    parts = cv2.resize(values, BLOCKS, interpolation=cv2.INTER_AREA)
    return parts.astype(np.float32, copy=False)


def _standard_errors(values: FloatArray) -> float:
    """How many of its standard errors the mean of some values is."""
    return float(values.mean() * values.size**0.5 / (values.std() + 1e-6))


def _demanded(surface: FloatArray, before: Background | None) -> float:
    demanded = SURE if quantiles(np.abs(surface).ravel(), 0.95)[0] > DOUBTFUL else SURER
    if before is None:
        return demanded
    return demanded * (HELD if before.terms else NEW)


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
