"""All metrics of one pair and its fused image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import BackendUnavailableError, InputError
from lut_fuse_core.evaluation.metrics import native
from lut_fuse_core.evaluation.metrics.portable import PortableEvaluator
from lut_fuse_core.native.bindings import load_library

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
        visible: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.
        infrared: ``(H, W) uint8``.
        fused: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.

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
    """Measures fused images of one pair: with the C++ library, without it in NumPy.

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

    def evaluate(self, fused: UInt8Array) -> dict[str, float]:
        """All metrics of a fused image, by name.

        Args:
            fused: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.

        Raises:
            InputError: For another size.
        """
        return self.evaluate_all([fused])[0]

    def evaluate_all(self, fused: Sequence[UInt8Array]) -> list[dict[str, float]]:
        """All metrics of several fused images, in half the time that they take one by one.

        Args:
            fused: Each ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.

        Raises:
            InputError: For another size.
        """
        images = [gray_levels(image) for image in fused]
        for image in images:
            self._check_size("fused", image)
        try:
            library = load_library()
        except BackendUnavailableError:
            found = [self._portable.evaluate(image) for image in images]
        else:
            found = native.evaluate(library, self.infrared, self.visible, images)
        return [{name: scores[name] for name in METRIC_NAMES} for scores in found]

    @cached_property
    def _portable(self) -> PortableEvaluator:
        return PortableEvaluator(self.infrared, self.visible)

    def _check_size(self, name: str, image: UInt8Array) -> None:
        if image.shape != self.visible.shape:
            (height, width), (rows, columns) = image.shape, self.visible.shape
            raise InputError(
                f"the {name} image is {width}x{height}, the visible {columns}x{rows}; "
                "they must have the same size"
            )
