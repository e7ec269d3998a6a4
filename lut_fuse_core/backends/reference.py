"""The reference backend: plain NumPy, the truth that every other backend is compared with."""

from __future__ import annotations

import numpy as np

from lut_fuse_core.arrays import FloatArray, UInt8Array
from lut_fuse_core.backends.base import check_pair
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.model import context, features, lattice
from lut_fuse_core.model.fusion_model import FusionModel


class ReferenceBackend:
    """Readable NumPy; seconds per frame at video sizes.

    Args:
        model: What to fuse with.
        threads: Accepted for uniformity; NumPy decides.
    """

    name = "reference"

    def __init__(self, model: FusionModel, threads: int | None = None) -> None:
        self.model = model

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`."""
        check_pair(visible, infrared, options)
        fused = fuse_float(self.model, visible, infrared, options)
        rounded = np.clip(np.rint(fused), 0, 255).astype(np.uint8)
        if options.out is None:
            return rounded
        options.out[...] = rounded
        return options.out


def fuse_float(
    model: FusionModel, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
) -> FloatArray:
    """The fused image before rounding and clipping: ``(H, W, 3) float32``, RGB gray levels."""
    luma = features.luma(visible)
    fused_luma = lattice.look_up(
        model,
        luma,
        infrared.astype(np.float32),
        features.gradient(luma, model.gradient),
        context.encode(model.encoder, visible, infrared),
        features.place(visible, model, options.ambient),
    )
    change = (fused_luma - luma) * np.float32(options.strength)
    if options.mask is not None:
        change *= options.mask * np.float32(1 / 255)
    return features.replace_luma(visible, luma, luma + change)
