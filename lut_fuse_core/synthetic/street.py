"""What stands still in the synthetic street: road, pavements, buildings, lamps and the sky.

Every pixel's ray meets the road plane or one of the two rows of buildings; materials are painted
in world coordinates, so that perspective is exact, at twice the size, and averaged down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.synthetic.camera_view import Float32Array, View
from lut_fuse_core.synthetic.noise import texture

ROAD_LEFT, ROAD_RIGHT = -5.4, 3.5
WALL_LEFT, WALL_RIGHT = -8.2, 6.8
LAMP_HEIGHT, LAMP_SPACING, LAMP_COUNT = 6.0, 17.0, 5
SKY_DEPTH = 1e4

LAMP_COLOR = np.array([1.0, 0.74, 0.42], np.float32)
WINDOW_COLORS = np.array([[1.0, 0.72, 0.38], [1.0, 0.85, 0.6], [0.7, 0.85, 1.0]], np.float32)
WALL_COLORS = np.array(
    [[0.42, 0.2, 0.15], [0.45, 0.38, 0.3], [0.3, 0.3, 0.33], [0.5, 0.45, 0.4], [0.36, 0.24, 0.2]],
    np.float32,
)


@dataclass
class Surfaces:
    """Maps of the still scene. All ``(H, W)`` or ``(H, W, 3)`` float32.

    Attributes:
        albedo: Reflected share of light, linear RGB.
        emission: Light of its own, linear RGB.
        temperature: Apparent, degrees Celsius.
        x: Where the ray ends, meters to the right.
        y: Where the ray ends, meters up.
        z: Where the ray ends, meters away.
        upright: 1 on walls, 0 on the ground.
    """

    albedo: Float32Array
    emission: Float32Array
    temperature: Float32Array
    x: Float32Array
    y: Float32Array
    z: Float32Array
    upright: Float32Array


def lamp_positions() -> Float32Array:
    """Where the street lamps shine from: ``(N, 3)``, meters."""
    right = [(ROAD_RIGHT + 0.3, LAMP_HEIGHT, 9 + LAMP_SPACING * i) for i in range(LAMP_COUNT)]
    left = [(ROAD_LEFT + 0.9, LAMP_HEIGHT, 17 + LAMP_SPACING * i) for i in range(LAMP_COUNT)]
    return np.array(right + left, np.float32)


def build_street(view: View, seed: int, day: bool) -> Surfaces:
    """The still scene as this camera sees it."""
    fine = View(2 * view.width, 2 * view.height, view.x, view.eye)
    surfaces = _paint(fine, seed, day)
    size = (view.width, view.height)
    smooth = {
        name: cv2.resize(getattr(surfaces, name), size, interpolation=cv2.INTER_AREA)
        for name in ("albedo", "emission", "temperature")
    }
    # Places are sampled, not averaged: a mean of road and sky would lie somewhere in the air.
    exact = {name: getattr(surfaces, name)[::2, ::2].copy() for name in ("x", "y", "z", "upright")}
    return Surfaces(**smooth, **exact)


def _paint(view: View, seed: int, day: bool) -> Surfaces:
    across, down = view.directions()
    height = view.eye
    with np.errstate(divide="ignore"):
        to_ground = np.where(down > 1e-4, height / down, SKY_DEPTH).astype(np.float32)
        wall = np.where(across > 0, WALL_RIGHT, WALL_LEFT) - view.x
        to_wall = np.where(np.abs(across) > 1e-4, wall / across, SKY_DEPTH).astype(np.float32)
    on_wall = to_wall < to_ground
    depth = np.minimum(to_ground, to_wall)
    x, y = view.x + across * depth, height - down * depth
    surfaces = Surfaces(
        albedo=np.zeros((*depth.shape, 3), np.float32),
        emission=np.zeros((*depth.shape, 3), np.float32),
        temperature=np.zeros(depth.shape, np.float32),
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        z=depth,
        upright=on_wall.astype(np.float32),
    )
    _paint_ground(surfaces, ~on_wall, seed, day)
    sky = _paint_walls(surfaces, on_wall & (depth < 400), seed, day)
    _paint_sky(surfaces, sky | (depth >= 400), down, seed, day)
    _paint_lamps(surfaces, view, day)
    return surfaces


def _paint_ground(surfaces: Surfaces, where: npt.NDArray[Any], seed: int, day: bool) -> None:
    x, z = surfaces.x[where], surfaces.z[where]
    near = np.clip(1.6 - z / 30, 0, 1)
    grain = texture(x * 9, z * 9, seed, 3) * near
    patches = texture(x * 0.5, z * 0.25, seed + 1, 3)
    shade = 0.13 + 0.018 * patches + 0.03 * grain
    tracks = np.exp(-((np.abs(np.abs(x + 0.0) - 1.75) - 0.75) ** 2) / 0.08)
    shade = shade * (1 - 0.16 * tracks)
    dash = (np.abs(x) < 0.075) & (z % 6 < 3)
    edge = (np.abs(x - ROAD_RIGHT + 0.35) < 0.06) | (np.abs(x - ROAD_LEFT - 2.0) < 0.06)
    paint = (dash | edge) * (0.75 + 0.25 * texture(x * 5, z * 5, seed + 2, 2))
    crossing = (np.abs(z - 14) < 1.6) & ((x + 50) % 1.0 < 0.5)
    paint = np.maximum(paint, crossing * (0.8 + 0.2 * grain))
    pavement = (x < ROAD_LEFT) | (x > ROAD_RIGHT)
    joints = ((x % 0.9) < 0.03) | ((z % 0.9) < 0.03 + z / 500)
    slabs = 0.22 + 0.03 * texture(np.floor(x / 0.9), np.floor(z / 0.9), seed + 3, 1) + 0.02 * grain
    slabs = slabs * (1 - 0.45 * joints * np.clip(1.4 - z / 18, 0, 1))
    curb = (np.abs(x - ROAD_RIGHT) < 0.09) | (np.abs(x - ROAD_LEFT) < 0.09)
    gray = np.where(pavement, slabs, shade)
    gray = np.where(paint > 0.2, 0.13 + 0.5 * paint, gray)
    gray = np.where(curb, 0.34 + 0.04 * grain, gray)
    surfaces.albedo[where] = gray[:, None] * np.array([1.0, 0.99, 0.96], np.float32)
    base = 27.0 if day else 8.5
    warmth = base + 0.8 * patches + 0.4 * grain - 0.3 * (paint > 0.2) + 0.7 * tracks
    warmth = np.where(pavement, base - 1.0 + 0.3 * grain - 0.35 * joints * near, warmth)
    surfaces.temperature[where] = np.where(curb, base - 0.4, warmth)


def _building_of(z: Float32Array, right: npt.NDArray[Any], seed: int) -> npt.NDArray[Any]:
    """Number of the building at each place along the two rows; buildings are 8 to 15 m wide."""
    result = np.zeros(z.shape, np.int64)
    for side in (False, True):
        rng = np.random.default_rng((seed, side))
        ends = np.cumsum(rng.uniform(8, 15, 64)) - 6
        mine = right == side
        result[mine] = np.searchsorted(ends, z[mine]) + 64 * side
    return result


def _paint_walls(
    surfaces: Surfaces, where: npt.NDArray[Any], seed: int, day: bool
) -> npt.NDArray[Any]:
    """Paint the buildings; returns the mask of pixels above their roofs."""
    y, z = surfaces.y[where], surfaces.z[where]
    building = _building_of(z, surfaces.x[where] > 0, seed)
    rng = np.random.default_rng(seed + 7)
    storeys = rng.integers(2, 6, 128)
    roof = (1.2 + 3.1 * storeys[building]).astype(np.float32)
    color = WALL_COLORS[rng.integers(0, len(WALL_COLORS), 128)][building]
    near = np.clip(1.5 - z / 25, 0, 1)
    stains = texture(z * 0.7, y * 0.4, seed + 8, 4)
    courses = ((y % 0.15) < 0.02) | (((z + 0.15 * (np.floor(y / 0.15) % 2)) % 0.3) < 0.02)
    wall = color * (1 + 0.16 * stains - 0.3 * courses * near)[:, None]
    storey, column = np.floor((y - 0.6) / 3.1), np.floor(z / 2.6)
    in_y, in_z = (y - 0.6) % 3.1, z % 2.6
    shop = storey < 1
    low, high = np.where(shop, 0.3, 1.0), np.where(shop, 2.3, 2.5)
    margin = np.where(shop, 0.35, 0.7)
    glass = (in_y > low) & (in_y < high) & (in_z > margin) & (in_z < 2.6 - margin)
    frame = (in_y > low - 0.12) & (in_y < high + 0.12) & (in_z > margin - 0.12)
    frame &= (in_z < 2.6 - margin + 0.12) & ~glass
    cross = glass & (np.abs(in_z - 1.3) < 0.04)
    cornice = (y > roof - 0.45) | ((np.abs((y - 0.45) % 3.1) < 0.12) & (storey >= 1))
    wall = np.where(cornice[:, None], wall * 1.25, wall)
    wall = np.where((frame | cross)[:, None], 0.5, wall)
    pick = _window_numbers(building, storey, column, seed)
    lit = glass & (pick < np.where(shop, 0.35, 0.3)) & (not day) & ~cross
    wall = np.where((glass & ~cross)[:, None], 0.05, wall)
    glow = (
        WINDOW_COLORS[(pick * 7919 % 3).astype(np.int64)] * (0.25 + 0.9 * (pick * 131 % 1))[:, None]
    )
    curtain = 0.55 + 0.45 * np.clip((in_y - low) / (high - low), 0, 1)
    curtain = curtain * (1 - 0.25 * (np.abs(in_z - 1.3) > 0.75 * (1.3 - margin)))
    surfaces.albedo[where] = np.clip(wall, 0.01, 0.9)
    surfaces.emission[where] = np.where(lit[:, None], 0.5 * glow * curtain[:, None], 0.0)
    base = 22.0 if day else 7.0
    warmth = base + rng.normal(0, 0.9, 128)[building] + 0.5 * stains - 0.2 * courses * near
    warmth += np.where(frame, 1.6, 0.0) - np.where(cornice, 1.0, 0.0)
    warmth += 1.2 * np.exp(-((in_y - low + 0.5) ** 2) / 0.15) * (np.abs(in_z - 1.3) < 0.6)
    warmth = np.where(glass, base - 3.5 + 4.5 * lit + 1.5 * curtain, warmth)
    surfaces.temperature[where] = warmth
    above = np.zeros(where.shape, bool)
    above[where] = y > roof
    return above


def _window_numbers(
    building: npt.NDArray[Any], storey: npt.NDArray[Any], column: npt.NDArray[Any], seed: int
) -> npt.NDArray[Any]:
    """One number in [0, 1) per window, the same for all its pixels."""
    mixed = np.sin(building * 12.9898 + storey * 78.233 + column * 37.719 + seed) * 43758.5453
    return mixed - np.floor(mixed)


def _paint_sky(
    surfaces: Surfaces, where: npt.NDArray[Any], down: Float32Array, seed: int, day: bool
) -> None:
    rise = np.clip(-down[where], 0, 1)
    columns = np.broadcast_to(np.arange(down.shape[1], dtype=np.float32), down.shape)[where]
    clouds = texture(columns / down.shape[1] * 5, rise * 14, seed + 11, 4)
    zenith = np.array([0.2, 0.42, 0.85] if day else [0.004, 0.005, 0.010], np.float32)
    horizon = np.array([0.75, 0.82, 0.9] if day else [0.028, 0.021, 0.016], np.float32)
    share = np.exp(-3.0 * rise)[:, None]
    light = zenith + (horizon - zenith) * share
    light = light * (1 + (0.25 if day else 0.4) * clouds[:, None] * (1 - 0.5 * share))
    surfaces.albedo[where] = 0
    surfaces.emission[where] = np.maximum(light, 0)
    surfaces.temperature[where] = 0.5 + 5 * share[:, 0] + 1.1 * clouds
    surfaces.z[where] = SKY_DEPTH
    surfaces.upright[where] = 0


def _paint_lamps(surfaces: Surfaces, view: View, day: bool) -> None:
    """Posts with arms and heads, far ones first."""
    posts = sorted(lamp_positions().tolist(), key=lambda lamp: -lamp[2])
    for x, y, z in posts:
        foot_x = WALL_RIGHT - 0.5 if x > 0 else ROAD_LEFT - 0.4
        joints = np.array([[foot_x, 0, z], [foot_x, y + 0.1, z], [x, y + 0.12, z]], np.float64)
        pixels = [tuple(round(v) for v in pixel) for pixel in view.project(joints)]
        mask = np.zeros(surfaces.z.shape, np.uint8)
        cv2.line(mask, pixels[0], pixels[1], 1, max(1, round(0.13 * view.focal / z)))
        cv2.line(mask, pixels[1], pixels[2], 1, max(1, round(0.09 * view.focal / z)))
        head = np.zeros_like(mask)
        axes = (max(1, round(0.38 * view.focal / z)), max(1, round(0.09 * view.focal / z)))
        cv2.ellipse(head, pixels[2], axes, 0, 0, 360, 1, -1)
        for part, albedo, warmth in ((mask, 0.16, 6.0), (head, 0.3, 6.0 if day else 38.0)):
            here = np.nonzero(part)
            surfaces.albedo[here] = albedo
            surfaces.emission[here] = 0
            surfaces.temperature[here] = warmth + (12 if day else 0)
            surfaces.x[here], surfaces.z[here], surfaces.upright[here] = foot_x, z, 1
        if not day:
            surfaces.emission[np.nonzero(head)] = 6.0 * LAMP_COLOR
