"""A car: a profile swept across its width, windows, lights and wheels, in the world's meters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.synthetic.actors import Material, Shape

LENGTH = 4.3
# Along the car (0 at its front), up, half width; from the front bumper over the roof to the rear.
PROFILE = np.array(
    [
        [0.02, 0.28, 0.84],
        [0.0, 0.62, 0.87],
        [0.12, 0.78, 0.86],
        [1.15, 0.98, 0.82],
        [1.95, 1.42, 0.62],
        [3.15, 1.42, 0.62],
        [3.85, 1.02, 0.78],
        [4.25, 0.96, 0.82],
        [4.3, 0.62, 0.86],
        [4.26, 0.3, 0.84],
    ]
)
GLASS_SECTIONS = (3, 5)
WHEELS = (0.82, 3.42)
HEADLIGHT_HEIGHT = 0.68

_World = Callable[[float, float, float], list[float]]
"""Along the car, up, and to the right of its middle, to world coordinates."""


@dataclass(frozen=True)
class Car:
    """A car's looks.

    Attributes:
        paint: Linear RGB, 0 to 1.
        running: Whether engine and tires are warm.
        lights: Whether its lights are on.
    """

    paint: tuple[float, float, float]
    running: bool = True
    lights: bool = True


def paint(rng: np.random.Generator) -> tuple[float, float, float]:
    """A usual color."""
    colors = ((0.5, 0.5, 0.52), (0.03, 0.03, 0.035), (0.35, 0.03, 0.03), (0.05, 0.09, 0.22))
    return colors[int(rng.integers(0, len(colors)))]


def place(car: Car, x: float, z: float, toward: bool, day: bool, camera_x: float) -> list[Shape]:
    """The shapes of a car, in drawing order for a camera at ``camera_x``.

    Args:
        car: Its looks.
        x: Of its middle, in meters.
        z: Of its end nearest to the camera, meters.
        toward: Whether it comes.
        day: Whether it is day.
        camera_x: Of the camera, in meters.
    """

    def world(along: float, up: float, across: float) -> list[float]:
        return [x + across, up, z + (along if toward else LENGTH - along)]

    base = 20.0 if day else 7.0
    solid = _sections(car, world, base) + _sides(car, world, base)
    camera = np.array([camera_x, 1.7, 0.0])
    far_first = sorted(solid, key=lambda s: -float(np.linalg.norm(s.points.mean(axis=0) - camera)))
    shadow = np.array(
        [world(a, 0.01, b) for a, b in ((0.1, -0.9), (0.1, 0.9), (4.2, 0.9), (4.2, -0.9))]
    )
    under = Material((0.006, 0.006, 0.006), base + (9.0 if car.running else 2.0), shadow=True)
    belly = np.array([world(a, b, c) for a, b, c in _belly(0.1 if toward else 4.2)])
    return [
        Shape(shadow, under),
        Shape(belly, Material((0.01, 0.01, 0.01), base + 5.0 * car.running)),
        *_wheels(car, world, base),
        *far_first,
        *_details(car, world, toward, base),
    ]


def headlights(x: float, z: float) -> Float64Array:
    """Places of the two headlights of a car that comes, ``(2, 3)`` meters."""
    return np.array([[x - 0.62, HEADLIGHT_HEIGHT, z], [x + 0.62, HEADLIGHT_HEIGHT, z]])


def _belly(along: float) -> list[tuple[float, float, float]]:
    """The dark gap between bumper and road at one end."""
    return [
        (along, low, side) for low, side in ((0.12, -0.8), (0.5, -0.8), (0.5, 0.8), (0.12, 0.8))
    ]


def _sections(car: Car, world: _World, base: float) -> list[Shape]:
    """Bonnet, windscreen, roof, boot and the two ends, each across the whole width."""
    warmth = (10.0, 11.0, 15.0, -4.0, -3.0, -3.0, 0.0, 0.5, 1.0)
    shades = (0.7, 0.8, 1.1, 1.0, 1.25, 1.0, 1.05, 0.8, 0.65)
    shapes = []
    for index, ((a0, u0, w0), (a1, u1, w1)) in enumerate(itertools.pairwise(PROFILE)):
        corners = [world(a0, u0, -w0), world(a0, u0, w0), world(a1, u1, w1), world(a1, u1, -w1)]
        if index in GLASS_SECTIONS:
            material = Material((0.03, 0.035, 0.04), base + (2.5 if car.running else -3.0))
        else:
            red, green, blue = (shades[index] * channel for channel in car.paint)
            extra = warmth[index] if car.running else -2.0
            material = Material((red, green, blue), base + extra)
        shapes.append(Shape(np.array(corners), material))
    return shapes


def _sides(car: Car, world: _World, base: float) -> list[Shape]:
    """Doors and side windows. The sills lie over the wheels' upper parts."""
    red, green, blue = (0.75 * channel for channel in car.paint)
    front = Material((red, green, blue), base + (6.0 if car.running else -1.0))
    rear = Material((red, green, blue), base + (1.0 if car.running else -1.0))
    glass = Material((0.025, 0.03, 0.035), base + (1.5 if car.running else -3.0))
    shapes = []
    for side in (-1, 1):
        for lengths, material in (((0.03, 0.15, 1.5, 1.5), front), ((1.5, 1.5, 4.25, 4.28), rear)):
            heights = (0.5, 0.78, 0.99, 0.5) if material is front else (0.5, 0.99, 0.96, 0.5)
            outline = [world(a, u, 0.87 * side) for a, u in zip(lengths, heights, strict=True)]
            shapes.append(Shape(np.array(outline), material))
        window = [world(1.25, 0.99, 0.83 * side), world(1.98, 1.38, 0.64 * side)]
        window += [world(3.1, 1.38, 0.64 * side), world(3.75, 1.02, 0.8 * side)]
        shapes.append(Shape(np.array(window), glass))
        pillar = [world(2.5, 1.0, 0.84 * side), world(2.5, 1.39, 0.65 * side)]
        pillar += [world(2.6, 1.39, 0.65 * side), world(2.6, 1.0, 0.84 * side)]
        shapes.append(Shape(np.array(pillar), rear))
    return shapes


def _wheels(car: Car, world: _World, base: float) -> list[Shape]:
    angles = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    tire = Material((0.015, 0.015, 0.015), base + (14.0 if car.running else 0.0))
    hub = Material((0.25, 0.25, 0.27), base + (22.0 if car.running else -1.0))
    shapes = []
    for center in WHEELS:
        for side in (-1, 1):
            for radius, material, out in ((0.33, tire, 0.86), (0.19, hub, 0.875)):
                rim = [
                    world(center + radius * np.cos(a), 0.33 + radius * np.sin(a), out * side)
                    for a in angles
                ]
                shapes.append(Shape(np.array(rim), material))
    return shapes


def _details(car: Car, world: _World, toward: bool, base: float) -> list[Shape]:
    """Lights, grille and number plate on the end that shows."""
    along = -0.02 if toward else LENGTH + 0.02
    bright = car.lights and car.running

    def box(left: float, right: float, low: float, high: float, material: Material) -> Shape:
        corners = ((left, low), (right, low), (right, high), (left, high))
        return Shape(np.array([world(along, u, c) for c, u in corners]), material)

    plate = Material((0.6, 0.6, 0.55), base + 1.0)
    if toward:
        lamp = Material((0.7, 0.7, 0.7), base + 16.0, (9.0, 8.6, 7.4) if bright else (0, 0, 0))
        grille = Material((0.02, 0.02, 0.02), base + (24.0 if car.running else -1.0))
        ends = [box(side * 0.62 - 0.16, side * 0.62 + 0.16, 0.6, 0.74, lamp) for side in (-1, 1)]
        return [box(-0.42, 0.42, 0.46, 0.7, grille), box(-0.26, 0.26, 0.36, 0.46, plate), *ends]
    lamp = Material((0.35, 0.02, 0.02), base + 5.0, (1.6, 0.06, 0.04) if bright else (0, 0, 0))
    exhaust = Material((0.03, 0.03, 0.03), base + (45.0 if car.running else 0.0))
    ends = [box(side * 0.68 - 0.14, side * 0.68 + 0.14, 0.68, 0.88, lamp) for side in (-1, 1)]
    return [box(-0.26, 0.26, 0.62, 0.74, plate), *ends, box(0.45, 0.56, 0.24, 0.31, exhaust)]
