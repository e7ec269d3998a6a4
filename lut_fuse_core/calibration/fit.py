"""The homography that the correlation surfaces of all blocks agree on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array, FloatArray
from lut_fuse_core.calibration.blocks import Blocks

PRIOR = np.array([0.2, 0.1, 0.5, 0.5, 0.03, 0.02, 0.04, 0.04])
"""Standard deviations, in half image widths, of log scale, rotation, shift x and y, aspect,
shear, perspective x and y: cameras side by side see each other's image nearly as a similarity."""

EVIDENCE = 3.0
"""Weight of one block's squared correlation against the prior."""

BLURS = (3.0, 1.5)
"""Widths in pixels by which the surfaces are smoothed, in turn, while the peak is climbed."""

STEPS = 12
LONGEST_STEP = 3.0
SETTLED = 0.02
DAMPING = 0.05

MOST_CHANNELS = 128
"""Of one image, in every OpenCV."""


@dataclass(frozen=True)
class Fit:
    """Where the blocks correlate best.

    Attributes:
        parameters: See `PRIOR`.
        agreement: Mean correlation of the blocks there, 0 to 1.
    """

    parameters: Float64Array
    agreement: float


def correction(parameters: Float64Array, shape: tuple[int, int]) -> Float64Array:
    """The ``(3, 3)`` map of working infrared pixels that the parameters stand for."""
    height, width = shape
    half = width / 2
    centered = np.array(
        [[1 / half, 0, -(width - 1) / 2 / half], [0, 1 / half, -(height - 1) / 2 / half], [0, 0, 1]]
    )
    log_scale, angle, x, y, aspect, shear, perspective_x, perspective_y = parameters
    cosine, sine = np.exp(log_scale) * np.cos(angle), np.exp(log_scale) * np.sin(angle)
    core = np.array(
        [
            [cosine * np.exp(aspect), -sine + shear, x],
            [sine + shear, cosine * np.exp(-aspect), y],
            [perspective_x, perspective_y, 1],
        ]
    )
    return np.linalg.inv(centered) @ core @ centered


def fit_blocks(blocks: Blocks, free: int = 8) -> Fit:
    """Climb to the parameters where the blocks correlate best in sum.

    A block on a straight edge says nothing about shifts along it, and one without any match says
    nothing at all: their surfaces are ridges or flat, and so they pull nowhere. That is why the
    surfaces are summed, rather than one best shift taken from each.

    Args:
        blocks: Of all pairs.
        free: 4 for a similarity, 8 for a homography.
    """
    parameters: Float64Array = np.zeros(8)
    for blur in BLURS:
        smooth = _smoothed(np.square(blocks.surfaces), blur)
        for _ in range(STEPS):
            step = _newton_step(blocks, smooth, parameters, free)
            before = _displacements(parameters, blocks)
            moved = float(np.abs(_displacements(parameters + step, blocks) - before).max())
            parameters = parameters + step * min(1.0, LONGEST_STEP / max(moved, 1e-9))
            if moved < SETTLED:
                break
    return Fit(parameters, agreement_at(blocks, parameters))


def _smoothed(surfaces: FloatArray, blur: float) -> FloatArray:
    """Each of the surfaces ``(N, e, e)``, many at a time as the channels of one image."""
    size = (2 * int(3 * blur) + 1,) * 2
    smooth = np.empty_like(surfaces)
    for first in range(0, len(surfaces), MOST_CHANNELS):
        some = slice(first, first + MOST_CHANNELS)
        stacked = np.ascontiguousarray(surfaces[some].transpose(1, 2, 0))
        blurred = cv2.GaussianBlur(stacked, size, blur).reshape(stacked.shape)
        smooth[some] = blurred.transpose(2, 0, 1)
    return smooth


def agreement_at(blocks: Blocks, parameters: Float64Array) -> float:
    """Mean likeness of the blocks, 0 to 1, when moved by the parameters."""
    displacements = _displacements(parameters, blocks)
    values = _sample(blocks.surfaces, displacements, blocks.radius)
    inside = (np.abs(displacements) < blocks.radius).all(axis=1)
    return float((values * inside).sum() / max(len(blocks), 1))


def _displacements(parameters: Float64Array, blocks: Blocks) -> Float64Array:
    matrix = correction(parameters, blocks.shape)
    mapped = blocks.centers @ matrix[:, :2].T + matrix[:, 2]
    return mapped[:, :2] / mapped[:, 2:] - blocks.centers


def _newton_step(
    blocks: Blocks, smooth: FloatArray, parameters: Float64Array, free: int
) -> Float64Array:
    displacements = _displacements(parameters, blocks)
    gradients, curvatures = _slopes(smooth, displacements, blocks.radius)
    inside = (np.abs(displacements) < blocks.radius - 1).all(axis=1)
    jacobian = np.empty((len(blocks), 2, 8))
    for index in range(8):
        nudge = np.zeros(8)
        nudge[index] = 1e-4
        jacobian[..., index] = (_displacements(parameters + nudge, blocks) - displacements) / 1e-4
    weighted = EVIDENCE * inside
    bent = np.einsum("nij,nik->njk", jacobian, curvatures)
    normal = np.einsum("nji,nik,n->jk", bent, jacobian, weighted) + np.diag(PRIOR**-2)
    slope = np.einsum("nij,ni,n->j", jacobian, gradients, weighted) - parameters / PRIOR**2
    step = np.zeros(8)
    damped = normal + DAMPING * np.diag(np.diag(normal))
    step[:free] = np.linalg.solve(damped[:free, :free], slope[:free])
    return step


def _slopes(
    surfaces: FloatArray, displacements: Float64Array, radius: int
) -> tuple[Float64Array, Float64Array]:
    """Gradient ``(N, 2)`` and positive semi-definite negative curvature ``(N, 2, 2)``."""

    def at(x: int, y: int) -> Float64Array:
        return _sample(surfaces, displacements + np.array([x, y]), radius)

    here, left, right, above, below = at(0, 0), at(-1, 0), at(1, 0), at(0, -1), at(0, 1)
    gradients = np.stack([right - left, below - above], axis=1) / 2
    mixed = (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1)) / 4
    curvatures = np.empty((len(surfaces), 2, 2))
    curvatures[:, 0, 0] = 2 * here - left - right
    curvatures[:, 1, 1] = 2 * here - above - below
    curvatures[:, 0, 1] = curvatures[:, 1, 0] = -mixed
    values, vectors = np.linalg.eigh(curvatures)
    values = np.maximum(values, 1e-5)
    return gradients, np.einsum("nij,nj,nkj->nik", vectors, values, vectors)


def _sample(surfaces: FloatArray, displacements: Float64Array, radius: int) -> Float64Array:
    """Bilinear look-up of each surface at its displacement; the border value continues."""
    place = np.clip(displacements + radius, 0, 2 * radius - 1e-6)
    corner = np.floor(place).astype(np.int64)
    x, y = (place - corner).T
    column, row = corner.T
    block = np.arange(len(surfaces))
    upper = surfaces[block, row, column] * (1 - x) + surfaces[block, row, column + 1] * x
    lower = surfaces[block, row + 1, column] * (1 - x) + surfaces[block, row + 1, column + 1] * x
    return upper * (1 - y) + lower * y
