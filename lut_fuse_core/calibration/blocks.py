"""Local correlation surfaces: how well each block of one image fits near its place in the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lut_fuse_core.calibration.oriented import ChannelSettings, oriented_channels
from lut_fuse_core.calibration.search import GreyPair, resizing
from lut_fuse_core.camera import Float64Array
from lut_fuse_core.model import FloatArray

LEAST_FILLED = 0.8
"""Share of a block that must show the visible image."""


@dataclass(frozen=True)
class Blocks:
    """Blocks of the visible image, warped onto the infrared grid, and where they may belong.

    centres: ``(N, 2)`` working infrared pixels. surfaces: ``(N, 2 r + 1, 2 r + 1) float32``,
    correlation from 0 to 1 for displacements from -r to r. pairs: ``(N,)``, which pair.
    shape: working infrared height and width; to_work: full infrared pixels to working ones.
    """

    centres: Float64Array
    surfaces: FloatArray
    pairs: Float64Array
    shape: tuple[int, int]
    to_work: Float64Array

    @property
    def radius(self) -> int:
        """Largest displacement in the surfaces, working pixels."""
        return int(self.surfaces.shape[-1] // 2)

    def __len__(self) -> int:
        return len(self.centres)


def correlate_blocks(
    pairs: Sequence[GreyPair],
    matrix: Float64Array,
    side: int,
    radius: int,
    settings: ChannelSettings,
) -> Blocks:
    """Correlation surfaces of all pairs around a registration.

    matrix: ``(3, 3)``, infrared to visible, full pixels. side: longest infrared side to work at;
    the work is done at the coarser of both resolutions at most. radius: working pixels.
    """
    infrared_shape = pairs[0][1].shape
    magnification = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    scale = min(1.0, magnification, side / max(infrared_shape))
    shape = (max(32, round(infrared_shape[0] * scale)), max(32, round(infrared_shape[1] * scale)))
    to_work = resizing(infrared_shape, shape)
    to_visible = matrix @ np.linalg.inv(to_work)
    block = max(16, round(0.075 * max(shape)) // 2 * 2)
    collected = [
        _surfaces(*_aligned(pair, to_visible, shape), settings, block, radius) for pair in pairs
    ]
    return Blocks(
        np.concatenate([centres for centres, _ in collected]),
        np.concatenate([surfaces for _, surfaces in collected]),
        np.repeat(np.arange(len(pairs)), [len(centres) for centres, _ in collected]),
        shape,
        to_work,
    )


def _aligned(
    pair: GreyPair, to_visible: Float64Array, shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Infrared, visible and the mask of the visible image on the working infrared grid."""
    visible, infrared = pair
    shrink = float(np.sqrt(abs(np.linalg.det(to_visible[:2, :2]))))
    if shrink > 1.2:
        # The warp takes single pixels; without this, fine texture would turn into noise.
        size = (round(visible.shape[1] / shrink), round(visible.shape[0] / shrink))
        smaller = cv2.resize(visible, size, interpolation=cv2.INTER_AREA)
        to_visible = resizing(visible.shape, smaller.shape) @ to_visible
        visible = smaller.astype(np.float32, copy=False)
    size = (shape[1], shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(
        visible, to_visible, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpPerspective(np.ones(visible.shape, np.float32), to_visible, size, flags=flags)
    mask = cv2.erode((inside > 0.99).astype(np.float32), np.ones((5, 5), np.uint8))
    working = cv2.resize(infrared, size, interpolation=cv2.INTER_AREA)
    return working.astype(np.float32), warped.astype(np.float32), mask.astype(np.float32)


def _surfaces(
    infrared: FloatArray,
    visible: FloatArray,
    mask: FloatArray,
    settings: ChannelSettings,
    block: int,
    radius: int,
) -> tuple[Float64Array, FloatArray]:
    there = oriented_channels(infrared, settings)
    here = oriented_channels(visible, settings) * mask[..., None]
    energy = np.square(there).sum(axis=2)
    floor = max(0.5 * float(np.median(energy)), 1e-6)
    padded = np.pad(there, ((radius, radius), (radius, radius), (0, 0)))
    filled, textured = (
        cv2.boxFilter(image, -1, (block, block), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        for image in (mask, np.square(here).sum(axis=2))
    )
    centres, surfaces = [], []
    for row in range(0, mask.shape[0] - block + 1, block // 2):
        for column in range(0, mask.shape[1] - block + 1, block // 2):
            if filled[row, column] < LEAST_FILLED or textured[row, column] < floor:
                continue
            reach = block + 2 * radius
            window = padded[row : row + reach, column : column + reach]
            template = here[row : row + block, column : column + block]
            surfaces.append(_surface(window, template, floor * block * block))
            centres.append((column + (block - 1) / 2, row + (block - 1) / 2))
    edge = 2 * radius + 1
    return (
        np.array(centres, np.float64).reshape(-1, 2),
        np.array(surfaces, np.float32).reshape(-1, edge, edge),
    )


def _surface(window: FloatArray, template: FloatArray, floor: float) -> FloatArray:
    """Correlation at every shift; the floor keeps empty blocks from fitting anywhere."""
    product: Any = 0.0
    for channel in range(template.shape[2]):
        product = product + cv2.matchTemplate(
            np.ascontiguousarray(window[..., channel]),
            np.ascontiguousarray(template[..., channel]),
            cv2.TM_CCORR,
        )
    block = template.shape[0]
    edge = window.shape[0] - block + 1
    sums = cv2.boxFilter(
        np.square(window).sum(axis=2),
        -1,
        (block, block),
        anchor=(0, 0),
        normalize=False,
        borderType=cv2.BORDER_CONSTANT,
    )[:edge, :edge]
    own = float(np.square(template).sum())
    correlation = product / np.sqrt((own + floor) * (sums + floor))
    return np.maximum(correlation, 0).astype(np.float32)
