"""Things that move through the synthetic street, as patches ready to lay over the scene.

An actor is a list of convex shapes in the world, each of one material. They are projected, drawn
from far to near at a multiple of the image's size and averaged down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.synthetic.camera_view import NEAREST, Float32Array, View

FINENESS = 3
"""Actors are drawn at this multiple of the image's size..."""

LARGE = 220
"""...but no finer than at this multiple of one where they are higher than this (pixels)."""

_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


@dataclass(frozen=True)
class Material:
    """A surface.

    Attributes:
        albedo: Reflected share of light, linear RGB, 0 to 1.
        temperature: In degrees Celsius.
        emission: Light of its own, linear RGB.
        shadow: Whether it is ground in the actor's shadow, not part of the actor.
    """

    albedo: tuple[float, float, float]
    temperature: float
    emission: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shadow: bool = False


@dataclass(frozen=True)
class Shape:
    """A convex polygon of the world, or the hull of balls at its corners.

    Attributes:
        points: ``(N, 3) float64``, meters.
        material: Of its surface.
        radius: Meters, one per point; None for a plain polygon.
    """

    points: Float64Array
    material: Material
    radius: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Patch:
    """An actor on the pixel grid: maps of one size, float32.

    Attributes:
        left: First column, in pixels.
        top: First row, in pixels.
        alpha: ``(h, w)``, 0 to 1.
        body: ``(h, w)``, alpha without the actor's shadow.
        albedo: ``(h, w, 3)``, share of light that is reflected.
        emission: ``(h, w, 3)``, light of its own.
        temperature: ``(h, w)``. All but alpha and body are multiplied by alpha.
        depth: Of the actor as a whole, meters.
        depths: ``(h, w)``, of what shows in each pixel, meters; 0 beside the actor.
        headlit: Whether headlights shine on what shows of it (they do not on the front of the car
            that carries them).
        label: Its number in label maps.
    """

    left: int
    top: int
    alpha: Float32Array
    body: Float32Array
    albedo: Float32Array
    emission: Float32Array
    temperature: Float32Array
    depth: float
    depths: Float32Array
    headlit: bool = True
    label: int = 0


def draw(shapes: list[Shape], view: View, depth: float) -> Patch | None:
    """The patch of an actor whose shapes are in drawing order; None if it is out of sight."""
    places = np.concatenate([shape.points for shape in shapes])
    ends = np.cumsum([len(shape.points) for shape in shapes])[:-1]
    pixels = np.split(view.project(places), ends)
    outlines = [_outline(*each, view.focal) for each in zip(shapes, pixels, strict=True)]
    corners = np.concatenate(outlines)
    low = np.floor(corners.min(axis=0)).astype(int) - 1
    high = np.ceil(corners.max(axis=0)).astype(int) + 2
    left, top = max(int(low[0]), 0), max(int(low[1]), 0)
    right, bottom = min(int(high[0]), view.width), min(int(high[1]), view.height)
    if right - left < 1 or bottom - top < 1:
        return None
    fineness = FINENESS if bottom - top < LARGE else 2
    canvas = np.zeros(((bottom - top) * fineness, (right - left) * fineness), np.uint8)
    for number, outline in enumerate(outlines, start=1):
        local = (outline - (left, top) + 0.5) * fineness - 0.5
        points = np.rint(np.clip(local, -1e6, 1e6) * 16).astype(np.int32)
        cv2.fillConvexPoly(canvas, points, number, shift=4)
    materials = [shape.material for shape in shapes]
    numbers = canvas[fineness // 2 :: fineness, fineness // 2 :: fineness]
    planes = np.zeros((len(shapes), 3))
    for seen in np.flatnonzero(np.bincount(numbers.ravel())[1:]):
        planes[seen] = _inverse_depth(shapes[seen], pixels[seen])
    depths = _depths(numbers, planes, (left, top))
    return _shade(canvas, materials, (left, top), fineness, depth, depths)


def _inverse_depth(shape: Shape, pixels: Float64Array) -> Float64Array:
    """Of a shape's surface in 1/m: constant, and change with each pixel across and down."""
    inverse = 1 / np.maximum(shape.points[:, 2], NEAREST)
    if shape.radius is not None or len(pixels) < 3:
        return np.array([inverse.mean(), 0, 0])
    columns = np.concatenate([np.ones((len(pixels), 1)), pixels], axis=1)
    return np.asarray(np.linalg.lstsq(columns, inverse, rcond=1e-6)[0], np.float64)


def _depths(
    numbers: npt.NDArray[Any], planes: Float64Array, corner: tuple[int, int]
) -> Float32Array:
    rows, columns = np.nonzero(numbers)
    constant, across, down = planes[numbers[rows, columns] - 1].T
    inverse = constant + across * (columns + corner[0]) + down * (rows + corner[1])
    depths = np.zeros(numbers.shape, np.float32)
    depths[rows, columns] = 1 / np.clip(inverse, 1e-3, 1 / NEAREST)
    return depths


def _outline(shape: Shape, pixels: Float64Array, focal: float) -> Float64Array:
    if shape.radius is None:
        return pixels
    radii = np.array(shape.radius) * focal / np.maximum(shape.points[:, 2], 0.5)
    balls = (pixels[:, None] + _CIRCLE * radii[:, None, None]).reshape(-1, 2)
    hull = cv2.convexHull(balls.astype(np.float32))
    return hull.reshape(-1, 2).astype(np.float64)


def _shade(
    canvas: npt.NDArray[Any],
    materials: list[Material],
    corner: tuple[int, int],
    fineness: int,
    depth: float,
    depths: Float32Array,
) -> Patch:
    table = np.zeros((len(materials) + 1, 9), np.float32)
    for number, material in enumerate(materials, start=1):
        solid = 0 if material.shadow else 1
        table[number] = (1, *material.albedo, *material.emission, material.temperature, solid)
    size = (canvas.shape[1] // fineness, canvas.shape[0] // fineness)
    mean = cv2.resize(table[canvas], size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], 9)
    alpha, albedo, emission, temperature, body = (
        np.ascontiguousarray(mean[..., channels])
        for channels in (0, slice(1, 4), slice(4, 7), 7, 8)
    )
    # Bodies are round: toward their outline they turn away from light and from the sensor.
    radius = max(1, round(0.02 * size[1] + 1)) * 2 + 1
    core = cv2.blur(alpha, (radius, radius), borderType=cv2.BORDER_REPLICATE)
    roundness = np.clip(0.45 + 0.6 * core, 0, 1)
    shaded = albedo * roundness[..., None]
    return Patch(*corner, alpha, body, shaded, emission, temperature, depth, depths)
