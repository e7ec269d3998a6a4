"""A smooth surface through most of the labels of a grid."""

from __future__ import annotations

import ctypes

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import Surface, load_library

STEPS = 8
"""Of reweighted least squares."""

WIDEST = 6.0
"""Labels that a cell may stray in the first step."""

NARROWER = 0.7
"""Share of that which is left from one step to the next."""

SHARP = 1.2
"""Labels that a cell may stray in the end before it counts as something in front."""


def surface_through(basis: FloatArray, found: FloatArray, weights: FloatArray) -> FloatArray:
    """The sum of some shapes that lies nearest to most of the labels.

    Args:
        basis: ``(rows, columns, terms) float32``, up to four shapes.
        found: ``(rows, columns) float32``, the label of each cell.
        weights: ``(rows, columns) float32``, how much each says, from 0.

    Returns:
        ``(rows, columns) float32``.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        return surface_through_portably(basis, found, weights)
    arrays = [np.ascontiguousarray(each, np.float32) for each in (basis, found, weights)]
    surface = np.empty(found.shape, np.float32)
    pointers = (each.ctypes.data for each in (*arrays, surface))
    described = Surface(*pointers, *basis.shape, STEPS, WIDEST, NARROWER, SHARP)
    if library.lut_fuse_fit_surface(ctypes.byref(described)):
        raise MemoryError("no memory to fit a surface to a displacement field")
    return surface


def surface_through_portably(
    basis: FloatArray, found: FloatArray, weights: FloatArray
) -> FloatArray:
    """`surface_through` in NumPy."""
    every = np.s_[::2, ::2]
    columns = np.ascontiguousarray(basis[every].reshape(-1, basis.shape[-1]))
    values, given = found[every].ravel(), weights[every].ravel() + np.float32(1e-6)
    weight, reach = given, WIDEST
    fixed = 1e-3 * np.eye(basis.shape[-1])
    for _ in range(STEPS):
        weighted = columns * weight[:, None]
        terms = np.linalg.solve(
            weighted.T @ columns + fixed * weight.sum(), weighted.T @ values
        ).astype(np.float32)
        reach = max(SHARP, NARROWER * reach)
        weight = given / np.square(1 + np.square((values - columns @ terms) / np.float32(reach)))
    return np.asarray(basis @ terms, np.float32)
