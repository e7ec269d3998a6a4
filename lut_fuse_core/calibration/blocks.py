"""Local surfaces of likeness: how well each block of one image fits near its place in the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, FloatArray
from lut_fuse_core.calibration.views import View, Views
from lut_fuse_core.registration.edge_channels import ChannelSettings, energy_of, oriented_channels

Surface = tuple[tuple[int, int], FloatArray]
"""Row and column of the first pixel of a block, working infrared pixels, and its surface."""


@dataclass(frozen=True)
class Blocks:
    """Blocks of the visible image, warped onto the infrared grid, and where they may belong.

    Attributes:
        centers: ``(N, 2)`` working infrared pixels.
        surfaces: ``(N, 2 r + 1, 2 r + 1) float32``, likeness, 0 for none and up to about 1, for
            displacements from -r to r.
        pairs: ``(N,) int64``, which pair.
        shape: Working infrared height and width.
        to_work: Full infrared pixels to working ones.
    """

    centers: Float64Array
    surfaces: FloatArray
    pairs: npt.NDArray[np.int64]
    shape: tuple[int, int]
    to_work: Float64Array

    @property
    def radius(self) -> int:
        """Largest displacement in the surfaces, working pixels."""
        return int(self.surfaces.shape[-1] // 2)

    def __len__(self) -> int:
        return len(self.centers)

    def part(self, selected: npt.NDArray[np.bool_]) -> Blocks:
        """The blocks that ``selected``, ``(N,)``, names."""
        return replace(
            self,
            centers=self.centers[selected],
            surfaces=self.surfaces[selected],
            pairs=self.pairs[selected],
        )

    def __add__(self, other: Blocks) -> Blocks:
        """Two kinds of evidence about the same views."""
        return replace(
            self,
            centers=np.concatenate([self.centers, other.centers]),
            surfaces=np.concatenate([self.surfaces, other.surfaces]),
            pairs=np.concatenate([self.pairs, other.pairs]),
        )


def collect(views: Views, radius: int, found: Sequence[list[Surface]]) -> Blocks:
    """Blocks from what was found in each view; surfaces have ``2 radius + 1`` a side."""
    edge, middle = 2 * radius + 1, (views.block - 1) / 2
    flat = [entry for entries in found for entry in entries]
    return Blocks(
        np.array([place[::-1] for place, _ in flat], np.float64).reshape(-1, 2) + middle,
        np.array([surface for _, surface in flat], np.float32).reshape(-1, edge, edge),
        np.repeat(np.arange(len(found)), [len(entries) for entries in found]),
        views.shape,
        views.to_work,
    )


def correlate_blocks(views: Views, radius: int, settings: ChannelSettings) -> Blocks:
    """How well the edges of each block correlate.

    Args:
        views: All pairs under one registration.
        radius: Of the displacements, in working pixels.
        settings: Of the edge channels.
    """
    return collect(
        views, radius, [list(_correlated(views, view, settings, radius)) for view in views.views]
    )


def _correlated(
    views: Views, view: View, settings: ChannelSettings, radius: int
) -> Iterator[Surface]:
    there = oriented_channels(view.infrared, settings)
    here = oriented_channels(view.visible, settings) * view.mask[..., None]
    block = views.block
    energy = energy_of(there)
    # The floor keeps empty blocks from fitting anywhere.
    floor = max(0.5 * float(np.median(energy)), 1e-6) * block * block
    border = (radius, radius), (radius, radius)
    own, sums = _sums(energy_of(here), block), _sums(np.pad(energy, border), block)
    padded = np.pad(there, (*border, (0, 0)))
    reach, places = block + 2 * radius, 2 * radius + 1
    for row, column in views.filled_blocks(view):
        if own[row, column] < floor:
            continue
        template = here[row : row + block, column : column + block]
        window = padded[row : row + reach, column : column + reach]
        product = cv2.matchTemplate(window, template, cv2.TM_CCORR)
        around = sums[row : row + places, column : column + places]
        correlation = product / np.sqrt((own[row, column] + floor) * (around + floor))
        yield (row, column), np.maximum(correlation, 0).astype(np.float32, copy=False)


def _sums(values: FloatArray, block: int) -> FloatArray:
    """Over the block that begins at each pixel."""
    size = (block, block)
    sums = cv2.boxFilter(
        values, -1, size, anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    return np.asarray(sums, np.float32)
