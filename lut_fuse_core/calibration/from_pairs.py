"""Registration without a board: the homography from one or many ordinary pairs of a rig."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lut_fuse_core.arrays import Float64Array, UInt8Array
from lut_fuse_core.calibration.blocks import Blocks, correlate_blocks
from lut_fuse_core.calibration.fit import agreement_at, correction, fit_blocks
from lut_fuse_core.calibration.mutual_information import inform_blocks
from lut_fuse_core.calibration.search import GrayPair, corners, map_points, search
from lut_fuse_core.calibration.views import Views, bring_together
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.edge_channels import ChannelSettings, gray_levels
from lut_fuse_core.registration.homography import Homography

SEARCH_PAIRS = 3
"""Pairs that the global search looks at; more add time, not certainty."""

FINE_SIDE = 640
"""Longest infrared side of the last steps, pixels."""

LEAST_BLOCKS = 20
LEAST_SIDE = 64

COARSE = ChannelSettings(channels=4, sigma=1.0, pool=1.5, high_pass=5.0)
FINE = ChannelSettings(channels=6, sigma=1.0, pool=2.5, high_pass=5.0)

LEAST_AGREEMENT = 0.15
"""Mean correlation of the blocks. Wrong places reach 0.1, seldom 0.14."""

LEAST_LEAD = 1.25
"""Ratio by which the best place must beat the second best."""

LARGEST_LEAD = 10.0
"""Stands for: there is no second place."""

TOLERANCE = 0.0035
"""Share of the visible width by which the corners may be in doubt. All parts of the evidence share
the errors of the model (parallax, lenses), so the true error may be larger than their distance.
"""


@dataclass(frozen=True)
class Quality:
    """How far a result can be trusted.

    Attributes:
        agreement: Mean correlation of edges, 0 to 1; chance gives about 0.08.
        lead: Score of this place over that of the next best one, 1 for a tie.
        halves: Visible pixels by which the infrared corners are uncertain, judged by fits to two
            halves of the image.
        measures: The same, judged by fits to edges alone and to mutual information alone.
        blocks: Pieces of image compared.
        pairs: How many pairs.
    """

    agreement: float
    lead: float
    halves: float
    measures: float
    blocks: int
    pairs: int

    @property
    def uncertainty(self) -> float:
        """Visible pixels by which the infrared corners are uncertain."""
        return max(self.halves, self.measures)


@dataclass(frozen=True)
class PairsCalibration:
    """The homography of a rig, and whether to believe it.

    Attributes:
        homography: Infrared pixels to visible pixels.
        quality: How certain it is.
        reason: Why it is refused, one sentence; empty if accepted.
    """

    homography: Homography
    quality: Quality
    reason: str

    @property
    def accepted(self) -> bool:
        """Whether the result can be trusted."""
        return not self.reason

    def facts(self) -> dict[str, Any]:
        """JSON-serializable summary."""
        return {
            "accepted": self.accepted,
            "reason": self.reason,
            "agreement": round(self.quality.agreement, 4),
            "lead": round(self.quality.lead, 3),
            "corner_uncertainty_px": _finite(self.quality.uncertainty),
            "between_halves_px": _finite(self.quality.halves),
            "between_measures_px": _finite(self.quality.measures),
            "blocks": self.quality.blocks,
            "pairs": self.quality.pairs,
        }


def calibrate_from_pairs(
    pairs: Sequence[tuple[UInt8Array, UInt8Array]],
    progress: Callable[[float], None] | None = None,
    tolerance: float = TOLERANCE,
) -> PairsCalibration:
    """Estimate where infrared lies in the visible image, without a starting guess.

    Args:
        pairs: Visible ``(H, W, 3) uint8`` RGB and normalized infrared ``(h, w) uint8``, all of one
            rig and of the same sizes, of scenes with structure that is not all close by (a
            homography cannot follow parallax).
        progress: Called with the finished share, 0 to 1.
        tolerance: Share of the visible width by which the infrared corners may be in doubt.

    Returns:
        A result that may be refused; look at `accepted` before using it.

    Raises:
        InputError: For pairs that cannot be compared.
    """
    _check(pairs)
    if not 0 < tolerance < np.inf:
        raise InputError(f"the tolerance is {tolerance}; it must be above 0")
    gray = [(gray_levels(visible), gray_levels(infrared)) for visible, infrared in pairs]
    tell = progress or (lambda share: None)
    few = [gray[i] for i in np.unique(np.linspace(0, len(gray) - 1, SEARCH_PAIRS).astype(int))]
    hypotheses = search(few, progress=lambda share: tell(0.6 * share))
    ranked = _rank(few, [hypothesis.matrix for hypothesis in hypotheses])
    tell(0.8)
    if not ranked:
        return _refused(gray, "the images show too little structure to compare")
    matrix = ranked[0][1]
    lead = ranked[0][0] / ranked[1][0] if len(ranked) > 1 else LARGEST_LEAD
    matrix, _, _ = _improve(gray, matrix, FINE_SIDE, 10, FINE, 8)
    for share, radius in ((0.85, 8), (0.93, 6)):
        tell(share)
        views = bring_together(gray, matrix, FINE_SIDE)
        edges, information = correlate_blocks(views, radius, FINE), inform_blocks(views, radius)
        if len(edges) < LEAST_BLOCKS:
            return _refused(gray, "too little of the images overlaps or has structure")
        around, fit = matrix, fit_blocks(edges + information)
        matrix = _moved(around, edges, fit.parameters)
    halves, measures = _disagreements(edges, information, views, around, gray[0][1].shape)
    quality = Quality(
        agreement_at(edges, fit.parameters),
        min(float(lead), LARGEST_LEAD),
        halves,
        measures,
        len(edges),
        len(pairs),
    )
    tell(1.0)
    return PairsCalibration(
        _homography(gray[0], matrix), quality, _doubt(quality, gray[0][0].shape[1], tolerance)
    )


def _check(pairs: Sequence[tuple[UInt8Array, UInt8Array]]) -> None:
    if not pairs:
        raise InputError("registration needs at least one pair of images")
    for visible, infrared in pairs:
        if visible.ndim not in (2, 3) or infrared.ndim != 2:
            raise InputError("registration needs visible (H, W, 3) and infrared (h, w) images")
        if min(*visible.shape[:2], *infrared.shape) < LEAST_SIDE:
            raise InputError(f"images must be at least {LEAST_SIDE} pixels on each side")
    if len({(v.shape[:2], i.shape) for v, i in pairs}) > 1:
        raise InputError(
            "the pairs have different image sizes, so they are not of one rig; run once per rig"
        )


def _improve(
    pairs: Sequence[GrayPair],
    matrix: Float64Array,
    side: int,
    radius: int,
    settings: ChannelSettings,
    free: int,
) -> tuple[Float64Array, Blocks, float]:
    blocks = correlate_blocks(bring_together(pairs, matrix, side), radius, settings)
    if len(blocks) < LEAST_BLOCKS:
        return matrix, blocks, 0.0
    fit = fit_blocks(blocks, free)
    return _moved(matrix, blocks, fit.parameters), blocks, fit.agreement


def _moved(matrix: Float64Array, blocks: Blocks, parameters: Float64Array) -> Float64Array:
    # What the old map expects at a pixel was found at its corrected place.
    back = np.linalg.inv(correction(parameters, blocks.shape) @ blocks.to_work) @ blocks.to_work
    moved = matrix @ back
    return moved / moved[2, 2]


def _rank(
    pairs: Sequence[GrayPair], matrices: Sequence[Float64Array]
) -> list[tuple[float, Float64Array]]:
    """Distinct places with their scores, best first, after a first and a second look."""
    looked = []
    for matrix in matrices:
        better, blocks, agreement = _improve(pairs, matrix, 320, 16, COARSE, 4)
        looked.append((agreement * np.sqrt(len(blocks)), better))
    looked.sort(key=lambda entry: -entry[0])
    ranked: list[tuple[float, Float64Array]] = []
    visible, infrared = pairs[0]
    for _, matrix in looked[:4]:
        better, blocks, agreement = _improve(pairs, matrix, 320, 8, COARSE, 8)
        place = map_points(better, corners(infrared.shape))
        known = [map_points(other, corners(infrared.shape)) for _, other in ranked]
        near = 0.06 * visible.shape[1]
        if agreement > 0 and all(np.linalg.norm(place - k, axis=1).mean() > near for k in known):
            ranked.append((agreement * float(np.sqrt(len(blocks))), better))
    ranked.sort(key=lambda entry: -entry[0])
    return ranked


def _disagreements(
    edges: Blocks, information: Blocks, views: Views, matrix: Float64Array, shape: tuple[int, ...]
) -> tuple[float, float]:
    """Half the distance, in visible pixels, between the corners from two parts of the evidence:
    from two halves of the image, and from edges and information.
    """
    both = edges + information
    # Neighboring blocks overlap by half, so every second pair of them makes independent halves.
    even = (np.floor(both.centers / views.block).sum(axis=1) + both.pairs) % 2 == 0

    def disagreement(one: Blocks, other: Blocks) -> float:
        here, there = (
            map_points(_moved(matrix, both, fit_blocks(part).parameters), corners(shape))
            for part in (one, other)
        )
        return float(np.linalg.norm(here - there, axis=1).mean() / 2)

    return disagreement(both.part(even), both.part(~even)), disagreement(edges, information)


def _doubt(quality: Quality, width: int, tolerance: float) -> str:
    if quality.agreement < LEAST_AGREEMENT:
        return (
            f"the edges of both images agree by {quality.agreement:.2f} only, "
            f"{LEAST_AGREEMENT} is needed; take a scene with more structure, or more pairs"
        )
    if quality.lead < LEAST_LEAD:
        return "two different places fit almost equally well; take another scene, or more pairs"
    if quality.uncertainty > tolerance * width:
        return (
            f"the infrared corners are uncertain by {quality.uncertainty:.1f} visible pixels, "
            f"{tolerance * width:.1f} are allowed; take more pairs, with structure all over"
        )
    return ""


def _finite(pixels: float) -> float | None:
    # JSON has no infinity.
    return round(pixels, 2) if np.isfinite(pixels) else None


def _refused(pairs: Sequence[GrayPair], reason: str) -> PairsCalibration:
    visible, infrared = pairs[0]
    scale = np.diag([*(np.array(visible.shape[::-1]) / infrared.shape[::-1]), 1.0])
    quality = Quality(0.0, 1.0, float("inf"), float("inf"), 0, len(pairs))
    return PairsCalibration(_homography(pairs[0], scale), quality, reason)


def _homography(pair: GrayPair, matrix: Float64Array) -> Homography:
    visible, infrared = pair
    return Homography.from_array(
        matrix / matrix[2, 2],
        (infrared.shape[1], infrared.shape[0]),
        (visible.shape[1], visible.shape[0]),
    )
