"""A pipeline that samples a few of its images, for a thumbnail and a few metrics."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from lut_fuse_core.arrays import UInt8Array, in_three_channels
from lut_fuse_core.batch.outcome import METRICS
from lut_fuse_core.evaluation.metrics.information import entropy
from lut_fuse_core.evaluation.metrics.pair import gray_levels
from lut_fuse_core.evaluation.metrics.statistics import average_gradient, standard_deviation
from lut_fuse_core.infrared.quantiles import quantiles
from lut_fuse_core.pipeline.pipeline import FusionPipeline

THUMBNAIL = 160
"""Width of each image in a thumbnail, pixels."""

THUMBNAIL_QUALITY = 80
"""Of JPEG, of 100: half of the bytes that the manifest of thousands would have at OpenCV's 95."""


class SampledPipeline(FusionPipeline):
    """Samples the 1st fused image, the 2nd, the 4th, the 8th and so on: few, from everywhere.

    Args:
        *arguments: Arguments of `FusionPipeline`.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seen, self._next = 0, 1
        self._scores: list[dict[str, float]] = []
        self._picture: tuple[UInt8Array, UInt8Array, UInt8Array] | None = None

    def process(self, visible: UInt8Array, infrared: Any = None, **options: Any) -> UInt8Array:
        """See `FusionPipeline.process`."""
        fused = super().process(visible, infrared, **options)
        self._seen += infrared is not None
        if infrared is not None and self._seen == self._next:
            self._next *= 2
            gray = gray_levels(fused)
            self._scores.append(
                {
                    "EN": entropy(gray),
                    "SD": standard_deviation(gray),
                    "AG": average_gradient(gray),
                    "luma": float(gray.mean()),
                }
            )
            self._picture = _small(visible), _small(_gray(infrared)), _small(fused)
        return fused

    def metrics(self) -> dict[str, float]:
        """Means over the sampled images by name; empty without any."""
        return {
            name: round(float(np.mean([each[name] for each in self._scores])), 3)
            for name in (METRICS if self._scores else ())
        }

    def thumbnail(self) -> bytes:
        """Visible, infrared and fused image of the last sample side by side, as JPEG; empty without
        any."""
        if self._picture is None:
            return b""
        height = min(len(image) for image in self._picture)
        row = np.hstack([in_three_channels(image)[:height] for image in self._picture])
        quality = [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY]
        return bytes(cv2.imencode(".jpg", cv2.cvtColor(row, cv2.COLOR_RGB2BGR), quality)[1])


def _gray(infrared: Any) -> UInt8Array:
    """Raw infrared in 8 bits, stretched between two percentiles, so that hot pixels do not darken
    the rest."""
    finite = np.nan_to_num(infrared.astype(np.float32))
    low, high = quantiles(finite.ravel(), 0.01, 0.99)
    return np.clip((finite - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)


def _small(image: Any) -> Any:
    height = max(1, round(image.shape[0] * THUMBNAIL / image.shape[1]))
    return cv2.resize(image, (THUMBNAIL, height), interpolation=cv2.INTER_AREA)
