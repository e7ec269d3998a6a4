"""What a registration says about the search: where infrared lies, and along which lines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, FloatArray, RawInfrared, Size
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.registration.field.grid import CELL, WorkingGrid
from lut_fuse_core.registration.field.lines import SearchLines
from lut_fuse_core.registration.positions import infrared_positions
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.rig import CameraRig

NEAREST = 1.5
"""Meters: what is nearer is not followed."""

REACH = 24.0
"""Visible pixels at a width of 640 to either side, where the direction of parallax is not known."""

LONGEST = 60
"""Labels to either side: a rig with a longer search is no rig for near objects."""

LEAST_SEEN = 0.2
"""Share of a cell that infrared must see for a comparison to say something."""

DIRECTIONS = 8
"""Evenly spread, that are tried where none is known."""

FINE = tuple(np.pi / 24 * step for step in (-2, -1, 1, 2))
"""Angles beside the best of them that are tried next, in radians."""


@dataclass(frozen=True)
class FieldGeometry:
    """A registration as the search sees it.

    Attributes:
        registration: Settings; its distance is where displacements are 0.
        infrared_size: Width and height in pixels.
        visible_size: Width and height in pixels.
    """

    registration: RegistrationConfig
    infrared_size: Size
    visible_size: Size

    @cached_property
    def grid(self) -> WorkingGrid:
        """The cells."""
        return WorkingGrid.of(self.visible_size)

    @cached_property
    def choices(self) -> tuple[SearchLines, ...]:
        """The lines along which displacements may lie: several directions, of which the images tell
        the right one; for a calibrated rig the epipolar lines, and these the wrong way round."""
        if isinstance(self.registration.transform, CameraRig):
            lines = self._epipolar_lines()
            return lines, lines.reversed()
        return tuple(self._straight(np.pi * step / DIRECTIONS) for step in range(DIRECTIONS))

    def beside(self, choice: int) -> tuple[SearchLines, ...]:
        """Lines in directions near one of the `choices`, where none is known."""
        return tuple(self._straight(np.pi * choice / DIRECTIONS + angle) for angle in FINE)

    def _straight(self, angle: float) -> SearchLines:
        shape = (self.grid.rows, self.grid.columns)
        reach = round(REACH * max(self.visible_size) / 640 / float(self.grid.scale.mean()))
        return SearchLines.straight(angle, max(4, reach), shape)

    @cached_property
    def margin(self) -> int:
        """Working pixels around the visible image in which infrared is needed."""
        return max(lines.margin for lines in self.choices)

    def positions(
        self, points: FloatArray | Float64Array, inverse_distance: float | None = None
    ) -> Float64Array:
        """Infrared pixels for visible ones, at the set distance unless another is given."""
        if inverse_distance is None:
            inverse_distance = 1 / self.registration.distance
        sizes = self.infrared_size, self.visible_size
        transform = self.registration.transform
        return infrared_positions(transform, inverse_distance, *sizes, points.astype(np.float64))

    @cached_property
    def reduction(self) -> float:
        """Infrared pixels in one working pixel, at the middle of the image."""
        middle = self.grid.points(0)[self.grid.rows * CELL // 2, self.grid.columns * CELL // 2]
        step = self.grid.scale
        places = middle + np.array([[0, 0], [step[0], 0], [0, step[1]]])
        at = self.positions(places.astype(np.float32))
        sides = np.linalg.norm(at[1:] - at[0], axis=1)
        return float(np.nanmean(sides)) if np.isfinite(sides).any() else 1.0

    @cached_property
    def _maps(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Where working pixels, with the margin, lie in the reduced infrared image, and which of
        them lie on it."""
        at = self.positions(self.grid.points(self.margin))
        size = np.array(self._reduced_size, np.float64)
        at = (at + 0.5) * (size / self.infrared_size) - 0.5
        inside = (at >= -0.5).all(axis=-1) & (at <= size - 0.5).all(axis=-1)
        at = np.nan_to_num(at, nan=-1e4)
        # Edges between what infrared sees and what it does not are none of the scene.
        edge = np.ones((5, 5), np.uint8)
        seen = cv2.erode(np.asarray(inside, np.uint8), edge, borderValue=0).astype(np.float32)
        x, y = (np.ascontiguousarray(at[..., axis], np.float32) for axis in range(2))
        return x, y, seen

    @property
    def _reduced_size(self) -> Size:
        factor = max(1.0, self.reduction)
        width, height = (max(2, round(side / factor)) for side in self.infrared_size)
        return width, height

    def unseen(self, lines: SearchLines) -> npt.NDArray[np.bool_]:
        """Where infrared sees next to nothing of what a cell would be compared with.

        Args:
            lines: Along which the cells are compared.

        Returns:
            ``(rows, columns, labels) bool``.
        """
        share = cv2.blur(self._maps[2], (CELL, CELL), anchor=(0, 0))
        along = np.arange(lines.first, lines.last + 1)
        across = lines.slopes[..., None] * along
        across = np.trunc(across + np.copysign(0.5, across)).astype(int)  # as `match` rounds
        down, right = (along, across) if lines.vertical else (across, along)
        row, column = np.indices(lines.slopes.shape)[..., None] * CELL + self.margin
        return np.asarray(share[row + down, column + right] < LEAST_SEEN)

    @property
    def seen_share(self) -> float:
        """Share of the visible image, 0 to 1, that infrared sees at the set distance."""
        inner = np.s_[self.margin : -self.margin, self.margin : -self.margin]
        return float(self._maps[2][inner].mean())

    def infrared_at_work(self, raw: RawInfrared) -> tuple[FloatArray, FloatArray]:
        """A raw frame at the set distance on the working grid with its margin.

        Returns:
            ``(h, w) float32`` counts, and ``(h, w) float32``, 1 where infrared sees.
        """
        smooth: Any = raw
        x, y, inside = self._maps_of_whole
        if self.reduction > 1.4:
            smooth = cv2.resize(smooth, self._reduced_size, interpolation=cv2.INTER_AREA)
            x, y, inside = self._maps
        found = cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return found.astype(np.float32), inside

    @cached_property
    def _maps_of_whole(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        x, y, inside = self._maps
        factor = np.array(self.infrared_size) / np.array(self._reduced_size)
        whole = ((each + 0.5) * by - 0.5 for each, by in zip((x, y), factor, strict=True))
        across, down = (each.astype(np.float32) for each in whole)
        return across, down, inside

    def _epipolar_lines(self) -> SearchLines:
        near, far = (self._displaced(inverse) for inverse in (1 / NEAREST, 0.0))
        # Where a lens does not see so far outside, the rest of the image speaks for it.
        longest = np.nan_to_num(near - far)
        mean = longest.reshape(-1, 2).mean(axis=0)
        vertical = abs(mean[1]) > abs(mean[0])
        along, across = (1, 0) if vertical else (0, 1)
        reach = np.where(np.abs(longest[..., along]) < 1e-3, 1e-3, longest[..., along])
        slopes = np.clip(longest[..., across] / reach, -1, 1).astype(np.float32)
        ends = np.nan_to_num(np.stack([near[..., along], far[..., along]]))
        # A margin of 2 labels for what is calibrated almost right.
        first = int(np.clip(np.floor(ends.min()) - 2, -LONGEST, 0))
        last = int(np.clip(np.ceil(ends.max()) + 2, 0, LONGEST))
        distant = float(ends[1].mean())
        return SearchLines(bool(vertical), slopes, first, last, distant)

    def _displaced(self, inverse_distance: float) -> Float64Array:
        """Displacement in working pixels of cells at another distance than the set one."""
        centers = self.grid.centers.astype(np.float64)
        target = self.positions(centers, inverse_distance)
        at = centers.copy()
        for _ in range(3):
            slope = np.stack(
                [
                    (self.positions(at + step) - self.positions(at - step)) / 8
                    for step in np.array([[4.0, 0.0], [0.0, 4.0]])
                ],
                axis=-1,
            )
            broken = ~np.isfinite(slope).all(axis=(-2, -1))
            slope[broken] = np.eye(2)
            gap = (target - self.positions(at))[..., None]
            at = at + np.nan_to_num(np.linalg.solve(slope, gap)[..., 0])
        return (at - centers) / self.grid.scale
