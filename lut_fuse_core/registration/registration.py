"""Registration: infrared warped onto the visible pixel grid by one precomputed remap."""

from __future__ import annotations

import ctypes
import logging
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lut_fuse_core.arrays import Float64Array, FloatArray, Size, UInt8Array
from lut_fuse_core.errors import BackendUnavailableError, InputError
from lut_fuse_core.libraries.opencv import cv2
from lut_fuse_core.native.bindings import Distances, load_library
from lut_fuse_core.registration.coarse_grid import expanded, node_places
from lut_fuse_core.registration.homography import Homography, homography_map
from lut_fuse_core.registration.rig import CameraRig
from lut_fuse_core.registration.warp import Warp
from lut_fuse_core.settings import check_settings, setting

__all__ = ["Homography", "Registration", "RegistrationConfig", "Size"]

LARGEST_SIDE = 32767
"""Pixels: positions in a map are kept in 16 bits."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegistrationConfig:
    """Where infrared lands in the visible image.

    Attributes:
        transform: A `Homography`, a `CameraRig` (both cameras calibrated), or None: the images
            show the same view and are at most resized.

    Raises:
        InputError: For settings outside their range.
    """

    transform: Homography | CameraRig | None = None
    distance: float = setting(
        20.0,
        "Distance along the visible optical axis at which the images of two calibrated cameras "
        "coincide; inf for a distant scene.",
        unit="m",
        minimum=0.05,
        maximum=math.inf,
        live=True,
    )
    feather: float = setting(
        24.0,
        "Width over which infrared fades out at the border of its view.",
        unit="visible pixels",
        minimum=0.0,
        maximum=10_000.0,
        live=True,
    )

    depth: Literal["off", "auto"] = setting(
        "off",
        "Whether registration follows what is nearer or farther than the set distance ('auto'): "
        "displacements are estimated from each pair, some milliseconds per frame.",
        live=True,
    )
    follow: bool = setting(
        False,
        "Correct the registration once infrared has lain beside the visible image for a minute, by "
        "the same amount all over the image, as when the rig was knocked.",
        live=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def source(self) -> str:
        """``none``, ``homography`` or ``cameras``."""
        if self.transform is None:
            return "none"
        return "homography" if isinstance(self.transform, Homography) else "cameras"


class Registration:
    """Keeps the remap of one camera rig; computes it again only when something changes.

    Args:
        config: Settings; None for the defaults.

    Attributes:
        config: Settings in use; may be replaced at any time.
        recomputed: How often the remap was computed.
        covered: Share of the visible image, 0 to 1, that infrared sees.
    """

    def __init__(self, config: RegistrationConfig | None = None) -> None:
        self.config = config or RegistrationConfig()
        self.recomputed = 0
        self.covered = 1.0
        self._warp: Warp | None = None
        self._made_for: RegistrationConfig | None = None
        self._rays: tuple[Any, Float64Array] | None = None

    def warp(self, infrared_size: Size, visible_size: Size) -> Warp:
        """The remap for images of these sizes.

        Args:
            infrared_size: Width and height in pixels.
            visible_size: Width and height in pixels.

        Returns:
            The remap and its mask; the one of the call before while nothing has changed.

        Raises:
            InputError: If they are too large to be registered, or of another shape than the
                transform was made for.
        """
        if self.config.transform is not None and max(*infrared_size, *visible_size) > LARGEST_SIDE:
            raise InputError(
                f"images to be registered may have at most {LARGEST_SIDE} pixels a side"
            )
        known = self._warp
        if (
            known is not None
            and self._made_for == self.config
            and (known.infrared_size, known.visible_size) == (infrared_size, visible_size)
        ):
            return known
        warp = self._compute(infrared_size, visible_size)
        self._warp, self._made_for = warp, self.config
        self.recomputed += 1
        mask = warp.mask
        self.covered = 1.0 if mask is None else np.count_nonzero(mask) / mask.size
        if not self.covered:
            _log.warning(
                "with this registration infrared sees no pixel of the visible image; is its matrix "
                "or pose inverted?"
            )
        return warp

    def _compute(self, infrared_size: Size, visible_size: Size) -> Warp:
        positions = self.positions(infrared_size, visible_size)
        if positions is None:
            return Warp(visible_size, infrared_size)
        mask = mask_of(positions, infrared_size, self.config.feather)
        return Warp.from_positions(positions, infrared_size, mask)

    def positions(self, infrared_size: Size, visible_size: Size) -> FloatArray | None:
        """Where each visible pixel lies in the infrared image.

        Args:
            infrared_size: Width and height in pixels.
            visible_size: Width and height in pixels.

        Returns:
            ``(H, W, 2) float32``, x and y, NaN where it is not known; None if infrared is only
            resized.

        Raises:
            InputError: If the transform was made for images of another shape.
        """
        transform = self.config.transform
        if transform is None:
            return None
        if isinstance(transform, Homography):
            matrix = transform.between(infrared_size, visible_size)
            return homography_map(matrix, infrared_size, visible_size)
        return self._camera_map(transform, infrared_size, visible_size)

    def _camera_map(self, rig: CameraRig, infrared_size: Size, visible_size: Size) -> FloatArray:
        visible = rig.visible.scaled_to(*visible_size)
        infrared = rig.infrared.scaled_to(*infrared_size)
        places = node_places(visible_size)
        # Undistorting is the slow part and does not depend on the distance.
        if self._rays is None or self._rays[0] != visible:
            rays = visible.rays(places.reshape(-1, 2).astype(np.float64))
            self._rays = (visible, np.concatenate([rays, np.ones((len(rays), 1))], axis=1))
        rays = self._rays[1]
        pose = rig.infrared_from_visible
        # In units of the assumed distance, so that an infinite one is an ordinary case.
        points = rays @ np.asarray(pose.rotation).T
        points = points + np.asarray(pose.translation) / self.config.distance
        nodes = infrared.project(points).astype(np.float32).reshape(places.shape)
        return expanded(nodes, visible_size)


def mask_of(positions: FloatArray, infrared_size: Size, feather: float) -> UInt8Array | None:
    """Where infrared is valid in the visible image, fading out at the border of its view.

    Args:
        positions: ``(H, W, 2) float32`` as `homography_map` gives.
        infrared_size: Width and height in pixels.
        feather: Width of the fade, inside the infrared view, in visible pixels.

    Returns:
        ``(H, W) uint8``, 255 where infrared is valid, 0 where it sees nothing; None if it sees the
        whole visible image.
    """
    width, height = infrared_size
    x, y = positions[..., 0], positions[..., 1]
    # A pixel reaches half its width beyond its center; the rest is rounding of the map.
    reach = 0.5 + 1e-3
    inside = (x >= -reach) & (y >= -reach) & (x <= width - 1 + reach) & (y <= height - 1 + reach)
    if inside.all():
        return None
    return faded(inside.astype(np.uint8), feather)


def faded(inside: UInt8Array, feather: float) -> UInt8Array:
    """A mask that fades out toward what is outside.

    Args:
        inside: ``(H, W) uint8``, 0 outside.
        feather: Width of the fade in pixels.

    Returns:
        ``(H, W) uint8``: 0 outside, 255 from that far inside on.
    """
    mask = (inside != 0).astype(np.uint8)
    if feather <= 0:
        return mask * np.uint8(255)
    ramp = np.clip(_distances(mask) / np.float32(feather), 0, 1)
    smooth = ramp * ramp * (3 - 2 * ramp)
    return np.rint(smooth * 255).astype(np.uint8)


def _distances(mask: UInt8Array) -> FloatArray:
    """How far each pixel is from the nearest 0, ``(H, W) float32``, in pixels.

    In the C++ library as OpenCV has it, which takes 22 MB of a node that needs nothing else of it.
    """
    try:
        library = load_library()
    except BackendUnavailableError:
        return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), np.float32)
    mask = np.ascontiguousarray(mask)
    result = np.empty(mask.shape, np.float32)
    described = Distances(mask.ctypes.data, result.ctypes.data, *mask.shape)
    if library.lut_fuse_distances(ctypes.byref(described)):
        raise MemoryError("no memory to fade infrared out at the border of its view")
    return result
