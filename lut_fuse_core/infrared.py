"""Normalisation: raw infrared counts to 8 bits, stable in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lut_fuse_core.errors import InputError
from lut_fuse_core.features import UInt8Array

RawInfrared = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True)
class NormalizationConfig:
    """How raw infrared becomes 8 bits.

    mode: ``auto`` leaves 8-bit images as they are and uses ``percentile`` for 16-bit ones;
        ``percentile`` stretches between two percentiles of the recent frames; ``range`` maps
        ``low``..``high`` (raw counts) to 0..255.
    low_percentile, high_percentile: ends of the stretch, in percent.
    smoothing: weight of the past in the running percentiles, 0 (none) to below 1.
    """

    mode: Literal["auto", "percentile", "range"] = "auto"
    low_percentile: float = 1.0
    high_percentile: float = 99.0
    smoothing: float = 0.95
    low: float = 0.0
    high: float = 65535.0

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "percentile", "range"):
            raise InputError(f"normalisation mode '{self.mode}' is not auto, percentile or range")
        if not 0 <= self.low_percentile < self.high_percentile <= 100:
            raise InputError("the normalisation percentiles must increase within 0 to 100")
        if not 0 <= self.smoothing < 1:
            raise InputError(f"normalisation smoothing is {self.smoothing}; it must be in [0, 1)")
        if not self.low < self.high:
            raise InputError(f"normalisation range {self.low} to {self.high} must increase")


class InfraredNormalizer:
    """Turns raw frames of one camera into 8-bit frames; keeps the running range of the stream."""

    def __init__(self, config: NormalizationConfig | None = None) -> None:
        self.config = config or NormalizationConfig()
        self._range: tuple[float, float] | None = None

    def reset(self) -> None:
        """Forget the stream (a new camera, a jump in time)."""
        self._range = None

    def __call__(self, raw: RawInfrared) -> UInt8Array:
        """raw: ``(H, W) uint8 or uint16``. Returns ``(H, W) uint8``. Raises InputError."""
        if raw.ndim != 2 or raw.dtype not in (np.uint8, np.uint16):
            raise InputError(
                f"infrared must be (H, W) uint8 or uint16, not {raw.shape} {raw.dtype}"
            )
        if self.config.mode == "auto" and raw.dtype == np.uint8:
            return raw.astype(np.uint8, copy=False)
        low, high = self._current_range(raw)
        scaled = (raw.astype(np.float32) - np.float32(low)) * np.float32(255.0 / (high - low))
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

    def _current_range(self, raw: RawInfrared) -> tuple[float, float]:
        config = self.config
        if config.mode == "range":
            return config.low, config.high
        low, high = np.percentile(raw, (config.low_percentile, config.high_percentile))
        if self._range is not None:
            past = config.smoothing
            low = past * self._range[0] + (1 - past) * low
            high = past * self._range[1] + (1 - past) * high
        self._range = (float(low), max(float(high), float(low) + 1.0))
        return self._range
