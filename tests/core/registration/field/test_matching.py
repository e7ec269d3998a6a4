"""Matching of cells: the library agrees with NumPy, and finds what was moved."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import load_library
from lut_fuse_core.registration.field.grid import CELL
from lut_fuse_core.registration.field.lines import SearchLines
from lut_fuse_core.registration.field.matching import (
    match,
    match_portably,
    scores_around,
    scores_around_portably,
    smooth_labels,
    smooth_labels_portably,
)

ROWS, COLUMNS = 5, 7


def channels(shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-300, 1000, (*shape, 4)).astype(np.int16)


@pytest.fixture
def library() -> None:
    try:
        load_library()
    except BackendUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, 2.2])
def test_the_library_scores_as_numpy_does(library: None, angle: float) -> None:
    lines = SearchLines.straight(angle, 6, (ROWS, COLUMNS))
    margin = lines.margin + 2
    visible = channels((ROWS * CELL, COLUMNS * CELL), 1)
    infrared = channels((ROWS * CELL + 2 * margin, COLUMNS * CELL + 2 * margin), 2)
    portable = match_portably(visible, infrared, lines, margin)
    np.testing.assert_allclose(match(visible, infrared, lines), portable, atol=1e-4)


@pytest.mark.parametrize("vertical", [False, True])
def test_a_moved_image_fits_best_where_it_was_moved_to(vertical: bool) -> None:
    lines = SearchLines(vertical, np.zeros((ROWS, COLUMNS), np.float32), -3, 6)
    margin = lines.margin
    visible = channels((ROWS * CELL, COLUMNS * CELL), 1)
    infrared = np.pad(visible, ((margin, margin), (margin, margin), (0, 0)))
    moved = np.roll(infrared, 4, axis=0 if vertical else 1)
    labels = match(visible, moved, lines).argmax(axis=-1) + lines.first
    np.testing.assert_array_equal(labels, 4)


def test_the_library_smooths_as_numpy_does(library: None) -> None:
    rng = np.random.default_rng(3)
    costs = rng.normal(size=(ROWS, COLUMNS, 11)).astype(np.float32)
    right, down = rng.uniform(0.2, 1, (2, ROWS, COLUMNS)).astype(np.float32)
    portable = smooth_labels_portably(costs, (right, down), 0.3, 1.5)
    np.testing.assert_allclose(smooth_labels(costs, (right, down), 0.3, 1.5), portable, atol=1e-4)


def test_the_library_takes_scores_around_a_place_as_numpy_does(library: None) -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(ROWS, COLUMNS, 11)).astype(np.float32)
    places = rng.uniform(0, 10, (ROWS, COLUMNS)).astype(np.float32)
    places[0, :2] = 0, 10
    portable = scores_around_portably(scores, places, 6)
    np.testing.assert_allclose(scores_around(scores, places, 6), portable, atol=1e-6)
    assert portable[0, 0, 6] == scores[0, 0, 0]
    assert not portable[0, 0, :6].any()
    assert not portable[0, 1, 7:].any()


def test_scores_around_a_place_beyond_all_labels_are_those_there_are(library: None) -> None:
    scores = np.random.default_rng(4).normal(size=(1, 2, 11)).astype(np.float32)
    places = np.array([[-4.5, 15.25]], np.float32)
    portable = scores_around_portably(scores, places, 6)
    np.testing.assert_allclose(scores_around(scores, places, 6), portable, atol=1e-6)
    assert not portable[0, 0, :10].any()  # labels -10.5 to -1.5
    between = (scores[0, 0, :2] + scores[0, 0, 1:3]) / 2
    np.testing.assert_allclose(portable[0, 0, 11:], between, atol=1e-6)
    assert portable[0, 1, 0]  # label 9.25
    assert not portable[0, 1, 2:].any()


def test_a_cell_without_evidence_agrees_with_its_neighbors() -> None:
    costs = np.zeros((3, 3, 9), np.float32)
    costs[..., 6] = -1
    costs[1, 1] = 0
    links = (np.ones((3, 3), np.float32),) * 2
    assert smooth_labels(costs, links, 0.2, 1.0)[1, 1] == 6
