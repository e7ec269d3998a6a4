"""Things that enter the synthetic street at a given moment, to test what stays steady then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lut_fuse_core.synthetic import light as lighting
from lut_fuse_core.synthetic.actors import Material, Patch, Shape, draw
from lut_fuse_core.synthetic.camera_view import Float32Array, View
from lut_fuse_core.synthetic.street import Surfaces


@dataclass(frozen=True)
class Lamp:
    """A work lamp that is switched on over the right pavement; nothing changes beyond its reach.

    Attributes:
        x: Place across the road, in meters.
        y: Height above the road, in meters.
        z: Distance along the road, in meters.
        reach: Radius of its light, in meters.
    """

    x: float = 6.2
    y: float = 2.9
    z: float = 9.0
    reach: float = 4.5

    def light(self, surfaces: Surfaces) -> Float32Array:
        """Its light on each surface, ``(H, W, 3) float32``."""
        dx, dy, dz = self.x - surfaces.x, self.y - surfaces.y, self.z - surfaces.z
        square = dx * dx + dy * dy + dz * dz + 0.2
        fade = np.clip(1 - np.sqrt(square) / self.reach, 0, 1)
        cold_white = np.array([0.85, 0.93, 1.0], np.float32)
        return ((6.0 * fade / square)[..., None] * cold_white).astype(np.float32)

    def add_glare(self, image: Float32Array, sprite: Float32Array, view: View) -> None:
        """Add the lamp itself and its glare, in place."""
        pixel = view.project(np.array([[self.x, self.y, self.z]]))[0]
        side = 0.22 * view.focal
        color = np.array([2.8, 3.0, 3.2], np.float32)
        lighting.add_glare(image, sprite, (float(pixel[0]), float(pixel[1])), (side, side), color)


@dataclass(frozen=True)
class HotObject:
    """A steel drum with a fire in it: hotter than all else, hardly brighter.

    Attributes:
        x: Place across the road, in meters.
        z: Distance along the road, in meters.
        temperature: In degrees Celsius.
    """

    x: float = 0.2
    z: float = 11.0
    temperature: float = 240.0

    def patches(self, view: View) -> list[Patch]:
        """The drum, ready to lay over the scene."""
        shapes = []
        for step in range(12):
            low, high = 0.09 * step, 0.09 * (step + 1)
            warmth = self.temperature * (0.35 + 0.65 * (step / 11) ** 2)
            glow = 0.02 * (step / 11) ** 4
            material = Material((0.12, 0.07, 0.05), warmth, (glow, 0.3 * glow, 0.05 * glow))
            corners = [(-0.3, low), (0.3, low), (0.3, high), (-0.3, high)]
            points = np.array([[self.x + a, u, self.z] for a, u in corners])
            shapes.append(Shape(points, material))
        embers = Material((0.1, 0.05, 0.02), 1.3 * self.temperature, (0.25, 0.06, 0.01))
        rim = np.array([[self.x - 0.2, 1.08, self.z], [self.x + 0.2, 1.08, self.z]])
        shapes.append(Shape(rim, embers, (0.06, 0.06)))
        patch = draw(shapes, view, self.z)
        return [] if patch is None else [patch]
