"""A smooth surface through most of the labels: the library agrees with NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import load_library
from lut_fuse_core.registration.field.surface import surface_through, surface_through_portably

ROWS, COLUMNS = 12, 16


def plane() -> np.ndarray:
    v, u = np.mgrid[0:ROWS, 0:COLUMNS].astype(np.float32) / (ROWS, COLUMNS)[0]
    return np.stack([np.ones_like(u), u - 0.5, v - 0.5], axis=-1)


@pytest.mark.parametrize("terms", [1, 3, 4])
def test_the_library_fits_as_numpy_does(terms: int) -> None:
    try:
        load_library()
    except BackendUnavailableError as reason:
        pytest.skip(str(reason))
    rng = np.random.default_rng(5)
    basis = rng.normal(size=(ROWS, COLUMNS, terms)).astype(np.float32)
    labels = rng.normal(0, 3, (ROWS, COLUMNS)).astype(np.float32)
    weights = rng.uniform(0, 1, (ROWS, COLUMNS)).astype(np.float32)
    weights[:3] = 0
    portable = surface_through_portably(basis, labels, weights)
    np.testing.assert_allclose(surface_through(basis, labels, weights), portable, atol=1e-3)


def test_what_stands_in_front_does_not_bend_the_surface() -> None:
    basis = plane()
    truth = basis @ np.array([2, 3, -4], np.float32)
    labels = truth.copy()
    labels[4:9, 5:10] += 9
    found = surface_through(basis, labels, np.ones_like(labels))
    assert np.abs(found - truth).max() < 0.2
