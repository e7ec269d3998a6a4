"""Global search: scale, rotation and shift between two views, without a starting guess."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array, FloatArray, Size
from lut_fuse_core.registration.correlation import correlation, spectrum
from lut_fuse_core.registration.edge_channels import ChannelSettings, oriented_channels
from lut_fuse_core.registration.resizing import resizing

GrayPair = tuple[FloatArray, FloatArray]
"""Visible and infrared gray levels, ``(H, W)`` and ``(h, w)`` float32."""

WORKING_SIDE = 192
"""Longer side of the larger view during the search, pixels."""

FIELD_RATIOS = (0.4, 2.5)
"""How wide the visible view may be, in widths of the infrared one."""

FIELD_STEP = 1.06
ROTATIONS = (-5.0, -2.5, 0.0, 2.5, 5.0)
"""Degrees; cameras on one bracket are level with each other to a few degrees."""

LEAST_OVERLAP = 0.4
"""Share of the smaller image that must lie inside the other."""

CHANNELS = ChannelSettings(channels=4, sigma=1.0, pool=1.5, high_pass=5.0)


@dataclass(frozen=True)
class Hypothesis:
    """A possible registration.

    Attributes:
        score: Higher is better.
        matrix: ``(3, 3) float64``, infrared to visible.
    """

    score: float
    matrix: Float64Array


def search(
    pairs: Sequence[GrayPair], keep: int = 8, progress: Callable[[float], None] | None = None
) -> list[Hypothesis]:
    """The best distinct similarities between the views, best first.

    Every field ratio and rotation is tried; all shifts at once, by correlation in the frequency
    domain. All pairs come from one rig and have the same sizes; their correlations add up.

    Args:
        pairs: One or more.
        keep: How many are returned at most.
        progress: Called with the finished share, 0 to 1.
    """
    visible, infrared = pairs[0]
    steps = int(np.ceil(np.log(FIELD_RATIOS[1] / FIELD_RATIOS[0]) / np.log(FIELD_STEP)))
    found: list[Hypothesis] = []
    for index, ratio in enumerate(np.geomspace(*FIELD_RATIOS, steps + 1)):
        # The larger view gets the working side, so that no ratio costs more than another.
        side = WORKING_SIDE / max(1.0, ratio) / max(infrared.shape)
        small = [_resize(pair[1], side) for pair in pairs]
        targets = [oriented_channels(image, CHANNELS) for image in small]
        factor = small[0].shape[1] * ratio / visible.shape[1]
        scaled = [_resize(pair[0], factor) for pair in pairs]
        correlator = _Correlator(targets, scaled[0].shape)
        for rotation in ROTATIONS:
            for score, small_matrix in correlator.peaks(scaled, rotation):
                to_small_visible = resizing(size_of(visible.shape), size_of(scaled[0].shape))
                to_small_infrared = resizing(size_of(infrared.shape), size_of(small[0].shape))
                matrix = np.linalg.inv(to_small_visible) @ small_matrix @ to_small_infrared
                found.append(Hypothesis(score, matrix))
        if progress is not None:
            progress((index + 1) / (steps + 1))
    found.sort(key=lambda hypothesis: -hypothesis.score)
    return _distinct(found, infrared.shape, 0.12 * visible.shape[1], keep)


class _Correlator:
    """Correlates visible channels of one size with the infrared channels at every shift."""

    def __init__(self, targets: Sequence[FloatArray], shape: tuple[int, ...]) -> None:
        height, width = targets[0].shape[:2]
        self.infrared_shape = (height, width)
        self.least_area = LEAST_OVERLAP * min(height * width, shape[0] * shape[1])
        # Shifts that overlap less may wrap around: they meet others of which the same is true,
        # and in sum, too, they overlap by less than the least area.
        rows = int(self.least_area / min(width, shape[1])) - 1
        columns = int(self.least_area / min(height, shape[0])) - 1
        self.shape = (
            cv2.getOptimalDFTSize(height + shape[0] - rows),
            cv2.getOptimalDFTSize(width + shape[1] - columns),
        )
        self.mask = spectrum(np.ones((height, width), np.float32), self.shape)
        planes = [[*np.moveaxis(target, 2, 0)] for target in targets]
        self.channels = [[spectrum(plane, self.shape) for plane in each] for each in planes]
        self.energy = spectrum(_energy([plane for each in planes for plane in each]), self.shape)

    def peaks(
        self, images: Sequence[FloatArray], rotation: float
    ) -> list[tuple[float, Float64Array]]:
        """The two best shifts: score and infrared-to-visible matrix at working size."""
        height, width = images[0].shape
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rotation, 1.0)
        mask: Any = cv2.warpAffine(np.ones((height, width), np.float32), turn, (width, height))
        mask_spectrum = spectrum(mask, self.shape)
        overlap = correlation([(self.mask, mask_spectrum)])
        both: list[tuple[FloatArray, FloatArray]] = []
        planes: list[FloatArray] = []
        for image, channels in zip(images, self.channels, strict=True):
            rotated: Any = cv2.warpAffine(
                image, turn, (width, height), borderMode=cv2.BORDER_REFLECT
            )
            features = [*np.moveaxis(oriented_channels(rotated, CHANNELS), 2, 0) * mask]
            both += zip(channels, (spectrum(each, self.shape) for each in features), strict=True)
            planes += features
        product = correlation(both)
        here = correlation([(self.energy, mask_spectrum)])
        there = correlation([(self.mask, spectrum(_energy(planes), self.shape))])
        likeness = product / np.sqrt(np.maximum(here, 1e-3) * np.maximum(there, 1e-3))
        # Chance correlation falls with the root of the area; this makes all overlaps comparable.
        surface = np.where(
            overlap > self.least_area, likeness * np.sqrt(np.maximum(overlap, 0)), -1.0
        )
        return [self._take_peak(surface, turn) for _ in range(2)]

    def _take_peak(
        self, surface: npt.NDArray[np.floating], turn: Any
    ) -> tuple[float, Float64Array]:
        row, column = (int(v) for v in np.unravel_index(int(np.argmax(surface)), surface.shape))
        score = float(surface[row, column])
        rows = np.arange(row - 6, row + 7) % self.shape[0]
        columns = np.arange(column - 6, column + 7) % self.shape[1]
        surface[np.ix_(rows, columns)] = -1.0
        shift = np.eye(3)
        shift[0, 2] = column if column < self.infrared_shape[1] else column - self.shape[1]
        shift[1, 2] = row if row < self.infrared_shape[0] else row - self.shape[0]
        rotated = np.concatenate([np.asarray(turn, np.float64), [[0, 0, 1]]])
        return score, np.linalg.inv(shift @ rotated)


def _energy(planes: Sequence[FloatArray]) -> FloatArray:
    return np.sum([np.square(plane) for plane in planes], axis=0, dtype=np.float32)


def size_of(shape: Sequence[int]) -> Size:
    """Width and height in pixels of an image of ``shape`` (height, width, ...)."""
    return shape[1], shape[0]


def corners(shape: Sequence[int]) -> Float64Array:
    """Centers of the four corner pixels of an image of ``shape`` (height, width, ...)."""
    height, width = shape[:2]
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)


def map_points(matrix: Float64Array, points: Float64Array) -> Float64Array:
    """Points ``(N, 2)`` through a homography."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped[:, :2] / mapped[:, 2:]


def _resize(image: FloatArray, factor: float) -> FloatArray:
    size = (max(16, round(image.shape[1] * factor)), max(16, round(image.shape[0] * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=method).astype(np.float32, copy=False)


def _distinct(
    found: Sequence[Hypothesis], shape: Sequence[int], distance: float, keep: int
) -> list[Hypothesis]:
    kept: list[Hypothesis] = []
    places: list[Float64Array] = []
    for hypothesis in found:
        place = map_points(hypothesis.matrix, corners(shape))
        if all(np.linalg.norm(place - other, axis=1).mean() > distance for other in places):
            kept.append(hypothesis)
            places.append(place)
        if len(kept) == keep:
            break
    return kept
