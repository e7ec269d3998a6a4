"""The look-up is quadrilinear interpolation: exact at nodes, bounded, linear along each axis."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lut_fuse_core.model import lattice
from lut_fuse_core.model.fusion_model import Axis

SHAPE = (5, 4, 3, 6)
TABLE = np.random.default_rng(0).random(SHAPE).astype(np.float32)

positions = st.tuples(*(st.floats(0, n - 1, width=32) for n in SHAPE))
nodes = st.tuples(*(st.integers(0, n - 1) for n in SHAPE))


def at(*position: float) -> float:
    """The table at one position, in units of nodes."""
    return float(lattice.interpolate(TABLE, [np.array([p], np.float32) for p in position])[0])


@given(nodes)
def test_it_is_exact_at_nodes(node: tuple[int, int, int, int]) -> None:
    assert at(*node) == pytest.approx(float(TABLE[node]), abs=1e-6)


@given(positions)
def test_it_lies_between_the_corners_of_its_cell(position: tuple[float, ...]) -> None:
    cells = [min(int(p), n - 2) for p, n in zip(position, SHAPE, strict=True)]
    corners = [
        TABLE[tuple(c + offset for c, offset in zip(cells, offsets, strict=True))]
        for offsets in product((0, 1), repeat=4)
    ]
    assert min(corners) - 1e-6 <= at(*position) <= max(corners) + 1e-6


@given(positions, st.integers(0, 3), st.floats(0, 1))
def test_it_is_linear_along_each_axis_within_a_cell(
    position: tuple[float, ...], axis: int, share: float
) -> None:
    cell = min(int(position[axis]), SHAPE[axis] - 2)

    def moved(to: float) -> float:
        return at(*(to if i == axis else p for i, p in enumerate(position)))

    expected = (1 - share) * moved(cell) + share * moved(cell + 1)
    assert moved(cell + share) == pytest.approx(expected, abs=1e-5)


@given(positions, st.integers(0, 3))
def test_it_is_continuous_across_cells(position: tuple[float, ...], axis: int) -> None:
    border = max(1, min(int(position[axis]), SHAPE[axis] - 2))
    below, above = (
        at(*(border + side * 1e-4 if i == axis else p for i, p in enumerate(position)))
        for side in (-1, 1)
    )
    assert below == pytest.approx(above, abs=1e-3)


@given(st.floats(-1e4, 1e4, width=32), st.integers(2, 64), st.floats(-300, 0), st.floats(1, 300))
@settings(max_examples=200)
def test_coordinates_stay_on_the_axis(value: float, count: int, low: float, high: float) -> None:
    axis = Axis("luma", count, low, high)
    position = lattice.coordinate(np.array([value], np.float32), axis)[0]
    assert 0 <= position <= count - 1
    if value <= low:
        assert position == 0
    if value >= high:
        assert position == pytest.approx(count - 1, rel=1e-5)


def test_the_ends_of_the_axis_are_its_first_and_last_node() -> None:
    ends = lattice.coordinate(np.array([16.0, 240.0], np.float32), Axis("luma", 8, 16.0, 240.0))
    np.testing.assert_allclose(ends, [0, 7], atol=1e-5)


@given(positions)
def test_corner_weights_sum_to_one(position: tuple[float, ...]) -> None:
    cells = [lattice.cell(np.array([p], np.float32), 6) for p in position]
    total = sum(weight[0] for _, weight in lattice.corners(cells, SHAPE))
    assert total == pytest.approx(1, abs=1e-5)
