"""The smooth part of a field: no more terms than the images show."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.registration.field.background import Background, find_background
from lut_fuse_core.registration.field.lines import SearchLines

SHAPE = (30, 40)
LINES = SearchLines.straight(0.0, 12, SHAPE)
DOWN = (np.arange(SHAPE[0]) + 0.5) / SHAPE[0]
GROUND = np.repeat(np.maximum(DOWN - 0.45, 0)[:, None], SHAPE[1], axis=1)
PLANE = np.add.outer(3 * DOWN, np.linspace(-5, 5, SHAPE[1]))


def background(labels: np.ndarray, noise: float = 0.1) -> Background:
    """Of cells that fit best at some labels, as well as at others by chance."""
    rng = np.random.default_rng(5)
    every = np.arange(LINES.first, LINES.last + 1)
    fit = 0.4 * np.exp(-0.5 * np.square((every - labels[..., None]) / 1.5))
    fit = (fit + noise * rng.normal(size=fit.shape)).astype(np.float32)
    found = (fit.argmax(axis=-1) + LINES.first).astype(np.float32)
    return find_background(fit, found, LINES, None, 1, calibrated=False)


@pytest.mark.parametrize(
    ("labels", "terms"),
    [(np.full(SHAPE, 4.3), 1), (16 * GROUND, 2), (PLANE, 3), (np.zeros(SHAPE), 0)],
    ids=["constant", "ground", "plane", "none"],
)
def test_a_surface_is_found_with_no_more_terms_than_it_has(labels: np.ndarray, terms: int) -> None:
    found = background(labels)
    assert found.terms == terms
    np.testing.assert_allclose(found.labels, labels, atol=0.35)


def test_a_ground_stays_at_the_set_distance_above_its_horizon() -> None:
    assert not background(16 * GROUND).labels[:12].any()


def test_what_fits_by_chance_moves_nothing() -> None:
    assert background(np.full(SHAPE, 99.0)).terms == 0
