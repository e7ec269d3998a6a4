"""All metrics of one pair and its fused image."""

from __future__ import annotations

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.metrics import fidelity, information, statistics, structure

METRIC_MEANINGS = {
    "MI": "information shared with the two inputs, nats",
    "EN": "entropy of the gray levels, bits",
    "CC": "correlation with the two inputs, mean",
    "SSIM": "structural similarity to the two inputs, sum",
    "Qabf": "edges of the inputs that survive, 0 to 1",
    "SCD": "what was added to one input looks like the other, sum",
    "VIF": "visual information kept of the two inputs, sum",
    "SD": "global contrast, gray levels",
    "SF": "activity between neighbors, gray levels",
    "AG": "mean gradient, gray levels per pixel",
}
"""The metrics in the order of the published tables, each with what it measures."""

METRIC_NAMES = tuple(METRIC_MEANINGS)

MINIMUM_SIDE = 41
"""Pixels that the four scales of VIF need along each side."""


def evaluate_pair(visible: UInt8Array, infrared: UInt8Array, fused: UInt8Array) -> dict[str, float]:
    """All metrics (`METRIC_NAMES`) of a fused image against the pair it was made from.

    >>> import numpy as np
    >>> visible, infrared = np.random.default_rng(0).integers(0, 256, (2, 48, 64), np.uint8)
    >>> round(evaluate_pair(visible, infrared, fused=visible)["VIF"])
    1

    Args:
        visible, fused: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.
        infrared: ``(H, W) uint8``.

    Raises:
        InputError: For images of other types, of different sizes, or below 41x41.
    """
    return PairEvaluator(visible, infrared).evaluate(fused)


def gray_levels(image: UInt8Array) -> UInt8Array:
    """Gray levels of an image, rounded BT.601 luma as OpenCV computes it.

    Args:
        image: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.

    Returns:
        ``(H, W) uint8``.

    Raises:
        InputError: For anything else.
    """
    if image.dtype == np.uint8 and image.ndim == 2:
        return np.ascontiguousarray(image)
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    raise InputError(
        f"metrics need (H, W) or (H, W, 3) uint8 images, not {image.shape} {image.dtype}"
    )


class PairEvaluator:
    """Measures fused images of one pair; what depends on the pair alone is computed once.

    Args:
        visible: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.
        infrared: ``(H, W) uint8``.

    Raises:
        InputError: For images of other types, of different sizes, or below 41x41.
    """

    def __init__(self, visible: UInt8Array, infrared: UInt8Array) -> None:
        self.visible, self.infrared = gray_levels(visible), gray_levels(infrared)
        self._check_size("infrared", self.infrared)
        if min(self.visible.shape) < MINIMUM_SIDE:
            height, width = self.visible.shape
            raise InputError(
                f"images of {width}x{height} are too small to measure; "
                f"{MINIMUM_SIDE}x{MINIMUM_SIDE} is the least"
            )
        sources = (self.infrared, self.visible)
        self._centered = [statistics.centered(image) for image in sources]
        self._moments = [structure.local_moments(image) for image in sources]
        self._edges = [structure.edges(image) for image in sources]
        self._pyramids = [fidelity.pyramid(image) for image in sources]

    def evaluate(self, fused: UInt8Array) -> dict[str, float]:
        """All metrics, by name.

        Args:
            fused: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.
        """
        image = gray_levels(fused)
        self._check_size("fused", image)
        images = (self.infrared, self.visible, image)
        centered = (*self._centered, statistics.centered(image))
        moments, pyramid = structure.local_moments(image), fidelity.pyramid(image)
        return {
            "MI": information.fusion_mutual_information(*images),
            "EN": information.entropy(image),
            "CC": statistics.correlation_coefficient(*centered),
            "SSIM": sum(structure.structural_similarity(s, moments) for s in self._moments),
            "Qabf": structure.edge_transfer(self._edges, structure.edges(image)),
            "SCD": statistics.sum_of_correlations_of_differences(*centered),
            "VIF": sum(fidelity.visual_information_fidelity(s, pyramid) for s in self._pyramids),
            "SD": statistics.standard_deviation(image),
            "SF": statistics.spatial_frequency(image),
            "AG": statistics.average_gradient(image),
        }

    def _check_size(self, name: str, image: UInt8Array) -> None:
        if image.shape != self.visible.shape:
            (height, width), (rows, columns) = image.shape, self.visible.shape
            raise InputError(
                f"the {name} image is {width}x{height}, the visible {columns}x{rows}; "
                "they must have the same size"
            )
