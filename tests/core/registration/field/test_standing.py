"""A ground and what stands on it: the library agrees with NumPy, and both find it."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import load_library
from lut_fuse_core.registration.field.lines import SearchLines
from lut_fuse_core.registration.field.standing import find_street, stand_on, stand_on_portably

ROWS, COLUMNS = 30, 40
LEAST = -0.2


def rig(near: int, far: float) -> SearchLines:
    first, last = (-2, near) if near > 0 else (near, 2)
    return SearchLines(False, np.zeros((ROWS, COLUMNS), np.float32), first, last, far)


def street(horizon: float, end: float, far: float, feet: np.ndarray) -> np.ndarray:
    """Labels of columns that stand on a ground at some heights of the image."""
    down = np.repeat((np.arange(ROWS) + 0.5)[:, None] / ROWS, COLUMNS, axis=1)
    at = np.maximum(np.maximum(down, feet) - horizon, 0) / (1 - horizon)
    return far + at * (end - far)


def fit_of(labels: np.ndarray, lines: SearchLines, noise: float) -> np.ndarray:
    every = np.arange(lines.first, lines.last + 1)
    fit = 0.4 * np.exp(-0.5 * np.square((every - labels[..., None]) / 1.5))
    rng = np.random.default_rng(2)
    return (fit + noise * rng.normal(size=fit.shape)).astype(np.float32)


def test_the_library_finds_what_stands_as_numpy_does() -> None:
    try:
        load_library()
    except BackendUnavailableError as reason:
        pytest.skip(str(reason))
    rng = np.random.default_rng(6)
    fit = rng.normal(0, 0.3, (7, 9, 11)).astype(np.float32)
    places = np.sort(rng.uniform(0, 10, (5, 15)), axis=1).astype(np.float32)
    places[1, -3:] = 10
    best, feet = stand_on(fit, places, LEAST)
    portable = stand_on_portably(fit, places, LEAST)
    assert best == portable[0]
    np.testing.assert_array_equal(feet, portable[1])
    for ground in places:
        alone = ground[None]
        np.testing.assert_array_equal(
            stand_on(fit, alone, LEAST)[1], stand_on_portably(fit, alone, LEAST)[1]
        )


@pytest.mark.parametrize(("near", "far"), [(20, -1.4), (-20, 1.4)])
def test_a_ground_between_walls_with_a_person_on_it_is_found(near: int, far: float) -> None:
    lines = rig(near, far)
    across = np.abs(np.arange(COLUMNS) - 24) / COLUMNS
    feet = np.clip(0.47 + 0.7 * across, 0, 1)
    feet[10:14] = 0.8
    truth = street(0.47, 0.6 * near, far, feet)
    found = find_street(fit_of(truth, lines, 0.1), LEAST, lines, None, 1)
    assert abs(found.ground.horizon - 0.47) < 0.05
    assert np.abs(found.labels - truth).mean() < 0.4
    assert np.abs(found.labels[5:20, 11:13] - truth[5:20, 11:13]).max() < 1.0


def test_a_ground_is_followed_from_frame_to_frame() -> None:
    lines = rig(20, -1.4)
    feet = np.full(COLUMNS, 0.6)
    ground, labels = None, np.zeros((ROWS, COLUMNS))
    for turn, end in enumerate(np.linspace(10, 13, 7)):
        labels = street(0.45, end, lines.far, feet)
        found = find_street(fit_of(labels, lines, 0.1), LEAST, lines, ground, turn)
        ground = found.ground
    assert np.abs(found.labels - labels).mean() < 0.4
