"""Everything between a decoded pair and a fused image; every front-end goes through it."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from lut_fuse_core.errors import InputError
from lut_fuse_core.features import UInt8Array
from lut_fuse_core.fuser import Fuser
from lut_fuse_core.infrared import InfraredNormalizer, NormalizationConfig, RawInfrared
from lut_fuse_core.model import FusionModel


@dataclass(frozen=True)
class PipelineConfig:
    """Settings of a `FusionPipeline`.

    model: name or path of a model file, or a FusionModel. backend, threads: see `Fuser`.
    strength: contribution of infrared, 0 to 1.
    normalization: raw infrared to 8 bits.
    resize: scale an infrared image of another size to the visible one's; otherwise an error.
    """

    model: str | FusionModel = "default"
    backend: str = "auto"
    threads: int | None = None
    strength: float = 1.0
    normalization: NormalizationConfig = field(default_factory=NormalizationConfig)
    resize: bool = True


class FusionPipeline:
    """Normalises, registers and fuses the pairs of one camera rig, in the order they come."""

    def __init__(self, config: PipelineConfig | None = None) -> None:
        self.config = config or PipelineConfig()
        self.fuser = Fuser(self.config.model, self.config.backend, self.config.threads)
        self._normalizer = InfraredNormalizer(self.config.normalization)

    def reset(self) -> None:
        """Forget what was learnt from the stream so far (a jump in time, another recording)."""
        self._normalizer.reset()

    def process(self, visible: UInt8Array, infrared: RawInfrared) -> UInt8Array:
        """Fuse one pair.

        visible: ``(H, W, 3) uint8``, RGB. infrared: ``(h, w) uint8 or uint16``, raw.
        Returns ``(H, W, 3) uint8``, RGB. Raises InputError for unusable images.
        """
        grey = self._normalizer(infrared)
        height, width = visible.shape[:2]
        if grey.shape != (height, width):
            if not self.config.resize:
                raise InputError(
                    f"the visible image is {width}x{height} and the infrared "
                    f"{grey.shape[1]}x{grey.shape[0]}; pass images of one size or allow resizing"
                )
            resized = cv2.resize(grey, (width, height), interpolation=cv2.INTER_LINEAR)
            grey = resized.astype(np.uint8, copy=False)
        return self.fuser.fuse(visible, grey, strength=self.config.strength)
