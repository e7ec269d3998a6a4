"""Points that both cameras see, gathered from all pairs of a rig, whatever their distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, FloatArray, UInt8Array
from lut_fuse_core.calibration.blocks import Blocks, correlate_blocks
from lut_fuse_core.calibration.search import map_points
from lut_fuse_core.calibration.views import bring_together
from lut_fuse_core.registration.edge_channels import ChannelSettings, gray_levels

CHANNELS = ChannelSettings(channels=6, sigma=1.0, pool=1.5, high_pass=5.0)

SIDE = 640
"""Longest infrared side to work at, pixels."""

RADIUS = 14
"""Pixels around the homography's place in which a block is looked for."""

LEAST_LIKENESS = 0.3
LEAST_LEAD = 1.15
"""Ratio by which a block's best place must beat all that are not beside it."""

LEAST_BEND = 0.004
"""Curvature of a block's surface, in its weaker direction: along a straight edge there is none."""


@dataclass(frozen=True)
class Correspondences:
    """Points in both images.

    Attributes:
        visible: ``(N, 2)`` visible pixels.
        infrared: ``(N, 2)`` infrared pixels.
        pairs: ``(N,)``, which pair each is from.
    """

    visible: Float64Array
    infrared: Float64Array
    pairs: npt.NDArray[np.int64]

    def part(self, chosen: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Correspondences:
        """Those of an index, or of a mask."""
        return Correspondences(self.visible[chosen], self.infrared[chosen], self.pairs[chosen])


def gather(pairs: Sequence[tuple[UInt8Array, UInt8Array]], matrix: Float64Array) -> Correspondences:
    """The blocks of all pairs that have one clear place.

    Args:
        pairs: As for `calibrate_from_pairs`.
        matrix: ``(3, 3)``, infrared to visible, right for some of the scene.
    """
    found = []
    for index, (visible, infrared) in enumerate(pairs):
        gray = [(gray_levels(visible), gray_levels(infrared))]
        views = bring_together(gray, matrix, SIDE)
        blocks = correlate_blocks(views, RADIUS, CHANNELS)
        if len(blocks):
            found.append(_clear(blocks, matrix, index))
    if not found:
        return Correspondences(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, np.int64))
    return Correspondences(
        np.concatenate([each.visible for each in found]),
        np.concatenate([each.infrared for each in found]),
        np.concatenate([each.pairs for each in found]),
    )


def _clear(blocks: Blocks, matrix: Float64Array, index: int) -> Correspondences:
    here, there = [], []
    for center, surface in zip(blocks.centers, blocks.surfaces, strict=True):
        displacement = _clear_peak(surface)
        if displacement is not None:
            here.append(center)
            there.append(center + displacement)
    to_full = np.asarray(np.linalg.inv(blocks.to_work), np.float64)
    points = [np.array(each, np.float64).reshape(-1, 2) for each in (here, there)]
    in_infrared = [map_points(to_full, each) for each in points]
    numbers = np.full(len(points[0]), index, np.int64)
    return Correspondences(map_points(matrix, in_infrared[0]), in_infrared[1], numbers)


def _clear_peak(surface: FloatArray) -> Float64Array | None:
    """Displacement to the one clear top of a surface; None if it has none."""
    row, column = (int(v) for v in np.unravel_index(int(np.argmax(surface)), surface.shape))
    best = float(surface[row, column])
    edge = len(surface) - 1
    if best < LEAST_LIKENESS or not (0 < row < edge and 0 < column < edge):
        return None
    others = surface.copy()
    others[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5] = 0
    if float(others.max()) * LEAST_LEAD > best:
        return None
    part = cv2.GaussianBlur(surface, (0, 0), 0.8)[row - 1 : row + 2, column - 1 : column + 2]
    part = part.astype(np.float64)
    slope = np.array([part[1, 2] - part[1, 0], part[2, 1] - part[0, 1]]) / 2
    across, down = (
        2 * part[1, 1] - part[1, 0] - part[1, 2],
        2 * part[1, 1] - part[0, 1] - part[2, 1],
    )
    mixed = -(part[2, 2] + part[0, 0] - part[2, 0] - part[0, 2]) / 4
    bend = np.array([[across, mixed], [mixed, down]])
    if np.linalg.eigvalsh(bend)[0] < LEAST_BEND:
        return None
    step = np.clip(np.linalg.solve(bend, slope), -1, 1)
    return np.array([column, row]) + step - edge / 2
