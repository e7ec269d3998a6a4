"""A pair brought to a small common grid through the registration in use."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np

from lut_fuse_core.arrays import FloatArray, RawInfrared, Size, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.quantiles import middle, quantiles
from lut_fuse_core.registration.edge_channels import ChannelSettings, oriented_channels
from lut_fuse_core.registration.registration import Registration, RegistrationConfig
from lut_fuse_core.registration.watch.small_images import blurred, inner, sampled, shrunk

WIDTH = 128
"""Pixels of the grid's longer side; each stands for five pixels of an image 640 wide."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G and B."""

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

    def shrinking(
        self,
        visible: UInt8Array,
        infrared: RawInfrared,
        config: RegistrationConfig,
        edges: FloatArray | None = None,
    ) -> Generator[None, None, SmallPair]:
        """Bring a pair to the small grid, in parts of about a millisecond.

        Args:
            visible: ``(H, W, 3) uint8``.
            infrared: ``(h, w)``, raw.
            config: The registration.
            edges: `SmallPair.visible` of this image, if it is known.

        Yields:
            None, after each part.

        Returns:
            The small pair, as the generator's value.

        Raises:
            InputError: If the registration does not fit the images.
        """
        height, width = visible.shape[:2]
        scale = max(height, width) / WIDTH
        size = (max(16, round(width / scale)), max(16, round(height / scale)))
        positions = self._positions_for((infrared.shape[1], infrared.shape[0]), size, config)
        yield
        if edges is None:
            gray = np.asarray((shrunk(visible, size) * LUMA).sum(axis=2), np.float32)
            yield
            edges = oriented_channels(gray, CHANNELS, blurred)
            yield
        small, mask = _registered(infrared, size, positions)
        yield
        features = oriented_channels(small, CHANNELS, blurred) * mask[..., None]
        return SmallPair(
            edges, features.astype(np.float32, copy=False), float(np.mean(mask)), scale
        )

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


def _registered(
    infrared: RawInfrared, size: Size, positions: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Infrared on the grid, gray levels, and where it sees something."""
    low, high = quantiles(infrared[::4, ::4].reshape(-1), 0.01, 0.99)
    if infrared.dtype.kind in "iu":
        low, high = float(np.floor(low)), float(np.ceil(high))
    # What is beyond goes first: a dead pixel would shine through the mean of its neighbors.
    levels = np.clip(infrared, *(infrared.dtype.type(each) for each in (low, high)))

    def gray(small: FloatArray) -> FloatArray:
        return (small - np.float32(low)) * np.float32(255 / max(high - low, 1.0))

    if positions is None:
        return gray(shrunk(levels, size)), np.ones((size[1], size[0]), np.float32)
    infrared_size = (infrared.shape[1], infrared.shape[0])
    x, y = positions[..., 0], positions[..., 1]
    mask = (x >= 0) & (y >= 0) & (x <= infrared_size[0] - 1) & (y <= infrared_size[1] - 1)
    steps = np.abs(np.diff(x, axis=1))[mask[:, 1:] & mask[:, :-1]]
    step = middle(steps) if len(steps) else 1.0
    if step > 1.2:
        reduced = (
            max(16, round(infrared_size[0] / step)), max(16, round(infrared_size[1] / step)),
        )  # fmt: skip
        levels = shrunk(levels, reduced)  # type: ignore[assignment]
        x = (x + 0.5) * (reduced[0] / infrared_size[0]) - 0.5
        y = (y + 0.5) * (reduced[1] / infrared_size[1]) - 0.5
    seen = sampled(levels.astype(np.float32, copy=False), x, y)
    return gray(seen), inner(mask).astype(np.float32)
