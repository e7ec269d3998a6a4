"""How well cells fit along their search lines, and which labels they agree on."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.native.bindings import Labels, Match, Surroundings, load_library
from lut_fuse_core.registration.field.grid import CELL
from lut_fuse_core.registration.field.lines import SearchLines

BLURS = 2
"""How often the sums of a cell are blurred over its neighbors."""

FLOOR = 0.5
"""Energy, in that of a usual cell, that keeps empty cells from fitting anywhere."""

Channels = npt.NDArray[np.int16]


def match(visible: Channels, infrared: Channels, lines: SearchLines) -> FloatArray:
    """Correlation of the edges of each cell at every label.

    Args:
        visible: ``(rows * CELL, columns * CELL, 4) int16``.
        infrared: The same with as many more pixels on each side as the lines need, or more.
        lines: Where to compare.

    Returns:
        ``(rows, columns, labels) float32``: correlation, from -2 to 2, small where a cell shows no
        edges.
    """
    margin = (infrared.shape[0] - visible.shape[0]) // 2
    try:
        library = load_library()
    except BackendUnavailableError:
        return match_portably(visible, infrared, lines, margin)
    visible, infrared = np.ascontiguousarray(visible), np.ascontiguousarray(infrared)
    slopes = np.ascontiguousarray(lines.slopes)
    rows, columns = slopes.shape
    scores = np.empty((rows, columns, lines.labels), np.float32)
    described = Match(
        visible.ctypes.data,
        infrared.ctypes.data,
        slopes.ctypes.data,
        scores.ctypes.data,
        *(rows, columns, margin, lines.vertical, lines.first, lines.last),
        BLURS,
        FLOOR,
    )
    if library.lut_fuse_match(ctypes.byref(described)):
        raise MemoryError("no memory to compare the images")
    return scores


def match_portably(
    visible: Channels, infrared: Channels, lines: SearchLines, margin: int
) -> FloatArray:
    """`match` in NumPy."""
    rows, columns = lines.slopes.shape
    here, there = visible.astype(np.float32), infrared.astype(np.float32)
    own = _blurred(_cell_sums(np.square(here).sum(axis=2))[..., None])
    row, column = (each * CELL + margin for each in np.indices((rows, columns)))
    pixel = np.arange(CELL)
    scores = np.empty((2, rows, columns, lines.labels), np.float32)
    for index in range(lines.labels):
        along = lines.first + index
        # Halves go away from zero, as in C.
        across = np.trunc(lines.slopes * along + np.copysign(0.5, lines.slopes * along)).astype(int)
        down, right = (along, across) if lines.vertical else (across, along)
        y = (row + down)[:, None, :, None] + pixel[:, None, None]
        x = (column + right)[:, None, :, None] + pixel
        moved = there[y, x]  # (rows, CELL, columns, CELL, channels)
        moved = moved.reshape(here.shape)
        scores[0, ..., index] = _cell_sums((moved * here).sum(axis=2))
        scores[1, ..., index] = _cell_sums(np.square(moved).sum(axis=2))
    products, energies = _blurred(scores[0]), _blurred(scores[1])
    ordered = np.sort(own, axis=None)
    usual = max(float(ordered[ordered.size // 2]), 1.0)
    floor = FLOOR * usual
    fit = products / np.sqrt((own + floor) * (energies + floor))
    return (fit * (2 * own / (own + usual))).astype(np.float32)


def scores_around(scores: FloatArray, places: FloatArray, reach: int) -> FloatArray:
    """Scores at the labels around a place of each cell.

    Args:
        scores: ``(rows, columns, labels) float32``.
        places: ``(rows, columns) float32``, labels counted from the first one, no more than
            ``reach`` before it or beyond the last one.
        reach: Labels to either side.

    Returns:
        ``(rows, columns, 2 * reach + 1) float32``, interpolated, 0 where there is no label.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        return scores_around_portably(scores, places, reach)
    scores, places = (np.ascontiguousarray(each, np.float32) for each in (scores, places))
    around = np.empty((*places.shape, 2 * reach + 1), np.float32)
    pointers = (each.ctypes.data for each in (scores, places, around))
    described = Surroundings(*pointers, *scores.shape, reach)
    if library.lut_fuse_scores_around(ctypes.byref(described)):
        raise MemoryError("no memory to compare labels")
    return around


def scores_around_portably(scores: FloatArray, places: FloatArray, reach: int) -> FloatArray:
    """`scores_around` in NumPy."""
    whole = np.floor(places)
    share = (places - whole).astype(np.float32)[..., None]
    padded = np.pad(scores, ((0, 0), (0, 0), (2 * reach, 2 * reach + 1)))
    first = whole.astype(np.intp)[..., None] + reach + np.arange(2 * reach + 2)
    near = np.take_along_axis(padded, first, 2)
    return np.asarray(near[..., :-1] * (1 - share) + near[..., 1:] * share, np.float32)


def smooth_labels(
    costs: FloatArray, links: tuple[FloatArray, FloatArray], small: float, large: float
) -> FloatArray:
    """Semi-global matching (Hirschmueller, CVPR 2005), along rows and columns, both ways.

    Args:
        costs: ``(rows, columns, labels) float32``.
        links: ``(rows, columns) float32`` each: weight of the bond with the next cell to the right,
            and below.
        small: Cost of a step of one label between neighbors.
        large: Cost of any larger step.

    Returns:
        ``(rows, columns) float32``: index of the label on which a cell and its neighbors agree,
        between whole ones where a parabola says so.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        return smooth_labels_portably(costs, links, small, large)
    costs = np.ascontiguousarray(costs, np.float32)
    right, down = (np.ascontiguousarray(each, np.float32) for each in links)
    lowest = np.empty(costs.shape[:2], np.float32)
    pointers = (each.ctypes.data for each in (costs, right, down, lowest))
    described = Labels(*pointers, *costs.shape, small, large)
    if library.lut_fuse_smooth_labels(ctypes.byref(described)):
        raise MemoryError("no memory to smooth a displacement field")
    return lowest


def smooth_labels_portably(
    costs: FloatArray, links: tuple[FloatArray, FloatArray], small: float, large: float
) -> FloatArray:
    """`smooth_labels` in NumPy."""
    sums = costs.astype(np.float32, copy=True)
    right, down = links
    _walk(costs.swapaxes(0, 1), right.T, sums.swapaxes(0, 1), small, large)
    _walk(costs, down, sums, small, large)
    best = sums.argmin(axis=-1)[..., None]
    last = sums.shape[-1] - 1
    left, middle, right = (
        np.take_along_axis(sums, np.clip(best + step, 0, last), 2)[..., 0] for step in (-1, 0, 1)
    )
    bend = left + right - 2 * middle
    inner = (best[..., 0] > 0) & (best[..., 0] < last) & (bend > 1e-6)
    between = np.where(inner, 0.5 * (left - right) / np.where(inner, bend, 1), 0)
    return (best[..., 0] + np.clip(between, -0.5, 0.5)).astype(np.float32)


def _walk(
    costs: FloatArray, links: FloatArray, sums: FloatArray, small: float, large: float
) -> None:
    """Messages along the first axis, both ways, added to ``sums``."""
    last = len(costs) - 1
    for order in (range(last + 1), range(last, -1, -1)):
        message = np.zeros(costs.shape[1:], np.float32)
        for step, index in enumerate(order):
            if step:
                link = links[min(index, order[step - 1])][:, None]
                lowest = message.min(axis=-1, keepdims=True)
                ends = lowest + large * link
                padded = np.concatenate([ends, message, ends], axis=-1)
                near = np.minimum(padded[:, :-2], padded[:, 2:]) + small * link
                message = np.minimum(np.minimum(near, message), ends) - lowest
            sums[index] += message
            message = message + costs[index]


def _cell_sums(image: FloatArray) -> FloatArray:
    height, width = image.shape
    cells = image.reshape(height // CELL, CELL, width // CELL, CELL).sum(axis=(1, 3))
    return np.asarray(cells, np.float32)


def _blurred(values: FloatArray) -> FloatArray:
    for axis in (0, 1) * BLURS:
        ends = [(1, 1) if each == axis else (0, 0) for each in range(values.ndim)]
        padded = np.pad(values, ends, "edge").swapaxes(0, axis)
        mean = 0.25 * (padded[:-2] + padded[2:]) + 0.5 * padded[1:-1]
        values = mean.swapaxes(0, axis).astype(np.float32)
    return values
