"""Distributions as inline SVG: one dot per pair, a row per method."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np

WIDTH = 480
LABEL_WIDTH = 62
RIGHT_MARGIN = 16
ROW_HEIGHT = 44
AXIS_HEIGHT = 22
RADIUS = 3.0
MOST_DOTS = 300
"""Beyond this many pairs, evenly spaced quantiles stand for them all."""


def strip_plot(values: Mapping[str, Sequence[float]], names: Sequence[str]) -> str:
    """An SVG element: a row of dots per method with its median, over one common axis.

    Args:
        values: Method to one number per pair.
        names: What the pairs are called, shown on hovering.
    """
    everything = np.concatenate([np.asarray(row, np.float64) for row in values.values()])
    ticks = axis_ticks(float(everything.min()), float(everything.max()))
    low, high = ticks[0], ticks[-1]
    span = WIDTH - LABEL_WIDTH - RIGHT_MARGIN

    def place(value: float) -> float:
        return LABEL_WIDTH + span * (value - low) / (high - low)

    bottom = ROW_HEIGHT * len(values)
    parts = [f'<svg viewBox="0 0 {WIDTH} {bottom + AXIS_HEIGHT}" role="img">']
    for tick in ticks:
        x = place(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{bottom}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{_label(tick)}</text>'
        )
    for index, (method, row) in enumerate(values.items()):
        middle = ROW_HEIGHT * (index + 0.5)
        parts.append(f'<text x="0" y="{middle + 4:.1f}">{escape(method)}</text>')
        parts += _dots(method, row, names, middle, place)
        x = place(float(np.median(row)))
        parts.append(
            f'<line class="median" x1="{x:.1f}" x2="{x:.1f}" y1="{middle - 17:.1f}" '
            f'y2="{middle + 17:.1f}"><title>median {np.median(row):.3f}</title></line>'
        )
    return "".join([*parts, "</svg>"])


def axis_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers, evenly spaced, from at most ``low`` to at least ``high``; two or more."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(s * magnitude for s in (1, 2, 2.5, 5, 10) if s * magnitude >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def _dots(
    method: str,
    row: Sequence[float],
    names: Sequence[str],
    middle: float,
    place: Callable[[float], float],
) -> list[str]:
    """Dots that step aside for each other, to both sides of the middle line in turn."""
    order = np.argsort(row, kind="stable")
    if len(order) > MOST_DOTS:
        order = order[np.linspace(0, len(order) - 1, MOST_DOTS).round().astype(int)]
    columns: dict[int, int] = {}
    dots = []
    for index in order:
        x = place(float(row[index]))
        column = round(x / (2 * RADIUS))
        step = columns.get(column, 0)
        columns[column] = step + 1
        dots.append((x, (step + 1) // 2 * (-1 if step % 2 else 1), index))
    furthest = max(abs(offset) for _, offset, _ in dots)
    spacing = min(2 * RADIUS, (ROW_HEIGHT / 2 - 4) / max(furthest, 1))
    return [
        f'<circle class="{method}" cx="{x:.1f}" cy="{middle + offset * spacing:.1f}" '
        f'r="{RADIUS}"><title>{escape(names[index])}: {row[index]:.3f}</title></circle>'
        for x, offset, index in dots
    ]


def _label(tick: float) -> str:
    return f"{tick:.10g}"
