"""The 4-D look-up: node coordinates and interpolation, in readable NumPy (equations 2 to 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.model.fusion_model import Axis, FusionModel
from lut_fuse_core.model.scenes import Place

IndexArray = npt.NDArray[np.int64]


def coordinate(feature: FloatArray, axis: Axis) -> FloatArray:
    """Position of a feature on an axis, in units of nodes (equation 3).

    Args:
        feature: Any shape, float32, gray levels.
        axis: Its nodes and range.

    Returns:
        The same shape, in [0, nodes - 1]: features beyond the axis take its end.
    """
    position = (feature - np.float32(axis.low)) * np.float32(1.0 / axis.step)
    return np.clip(position, np.float32(0.0), np.float32(axis.nodes - 1))


def cell(position: FloatArray, nodes: int) -> tuple[IndexArray, FloatArray]:
    """Lower node and the remaining fraction of a coordinate (equation 4).

    Returns:
        ``(index int64 in [0, nodes - 2], fraction float32 in [0, 1])``.
    """
    index = np.minimum(np.floor(position), nodes - 2).astype(np.int64)
    return index, position - index.astype(np.float32)


def corners(
    cells: Sequence[tuple[IndexArray, FloatArray]],
    shape: tuple[int, ...],
    place: IndexArray | int = 0,
    weight: FloatArray | int = 1,
) -> Iterator[tuple[IndexArray, FloatArray]]:
    """Index into the flat lattice and weight of each of the 16 corners of a cell.

    The weight is the product of ``1 - o`` or ``o`` per axis (equation 6).

    Args:
        cells: Lower node and fraction ``o`` per axis, as of `cell`.
        shape: Nodes per axis.
        place: Index by the axes before these.
        weight: Product of the axes before these.
    """
    (index, fraction), *others = cells
    lower = place * shape[0] + index
    for upper, share in ((lower, 1 - fraction), (lower + 1, fraction)):
        if others:
            yield from corners(others, shape[1:], upper, weight * share)
        else:
            yield upper, weight * share


def interpolate(lattice: FloatArray, positions: list[FloatArray]) -> FloatArray:
    """Weighted sum over the 16 corners of the cell around each position (equation 5).

    Args:
        lattice: ``(n0, n1, n2, n3) float32``.
        positions: Four arrays of one shape, in units of nodes.

    Returns:
        That shape, float32.
    """
    cells = [cell(p, n) for p, n in zip(positions, lattice.shape, strict=True)]
    values = lattice.reshape(-1)
    result = np.zeros_like(cells[0][1])
    for place, weight in corners(cells, lattice.shape):
        result += weight * values[place]
    return result


def look_up(
    model: FusionModel,
    luma: FloatArray,
    infrared: FloatArray,
    gradient: FloatArray,
    context: FloatArray,
    place: Place,
) -> FloatArray:
    """Fused luma of each pixel from its four features: the operation Psi (equation 2).

    Args:
        model: Lattices and axes.
        luma: ``(H, W) float32``, gray levels, as all four features.
        infrared: Gray levels of registered infrared.
        gradient: In gray levels of its axis.
        context: The upsampled context map.
        place: Of the scene between the lattices (`features.place`).

    Returns:
        ``(H, W) float32``, gray levels, not clipped.
    """
    features = (luma, infrared, gradient, context)
    positions = [coordinate(f, axis) for f, axis in zip(features, model.axes, strict=True)]
    return interpolate(model.lattice_at(place), positions) * np.float32(255.0)
