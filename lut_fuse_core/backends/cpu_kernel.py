"""The loops of the `cpu` backend, compiled by Numba: encoder input, features, look-up and color.

Each function works on a band of rows and releases the interpreter lock, so that plain threads can
share a frame; no threading layer of Numba is involved, which would be neither safe to call from
two threads at once nor to fork. Images are C-contiguous; luma rows carry one pixel of border.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from lut_fuse_core.jit import compiled
from lut_fuse_core.model.features import LUMA_WEIGHTS

f32 = np.float32
u32 = np.uint32
RED, GREEN, BLUE = (np.float32(weight) for weight in LUMA_WEIGHTS)

_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp", "reassoc", "nnan", "ninf"},
}

_Image = numba.types.Array(numba.uint8, 2, "C", readonly=True)
_Color = numba.types.Array(numba.uint8, 3, "C", readonly=True)
_Floats, _Integers = numba.float32[::1], numba.int32[::1]


def _compiled(function: Any, signature: Any = None) -> Any:
    return compiled(function, signature, **_OPTIONS)


def _compiled_for(*types: Any) -> Callable[[Any], Any]:
    """Compiled for these arguments only: read-only and writable frames share the machine code."""
    return lambda function: _compiled(function, types)


@_compiled
def _luma_row(visible, y, replicate, row):
    """Luma of image row y into ``row[1:-1]``, continued beyond the image by its border rule."""
    height, width = visible.shape[:2]
    if not replicate and (y < 0 or y >= height):
        row[:] = f32(0)
        return
    source = visible[min(max(y, 0), height - 1)]
    for x in range(width):
        row[x + 1] = RED * source[x, 0] + GREEN * source[x, 1] + BLUE * source[x, 2]
    row[0] = row[1] if replicate else f32(0)
    row[width + 1] = row[width] if replicate else f32(0)


@_compiled
def _gradient_row(above, here, below, l1, gradient):
    """Sobel response of one row, not scaled, from three luma rows."""
    two = f32(2)
    for x in range(gradient.size):
        across = (above[x + 2] - above[x]) + two * (here[x + 2] - here[x]) + below[x + 2] - below[x]
        down = (below[x] - above[x]) + two * (below[x + 1] - above[x + 1])
        down += below[x + 2] - above[x + 2]
        if l1:
            gradient[x] = abs(across) + abs(down)
        else:
            gradient[x] = np.sqrt(across * across + down * down)


@_compiled
def _columns(width, coarse_width, stride):
    """Left neighbor in the coarse context and fraction toward the right one, per column."""
    columns = np.empty(width, np.int32)
    fractions = np.empty(width, np.float32)
    for x in range(width):
        position = (f32(x) + f32(0.5)) / f32(stride) - f32(0.5)
        position = min(max(position, f32(0)), f32(coarse_width - 1))
        columns[x] = np.int32(position)
        fractions[x] = position - f32(columns[x])
    return columns, fractions


@_compiled
def _context_row(coarse, y, stride, columns, fractions, mixed, context):
    """Context of image row y, between the centers of the coarse map's squares."""
    if stride == 1:
        context[:] = coarse[y]
        return
    rows = coarse.shape[0]
    position = (f32(y) + f32(0.5)) / f32(stride) - f32(0.5)
    position = min(max(position, f32(0)), f32(rows - 1))
    upper = int(position)
    lower = min(upper + 1, rows - 1)
    fraction = position - f32(upper)
    for x in range(mixed.size - 1):
        mixed[x] = coarse[upper, x] + (coarse[lower, x] - coarse[upper, x]) * fraction
    mixed[mixed.size - 1] = mixed[mixed.size - 2]
    for x in range(context.size):
        left = mixed[columns[x]]
        context[x] = left + (mixed[columns[x] + 1] - left) * fractions[x]


@_compiled
def _cube(lattice, corner, s1, s2, o1, o2, o3):
    """Linear interpolation along the last three axes, from the cell corner with least indices."""
    one = u32(1)
    a, b, c, d = corner, corner + s2, corner + s1, corner + s1 + s2
    along_a = lattice[a] + (lattice[a + one] - lattice[a]) * o3
    along_b = lattice[b] + (lattice[b + one] - lattice[b]) * o3
    along_c = lattice[c] + (lattice[c + one] - lattice[c]) * o3
    along_d = lattice[d] + (lattice[d + one] - lattice[d]) * o3
    lower = along_a + (along_b - along_a) * o2
    upper = along_c + (along_d - along_c) * o2
    return lower + (upper - lower) * o1


@_compiled
def _cells_row(feature, low, per_step, nodes, stride, fractions, corners):
    """Equations 3 and 4 for one axis: fractions, and the cells' share in the lattice index."""
    last = f32(nodes - 1)
    for x in range(fractions.size):
        position = min(max((feature[x] - low) * per_step, f32(0)), last)
        index = min(np.int32(position), nodes - 2)
        fractions[x] = position - f32(index)
        corners[x] += index * stride


@_compiled
def _look_up_row(lattice, corners, strides, fractions, fused):
    """Equation 5, as nested linear interpolation: fused luma in [0, 1] of one row."""
    s0, s1, s2 = u32(strides[0]), u32(strides[1]), u32(strides[2])
    for x in range(fused.size):
        corner = u32(corners[x])
        o0, o1, o2, o3 = fractions[0, x], fractions[1, x], fractions[2, x], fractions[3, x]
        lower = _cube(lattice, corner, s1, s2, o1, o2, o3)
        upper = _cube(lattice, corner + s0, s1, s2, o1, o2, o3)
        fused[x] = lower + (upper - lower) * o0


@_compiled
def _color_row(source, luma, fused, mask, strength, out):
    """Add the change of luma to each channel, as far as mask and strength allow."""
    for x in range(fused.size):
        change = (fused[x] * f32(255) - luma[x]) * (f32(mask[x]) * strength)
        for channel in range(3):
            level = min(max(f32(source[x, channel]) + change, f32(0)), f32(255))
            out[x, channel] = np.uint8(level + f32(0.5))


@_compiled_for(
    *(_Color, _Image, numba.float32[:, ::1], _Image, numba.intp),
    *(_Floats, _Floats, _Floats, _Integers, _Integers),
    *(numba.boolean, numba.boolean, numba.float32, numba.float32, numba.float32),
    *(numba.intp, numba.intp, numba.uint8[:, :, ::1]),
)
def fuse_rows(
    visible, infrared, coarse, mask, stride, lattice, lows, per_steps, nodes, strides,
    l1, replicate, gradient_scale, gradient_offset, strength, first, last, out,
):  # fmt: skip
    """Fuse rows ``first`` to ``last``.

    visible, infrared, mask, out: as in `Backend.fuse`; mask is always given.
    coarse: ``(h, w) float32`` context, one value per ``stride`` x ``stride`` square.
    lattice: flat, float32; lows, per_steps ``(4,) float32``, nodes, strides ``(4,) int32``: axes.
    l1, replicate: kind of gradient; its value is response * gradient_scale + gradient_offset.
    strength: 0 to 1, over 255.
    """
    width = infrared.shape[1]
    lumas = np.empty((3, width + 2), np.float32)
    feature = np.empty(width, np.float32)
    fused = np.empty(width, np.float32)
    mixed = np.empty(coarse.shape[1] + 1, np.float32)
    fractions = np.empty((4, width), np.float32)
    corners = np.empty(width, np.int32)
    columns, column_fractions = _columns(width, coarse.shape[1], stride)
    _luma_row(visible, first - 1, replicate, lumas[(first + 2) % 3])
    _luma_row(visible, first, replicate, lumas[first % 3])
    for y in range(first, last):
        above, here, below = lumas[(y + 2) % 3], lumas[y % 3], lumas[(y + 1) % 3]
        _luma_row(visible, y + 1, replicate, below)
        luma = here[1:-1]
        corners[:] = 0
        _cells_row(luma, lows[0], per_steps[0], nodes[0], strides[0], fractions[0], corners)
        for x in range(width):
            feature[x] = f32(infrared[y, x])
        _cells_row(feature, lows[1], per_steps[1], nodes[1], strides[1], fractions[1], corners)
        _gradient_row(above, here, below, l1, feature)
        for x in range(width):
            feature[x] = feature[x] * gradient_scale + gradient_offset
        _cells_row(feature, lows[2], per_steps[2], nodes[2], strides[2], fractions[2], corners)
        _context_row(coarse, y, stride, columns, column_fractions, mixed, feature)
        _cells_row(feature, lows[3], per_steps[3], nodes[3], strides[3], fractions[3], corners)
        _look_up_row(lattice, corners, strides, fractions, fused)
        _color_row(visible[y], luma, fused, mask[y], strength, out[y])


@_compiled_for(_Color, numba.boolean, numba.boolean, numba.intp, numba.intp)
def gradient_range(visible, l1, replicate, first, last):
    """Least and greatest Sobel response in rows ``first`` to ``last``."""
    width = visible.shape[1]
    lumas = np.empty((3, width + 2), np.float32)
    gradient = np.empty(width, np.float32)
    low, high = f32(np.inf), f32(0)
    _luma_row(visible, first - 1, replicate, lumas[(first + 2) % 3])
    _luma_row(visible, first, replicate, lumas[first % 3])
    for y in range(first, last):
        above, here, below = lumas[(y + 2) % 3], lumas[y % 3], lumas[(y + 1) % 3]
        _luma_row(visible, y + 1, replicate, below)
        _gradient_row(above, here, below, l1, gradient)
        low, high = min(low, gradient.min()), max(high, gradient.max())
    return low, high


@_compiled
def _add_channel_row(visible, infrared, channel, channels, row):
    if channel == channels - 1:
        for x in range(infrared.size):
            row[x] += f32(infrared[x])
    elif channels == 2:
        for x in range(infrared.size):
            row[x] += RED * visible[x, 0] + GREEN * visible[x, 1] + BLUE * visible[x, 2]
    else:
        for x in range(infrared.size):
            row[x] += f32(visible[x, channel])


@_compiled_for(
    *(_Color, _Image, numba.float32, numba.intp, numba.intp),
    *(numba.intp, numba.intp, numba.float32[:, :, ::1]),
)
def encoder_rows(visible, infrared, scale, pool, unshuffle, first, last, planes):
    """Rows ``first`` to ``last`` of the first convolution's input, see `context.encoder_input`.

    planes: ``(C, h, w) float32``, written; C tells luma and infrared from RGB and infrared.
    """
    height, width = infrared.shape
    squared = unshuffle * unshuffle
    channels = planes.shape[0] // squared
    pooled = np.empty(planes.shape[2] * unshuffle, np.float32)
    row = np.empty(pooled.size * pool, np.float32)
    weight = scale / f32(pool * pool)
    for coarse_y in range(first, last):
        for part in range(squared * channels // unshuffle):
            channel, i = part // unshuffle, part % unshuffle
            row[:] = f32(0)
            for repeat in range(pool):
                y = min((coarse_y * unshuffle + i) * pool + repeat, height - 1)
                _add_channel_row(visible[y], infrared[y], channel, channels, row)
            row[width:] = row[width - 1]
            for x in range(pooled.size):
                total = f32(0)
                for k in range(pool):
                    total += row[x * pool + k]
                pooled[x] = total * weight
            for j in range(unshuffle):
                plane = planes[channel * squared + i * unshuffle + j, coarse_y]
                for x in range(plane.size):
                    plane[x] = pooled[x * unshuffle + j]
