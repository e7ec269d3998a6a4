"""A ground and what stands on it: what most scenes look like to a camera that looks along them.

Each column of a grid shows ground from its foot down, and above it something upright, a wall, a car
or a person, that is as far away as the ground at the foot: a stixel (Badino, Franke and Pfeiffer,
DAGM 2009).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import Standing, load_library
from lut_fuse_core.registration.field.lines import SearchLines

BEND = 0.05
"""Fit of a cell that a difference of half a row between the feet of neighboring columns costs."""

FARTHEST = 16
"""Half rows beyond which this costs no more: there something else stands in front."""

HORIZONS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
"""Where the ground may begin, infinitely far away, in heights of the image."""

ENDS = 20
"""How many labels, from infinity to the nearest, are tried at the lower end of the ground."""

BETWEEN = 0.025
"""Heights of the image between the horizons that are compared near the best one."""

Feet = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Ground:
    """A level ground.

    Attributes:
        horizon: Where it begins, in heights of the image.
        end: Its label at the lower edge of the image.
    """

    horizon: float
    end: float

    def neighbors(self, step: float) -> list[Ground]:
        """Itself and those beside it, whose ends differ by ``step``."""
        return [
            Ground(self.horizon + BETWEEN * up, self.end + step * near)
            for up in (0, -1, 1)
            for near in (0, -1, 1)
        ]


@dataclass(frozen=True, eq=False)
class Street:
    """A ground with what stands on it.

    Attributes:
        ground: On which everything stands.
        labels: ``(rows, columns) float32``.
    """

    ground: Ground
    labels: FloatArray


def find_street(
    fit: FloatArray, least: float, lines: SearchLines, before: Ground | None, turn: int
) -> Street:
    """The ground, and what stands on it, that fit best.

    Args:
        fit: ``(rows, columns, labels) float32``, blurred over neighboring cells.
        least: What is below this counts as this: a cell may show something in front.
        lines: What the labels mean.
        before: The ground of the frame before, if there was one. Then those near it are compared
            with those of one horizon.
        turn: Counts the frames, and chooses that horizon.
    """
    step = (lines.nearest - lines.far) / ENDS
    ends = [lines.far + step * (index + 1) for index in range(ENDS)]
    horizons = HORIZONS if before is None else (HORIZONS[turn % len(HORIZONS)],)
    grounds = [Ground(horizon, end) for horizon in horizons for end in ends]
    if before is None:
        every = _labels_down(grounds, len(fit), lines)
        before = grounds[stand_on(fit, every - np.float32(lines.first), least)[0]]
        grounds = []
    grounds += before.neighbors(0.5 * step)
    every = _labels_down(grounds, len(fit), lines)
    best, feet = stand_on(fit, every - np.float32(lines.first), least)
    down = every[best]
    # The middle of a row is at an odd half row.
    middles = np.arange(1, len(down), 2)[:, None]
    return Street(grounds[best], down[np.maximum(middles, feet)])


def stand_on(fit: FloatArray, places: FloatArray, least: float) -> tuple[int, Feet]:
    """The best of some grounds, and where on it the columns stand.

    Args:
        fit: ``(rows, columns, labels) float32``.
        places: ``(grounds, 2 * rows + 1) float32``, the label of each ground at every half row from
            the upper edge to the lower one, counted from the first label.
        least: Fit below which a cell says no more against a label.

    Returns:
        Index of the ground on which columns that take no notice of each other fit best, and
        ``(columns,) int32``, the half row from which each column is ground.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        return stand_on_portably(fit, places, least)
    fit, places = (np.ascontiguousarray(each, np.float32) for each in (fit, places))
    best, feet = np.zeros(1, np.int32), np.empty(fit.shape[1], np.int32)
    pointers = (each.ctypes.data for each in (fit, places, best, feet))
    described = Standing(*pointers, *fit.shape, len(places), FARTHEST, least, BEND)
    if library.lut_fuse_stand_on(ctypes.byref(described)):
        raise MemoryError("no memory to find what stands on the ground of a displacement field")
    return int(best[0]), feet


def stand_on_portably(fit: FloatArray, places: FloatArray, least: float) -> tuple[int, Feet]:
    """`stand_on` in NumPy."""
    cells = np.maximum(fit, np.float32(least))
    above = np.concatenate([np.zeros_like(cells[:1]), np.cumsum(cells, axis=0, dtype=np.float32)])
    worths = [_worth_at_rows(cells, above, each).max(axis=0).sum() for each in places]
    best = int(np.argmax(worths))
    return best, _feet(_worth_at_half_rows(cells, above, places[best]))


def _worth_at_rows(cells: FloatArray, above: FloatArray, places: FloatArray) -> FloatArray:
    """How well each column fits that stands at each whole row, ``(rows + 1, columns)``."""
    ground = _in_rows(cells, places[1::2])
    below = np.cumsum(ground[::-1], axis=0, dtype=np.float32)[::-1]
    below = np.concatenate([below, np.zeros_like(below[:1])])
    return below + _in_rows(above, places[::2])


def _worth_at_half_rows(cells: FloatArray, above: FloatArray, places: FloatArray) -> FloatArray:
    """The same at half rows, ``(2 * rows + 1, columns)``."""
    whole = _worth_at_rows(cells, above, places)
    found = np.repeat(whole, 2, axis=0)[:-1]
    half = places[1::2]
    ground = _in_rows(cells, half)
    below = whole[1:] - _in_rows(above[1:], places[2::2])
    foot = _in_rows(above[:-1], half) + np.float32(0.5) * _in_rows(cells, half)
    found[1::2] = below + np.float32(0.5) * ground + foot
    return found


def _in_rows(values: FloatArray, places: FloatArray) -> FloatArray:
    """Values at one label a row, ``(rows, columns)``, interpolated."""
    low = np.minimum(places.astype(np.intp), values.shape[-1] - 2)
    row = np.arange(len(values))
    first, second = values[row, :, low], values[row, :, low + 1]
    return np.asarray(first + (places - low).astype(np.float32)[:, None] * (second - first))


def _feet(worth: FloatArray) -> Feet:
    """The feet that are worth most together."""
    count, columns = worth.shape
    row = np.arange(count)
    apart = np.minimum(np.abs(row[:, None] - row), FARTHEST)
    cost = np.float32(BEND) * apart.astype(np.float32)
    best, ways = worth[:, 0], []
    for column in range(1, columns):
        every = best - cost
        ways.append(every.argmax(axis=1))
        best = every[row, ways[-1]] + worth[:, column]
    feet = [int(best.argmax())]
    for way in reversed(ways):
        feet.append(int(way[feet[-1]]))
    return np.array(feet[::-1], np.int32)


def _labels_down(grounds: list[Ground], rows: int, lines: SearchLines) -> FloatArray:
    """Labels of grounds at half rows, ``(grounds, 2 * rows + 1) float32``."""
    down = np.linspace(0, 1, 2 * rows + 1, dtype=np.float32)
    horizons, ends = (
        np.array(each, np.float32)[:, None]
        for each in zip(*((ground.horizon, ground.end) for ground in grounds), strict=True)
    )
    share = np.maximum(down - horizons, 0) / (1 - horizons)
    far = np.float32(lines.far)
    return np.clip(far + share * (ends - far), lines.first, lines.last).astype(np.float32)
