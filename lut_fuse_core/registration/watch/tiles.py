"""By how much infrared lies beside the visible image, in each part of it, over minutes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, FloatArray
from lut_fuse_core.infrared.quantiles import middle
from lut_fuse_core.registration.edge_channels import energy_of
from lut_fuse_core.registration.watch.small_images import products, window_sums
from lut_fuse_core.registration.watch.small_pair import SmallPair

BLOCK = 24
"""Side of a tile, pixels of the small grid."""

RADIUS = 8
"""Largest displacement that is looked for, pixels of the small grid."""

MEMORY = 60.0
"""Seconds over which evidence fades to a third: single scenes pass, a rig stays."""

LEAST_TILES = 8
LEAST_WEIGHT = 5.0
"""Checks that a tile must have had structure in."""

NEAR = 3
"""Pixels around the common displacement in which a tile's own is looked for."""


Tile = tuple[tuple[int, int], "FloatArray | None"]
"""Row and column of a tile's upper left corner, and its likeness at each displacement; None for one
without structure, or without infrared."""


@dataclass(frozen=True)
class Residual:
    """What is left between the images, as a similarity of the small grid.

    Attributes:
        shift: Right and down, in pixels of the grid, by which infrared is beside the visible image
            at the center.
        spin: Radians by which it is rotated, clockwise.
        growth: By how much it is larger, as a share.
        size: Mean displacement over the tiles, pixels of the grid.
        gain: Likeness there over that without displacement; 1 for none.
        evidence: Likeness there above chance.
        everywhere: Share of the tiles that prefer it, in the quarter of the image where it is
            least.
    """

    shift: tuple[float, float]
    spin: float
    growth: float
    size: float
    gain: float
    evidence: float
    everywhere: float


class Tiles:
    """Sums up how well the tiles of the visible image fit around their place in infrared."""

    def __init__(self) -> None:
        self._sums: FloatArray | None = None
        self._weights = np.zeros(0)
        self._centers = np.zeros((0, 2))

    def adding(self, pair: SmallPair, seconds: float) -> Iterator[None]:
        """Take a pair, a row of tiles at a time.

        Args:
            pair: What both cameras show.
            seconds: Since the pair before.

        Yields:
            Nothing, after each row.
        """
        found: list[Tile] = []
        for row in _rows(pair):
            found += row
            yield
        places = np.array([place for place, _ in found], np.float64).reshape(-1, 2)
        if self._sums is None or len(self._centers) != len(places):
            self._sums = np.zeros((len(places), 2 * RADIUS + 1, 2 * RADIUS + 1), np.float32)
            self._weights = np.zeros(len(places))
            height, width = pair.visible.shape[:2]
            center = np.array([width - 1, height - 1]) / 2
            self._centers = places[:, ::-1] + (BLOCK - 1) / 2 - center
        fade = np.float32(np.exp(-seconds / MEMORY))
        self._sums *= fade
        self._weights *= fade
        for index, (_, surface) in enumerate(found):
            if surface is not None:
                self._sums[index] += surface
                self._weights[index] += 1

    def residual(self) -> Residual | None:
        """What all tiles together say; None while too few of them have structure."""
        known = self._weights >= LEAST_WEIGHT
        if self._sums is None or np.count_nonzero(known) < LEAST_TILES:
            return None
        weights = self._weights[known].astype(np.float32)
        means: FloatArray = np.asarray(self._sums[known] / weights[:, None, None], np.float32)
        centers = self._centers[known]
        chance = np.array([middle(each) for each in means], np.float32)
        common = means.mean(axis=0)
        row, column = np.unravel_index(int(np.argmax(common)), common.shape)
        parameters = np.array([column - RADIUS, row - RADIUS, 0.0, 0.0])
        for _ in range(3):
            parameters = _refit(means, chance, centers, parameters)
        moved = _displacements(parameters, centers)
        there = _at(means, moved) - chance
        here = _at(means, np.zeros_like(moved)) - chance
        growth, spin = parameters[2:]
        return Residual(
            (float(parameters[0]), float(parameters[1])),
            float(spin),
            float(growth),
            float(np.linalg.norm(moved, axis=1).mean()),
            float(there.mean() / max(float(here.mean()), 1e-3)),
            float(there.mean()),
            _least_quarter(centers, there > here),
        )


def _rows(pair: SmallPair) -> Iterator[list[Tile]]:
    """The tiles, a row at a time."""
    height, width = pair.visible.shape[:2]
    border = ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0))
    padded = np.pad(pair.infrared, border)
    energy = energy_of(pair.visible)
    floor = max(0.5 * middle(energy), 1e-6) * BLOCK * BLOCK
    owns, sums = (window_sums(each, BLOCK) for each in (energy, energy_of(padded)))
    edge, reach = 2 * RADIUS + 1, BLOCK + 2 * RADIUS
    for row in range((height % BLOCK) // 2, height - BLOCK + 1, BLOCK):
        found: list[Tile] = []
        for column in range((width % BLOCK) // 2, width - BLOCK + 1, BLOCK):
            template = pair.visible[row : row + BLOCK, column : column + BLOCK]
            own = float(owns[row, column])
            there = sums[row : row + edge, column : column + edge]
            if own < floor or float(there[RADIUS, RADIUS]) < 0.3 * floor:
                found.append(((row, column), None))
                continue
            window = padded[row : row + reach, column : column + reach]
            likeness = products(window, template) / np.sqrt((own + floor) * (there + floor))
            found.append(((row, column), np.maximum(likeness, 0).astype(np.float32)))
        yield found


def _refit(
    means: FloatArray, chance: FloatArray, centers: Float64Array, parameters: Float64Array
) -> Float64Array:
    """The similarity through each tile's best place near where the last one puts it."""
    expected = _displacements(parameters, centers)
    nearest = np.clip(np.rint(expected).astype(int) + RADIUS, 0, 2 * RADIUS)
    found, peaks = _peaks_near(means, nearest)
    weights = np.square(np.maximum(peaks - chance, 0), dtype=np.float64)
    distance = np.linalg.norm(found - expected, axis=1)
    weights = weights / (1 + np.square(distance / 1.5))
    x, y = centers.T
    one, none = np.ones_like(x), np.zeros_like(x)
    system = np.concatenate([np.stack([one, none, x, -y], 1), np.stack([none, one, y, x], 1)])
    values = np.concatenate([found[:, 0], found[:, 1]])
    both = np.sqrt(np.concatenate([weights, weights]))
    # A tenth of the image at its border is more than any knock spins or zooms.
    prior = np.diag([0.0, 0.0, *(0.02 * both.mean() * np.abs(centers).max(axis=0))]) + 1e-9
    solution, *_ = np.linalg.lstsq(
        np.concatenate([system * both[:, None], prior]),
        np.concatenate([values * both, np.zeros(4)]),
        rcond=None,
    )
    limit = RADIUS - 1
    return np.array([*np.clip(solution[:2], -limit, limit), *np.clip(solution[2:], -0.1, 0.1)])


def _displacements(parameters: Float64Array, centers: Float64Array) -> Float64Array:
    """Of tiles, ``(N, 2)``, under a shift right and down, a growth and a spin."""
    x, y = centers.T
    right, down, growth, spin = parameters
    return np.stack([right + growth * x - spin * y, down + growth * y + spin * x], axis=1)


def _peaks_near(
    surfaces: FloatArray, places: npt.NDArray[np.int_]
) -> tuple[Float64Array, FloatArray]:
    """The highest point of each surface at most `NEAR` from a place: where, and how high.

    Args:
        surfaces: ``(N, 2 r + 1, 2 r + 1)``.
        places: ``(N, 2)``, column and row.

    Returns:
        Displacements ``(N, 2)``, at the top of the parabolas through the peak and its neighbors,
        and the values at the peaks ``(N,)``.
    """
    border = ((0, 0), (NEAR, NEAR), (NEAR, NEAR))
    padded = np.pad(surfaces, border, constant_values=-np.inf)
    number, window = np.arange(len(surfaces)), np.arange(2 * NEAR + 1)
    columns, rows = places[:, :1] + window, places[:, 1:] + window
    parts = padded[number[:, None, None], rows[:, :, None], columns[:, None, :]]
    best = parts.reshape(len(parts), -1).argmax(axis=1)
    row, column = (
        places[:, 1] - NEAR + best // len(window),
        places[:, 0] - NEAR + best % len(window),
    )
    along = surfaces[number, row], surfaces[number, :, column]
    tops = [
        index + _vertices(values.astype(np.float64), index)
        for values, index in zip(along, (column, row), strict=True)
    ]
    return np.stack(tops, axis=1) - RADIUS, surfaces[number, row, column]


def _vertices(values: Float64Array, peaks: npt.NDArray[np.int_]) -> Float64Array:
    """From the peak of each row ``(N, 2 r + 1)`` to the top of its parabola; 0 at the ends."""
    number, inner = np.arange(len(values)), np.clip(peaks, 1, 2 * RADIUS - 1)
    before, here, after = (values[number, inner + step] for step in (-1, 0, 1))
    bend = before - 2 * here + after
    known = (peaks == inner) & (bend < 0)
    return np.where(known, np.clip((before - after) / (2 * np.where(known, bend, 1)), -0.5, 0.5), 0)


def _at(means: FloatArray, displacements: Float64Array) -> FloatArray:
    """Each surface at its displacement, between four values."""
    place = np.clip(displacements + RADIUS, 0, 2 * RADIUS - 1e-6)
    low = place.astype(int)
    x, y = (place - low).T
    column, row = low.T
    index = np.arange(len(means))
    upper = means[index, row, column] * (1 - x) + means[index, row, column + 1] * x
    lower = means[index, row + 1, column] * (1 - x) + means[index, row + 1, column + 1] * x
    return np.asarray(upper * (1 - y) + lower * y, np.float32)


def _least_quarter(centers: Float64Array, prefers: npt.NDArray[np.bool_]) -> float:
    """Share of tiles that prefer it, in the quarter of the image where it is least."""
    shares = []
    for right in (False, True):
        for low in (False, True):
            mine = ((centers[:, 0] > 0) == right) & ((centers[:, 1] > 0) == low)
            shares.append(float(np.mean(prefers[mine])) if mine.any() else 0.0)
    return min(shares)
