"""A pair brought to a small common grid through the registration in use."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lut_fuse_core.arrays import FloatArray, RawInfrared, Size, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.edge_channels import ChannelSettings, oriented_channels
from lut_fuse_core.registration.registration import Registration, RegistrationConfig

WIDTH = 128
"""Longer side of the grid: five pixels of a 640 pixel wide image are one of it, ..."""

CHANNELS = ChannelSettings(channels=4, sigma=0.8, pool=1.2, high_pass=5.0)


@dataclass(frozen=True)
class SmallPair:
    """A pair on a small grid.

    Attributes:
        visible: ``(h, w, channels) float32``, directions of edges (see `oriented_channels`).
        infrared: The same, of the registered infrared image; 0 where it sees nothing.
        seen: Share of the grid that infrared sees.
        scale: Visible pixels of one pixel of the grid.
    """

    visible: FloatArray
    infrared: FloatArray
    seen: float
    scale: float


class Shrinker:
    """Makes small pairs; keeps where the small grid's pixels lie in the infrared image."""

    def __init__(self) -> None:
        self._positions: tuple[RegistrationConfig, Size, Size, FloatArray | None] | None = None

    def __call__(
        self, visible: UInt8Array, infrared: RawInfrared, config: RegistrationConfig
    ) -> SmallPair:
        """Bring a pair to the small grid.

        Args:
            visible: ``(H, W, 3) uint8``.
            infrared: ``(h, w)``, raw.
            config: The registration.

        Raises:
            InputError: If the registration does not fit the images.
        """
        height, width = visible.shape[:2]
        scale = max(height, width) / WIDTH
        size = (max(16, round(width / scale)), max(16, round(height / scale)))
        gray = cv2.cvtColor(_shrunk(visible, size), cv2.COLOR_RGB2GRAY).astype(np.float32)
        small, mask = self._registered(infrared, size, config)
        features = oriented_channels(small, CHANNELS) * mask[..., None]
        return SmallPair(
            oriented_channels(gray, CHANNELS),
            features.astype(np.float32, copy=False),
            float(np.mean(mask)),
            scale,
        )

    def _registered(
        self, infrared: RawInfrared, size: Size, config: RegistrationConfig
    ) -> tuple[FloatArray, FloatArray]:
        """Infrared on the grid, gray levels, and where it sees something."""
        levels = _levels(infrared)
        infrared_size = (infrared.shape[1], infrared.shape[0])
        positions = self._positions_for(infrared_size, size, config)
        if positions is None:
            return _shrunk(levels, size), np.ones((size[1], size[0]), np.float32)
        x, y = positions[..., 0], positions[..., 1]
        mask = (x >= 0) & (y >= 0) & (x <= infrared_size[0] - 1) & (y <= infrared_size[1] - 1)
        steps = np.abs(np.diff(x, axis=1))[mask[:, 1:] & mask[:, :-1]]
        step = float(np.median(steps)) if len(steps) else 1.0
        if step > 1.2:
            reduced = (
                max(16, round(infrared_size[0] / step)), max(16, round(infrared_size[1] / step)),
            )  # fmt: skip
            levels = _shrunk(levels, reduced)
            x = (x + 0.5) * (reduced[0] / infrared_size[0]) - 0.5
            y = (y + 0.5) * (reduced[1] / infrared_size[1]) - 0.5
        seen = cv2.remap(
            levels,
            np.nan_to_num(x, nan=-1).astype(np.float32),
            np.nan_to_num(y, nan=-1).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        inner = cv2.erode(mask.astype(np.float32), np.ones((5, 5), np.uint8), borderValue=1.0)
        return np.asarray(seen, np.float32), np.asarray(inner, np.float32)

    def _positions_for(
        self, infrared_size: Size, size: Size, config: RegistrationConfig
    ) -> FloatArray | None:
        known = self._positions
        if known is None or known[:3] != (config, infrared_size, size):
            positions = Registration(config).positions(infrared_size, size)
            self._positions = known = (config, infrared_size, size, positions)
        return known[3]


def fits(config: RegistrationConfig, infrared: RawInfrared, visible: UInt8Array) -> bool:
    """Whether a registration can be used with images of these sizes."""
    sizes = ((infrared.shape[1], infrared.shape[0]), (visible.shape[1], visible.shape[0]))
    try:
        Registration(replace(config, feather=0.0)).positions(*sizes)
    except InputError:
        return False
    return True


def _levels(infrared: RawInfrared) -> FloatArray:
    """Raw infrared as gray levels, ``(h, w) float32``."""
    low, high = (float(each) for each in np.percentile(infrared[::4, ::4], (1, 99)))
    scale = 255 / max(high - low, 1.0)
    return np.clip((infrared.astype(np.float32) - low) * np.float32(scale), 0, 255)


def _shrunk(image: FloatArray | UInt8Array, size: Size) -> FloatArray:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
