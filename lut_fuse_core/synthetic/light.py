"""Light in the synthetic street: lamps, headlights and the glare they cause in the lens."""

from __future__ import annotations

import cv2
import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.synthetic.camera_view import Float32Array
from lut_fuse_core.synthetic.street import LAMP_COLOR, Surfaces, lamp_positions

HEADLIGHT_COLOR = np.array([1.0, 0.95, 0.84], np.float32)
BEAM_STEP = 4
"""Headlights are computed for every fourth pixel across and down: their light is smooth."""

REACH = 26.0
"""Meters at which a headlight's light on the road has faded to nothing."""


def still_light(surfaces: Surfaces, day: bool) -> Float32Array:
    """Light that the lamps and the sky throw on each surface, ``(H, W, 3) float32``."""
    if day:
        shade = np.where(surfaces.x < -2, 0.62, 1.0).astype(np.float32)
        return shade[..., None] * np.array([0.95, 0.93, 0.88], np.float32)
    light = np.zeros(surfaces.albedo.shape, np.float32)
    light += np.array([0.008, 0.009, 0.013], np.float32)
    for x, y, z in lamp_positions():
        dx, dy, dz = x - surfaces.x, y - surfaces.y, z - surfaces.z
        square = dx * dx + dy * dy + dz * dz + 0.3
        # On walls the light comes from the side, on the ground from above, never upwards.
        facing = np.where(surfaces.upright > 0, np.abs(dx), dy) / np.sqrt(square)
        facing = np.where(dy > 0, facing, 0.12 * facing)
        light += (8.0 * np.maximum(facing, 0.02) / square)[..., None] * LAMP_COLOR
    return light


def beams(surfaces: Surfaces, sources: Float64Array) -> Float32Array:
    """Light of headlights that point toward the camera, ``(H / 4, W / 4) float32``.

    Args:
        surfaces: Every fourth pixel.
        sources: ``(N, 3)``, places of the headlights in meters.
    """
    light = np.zeros(surfaces.x.shape, np.float32)
    for x, y, z in sources.astype(np.float32):
        ahead = z - surfaces.z
        across, above = surfaces.x - x, surfaces.y - y
        square = ahead * ahead + across * across + above * above + 0.5
        distance = np.sqrt(square)
        cone = np.exp(-((across / (0.35 * np.maximum(ahead, 0.1) + 0.4)) ** 2))
        facing = np.where(surfaces.upright > 0, np.abs(across), y) / distance + 0.03
        fade = np.clip(1 - distance / REACH, 0, 1)
        rise = np.clip(ahead / 2.5, 0, 1)  # a dipped beam meets the road some way ahead
        light += np.where(above < 0.5, 42 * rise * cone * facing * fade / (square + 6), 0)
    return light


def glare_sprite(size: int = 257) -> Float32Array:
    """Glare of a point in a lens, ``(size, size) float32``: 1 in the middle, 0 at the edge."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    across, down = np.meshgrid(axis, axis)
    radius = np.hypot(across, down)
    fade = np.clip(1 - radius, 0, 1) ** 2
    core = np.exp(-((radius / 0.035) ** 2))
    halo = 0.07 / (1 + (radius / 0.07) ** 2)
    angle = np.arctan2(down, across)
    rays = 0.03 * np.abs(np.cos(3 * angle + 0.4)) ** 40 * np.exp(-radius / 0.25)
    sprite: Float32Array = ((core + halo + rays) * fade).astype(np.float32)
    return sprite


def add_glare(
    image: Float32Array,
    sprite: Float32Array,
    center: tuple[float, float],
    size: tuple[float, float],
    color: Float32Array,
) -> None:
    """Add a sprite of ``size`` pixels at ``center`` to ``(H, W, 3) float32``, in place."""
    width, height = (max(3, round(side)) for side in size)
    left, top = round(center[0] - width / 2), round(center[1] - height / 2)
    right, bottom = min(left + width, image.shape[1]), min(top + height, image.shape[0])
    first_column, first_row = max(-left, 0), max(-top, 0)
    if left + first_column >= right or top + first_row >= bottom:
        return
    mode = cv2.INTER_AREA if width < sprite.shape[1] else cv2.INTER_LINEAR
    scaled = cv2.resize(sprite, (width, height), interpolation=mode)
    visible = scaled[first_row : bottom - top, first_column : right - left]
    image[top + first_row : bottom, left + first_column : right] += visible[..., None] * color
