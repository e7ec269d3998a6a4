"""A walking person: joints from the phase of the step, limbs as tapered capsules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.synthetic.actors import Material, Shape

SKIN = Material((0.45, 0.3, 0.22), 33.5)
HAIR = Material((0.04, 0.03, 0.025), 26.0)
SHOES = Material((0.03, 0.03, 0.03), 16.5)
STRIDE = 1.45
"""Meters covered by two steps of a person of 1.7 m."""

_Place = Callable[[float, float, float], Float64Array]
"""Ahead, to the right and up, in meters of a person of 1.7 m, to world coordinates."""


@dataclass(frozen=True)
class Person:
    """Who walks.

    Attributes:
        height: In meters.
        jacket: As it appears, with its temperature.
        trousers: Likewise.
        coat: Length of a skirt or coat below the hips in meters, 0 for none.
        bag: Carries one.
    """

    height: float
    jacket: Material
    trousers: Material
    coat: float
    bag: bool


def dress(rng: np.random.Generator, day: bool) -> Person:
    """A person with random height and clothes."""
    palette = np.array(
        [
            [0.05, 0.06, 0.1],
            [0.35, 0.06, 0.05],
            [0.1, 0.1, 0.1],
            [0.3, 0.27, 0.2],
            [0.07, 0.15, 0.1],
        ]
    )
    upper, lower = palette[rng.integers(0, 5)], palette[rng.integers(0, 5)] * 0.7
    extra = 6.0 if day else 0.0
    return Person(
        height=float(rng.uniform(1.55, 1.9)),
        jacket=Material(_rgb(upper), float(rng.uniform(20, 25)) + extra),
        trousers=Material(_rgb(lower), float(rng.uniform(19, 22)) + extra),
        coat=float(rng.choice([0.0, 0.0, 0.35, 0.5])),
        bag=bool(rng.random() < 0.4),
    )


def pose(person: Person, x: float, z: float, heading: float, walked: float) -> list[Shape]:
    """The shapes of a person at a place, far ones first.

    Args:
        person: Who walks.
        x: Place across the road, in meters.
        z: Distance along the road, in meters.
        heading: Radians, 0 along the road away from the camera, pi/2 to the right.
        walked: Meters walked so far, which set the phase of the step.
    """
    scale = person.height / 1.7
    phase = 2 * np.pi * walked / (STRIDE * scale)
    forward = np.array([np.sin(heading), 0.0, np.cos(heading)])
    sideways = np.array([np.cos(heading), 0.0, -np.sin(heading)])

    def at(ahead: float, side: float, up: float) -> Float64Array:
        return np.array([x, 0, z]) + scale * (
            ahead * forward + side * sideways + np.array([0, up, 0])
        )

    bob = 0.025 * np.cos(2 * phase)
    parts: list[tuple[float, Shape]] = []
    for side, offset in ((-1, 0.0), (1, np.pi)):
        parts += _leg(person, at, side, phase + offset, bob, scale)
        parts += _arm(person, at, side, phase + offset + np.pi, bob, scale)
    parts += _trunk(person, at, bob, scale)
    return [shape for _, shape in sorted(parts, key=lambda part: -part[0])]


def _capsule(
    start: Float64Array, end: Float64Array, radii: tuple[float, float], material: Material
) -> tuple[float, Shape]:
    points = np.stack([start, end])
    return float(points[:, 2].mean()), Shape(points, material, radii)


def _leg(
    person: Person, at: _Place, side: int, phase: float, bob: float, scale: float
) -> list[tuple[float, Shape]]:
    swing = 0.45 * np.sin(phase)
    flex = 0.12 + 0.75 * max(0.0, np.cos(phase)) ** 2 * 0.9
    hip = (0.0, 0.095 * side, 0.9 + bob)
    knee = (hip[0] + 0.43 * np.sin(swing), 0.09 * side, hip[2] - 0.43 * np.cos(swing))
    shin = swing - flex
    ankle = (knee[0] + 0.41 * np.sin(shin), 0.085 * side, knee[2] - 0.41 * np.cos(shin))
    toe_up = 0.25 * max(0.0, np.sin(phase)) - 0.35 * max(0.0, -np.sin(phase + 0.6))
    toe = (ankle[0] + 0.17 * np.cos(toe_up), 0.1 * side, ankle[2] - 0.035 + 0.17 * np.sin(toe_up))
    cloth = person.trousers
    return [
        _capsule(at(*hip), at(*knee), (0.09 * scale, 0.062 * scale), cloth),
        _capsule(at(*knee), at(*ankle), (0.062 * scale, 0.044 * scale), cloth),
        _capsule(at(*ankle), at(*toe), (0.045 * scale, 0.035 * scale), SHOES),
    ]


def _arm(
    person: Person, at: _Place, side: int, phase: float, bob: float, scale: float
) -> list[tuple[float, Shape]]:
    swing = 0.42 * np.sin(phase)
    shoulder = (0.0, 0.2 * side, 1.4 + bob)
    elbow = (0.28 * np.sin(swing), 0.235 * side, shoulder[2] - 0.28 * np.cos(swing))
    fore = swing + 0.35
    wrist = (elbow[0] + 0.25 * np.sin(fore), 0.23 * side, elbow[2] - 0.25 * np.cos(fore))
    hand = (wrist[0] + 0.07 * np.sin(fore), 0.225 * side, wrist[2] - 0.07 * np.cos(fore))
    parts = [
        _capsule(at(*shoulder), at(*elbow), (0.065 * scale, 0.05 * scale), person.jacket),
        _capsule(at(*elbow), at(*wrist), (0.05 * scale, 0.036 * scale), person.jacket),
        _capsule(at(*wrist), at(*hand), (0.038 * scale, 0.034 * scale), SKIN),
    ]
    if person.bag and side > 0:
        below = (hand[0], hand[1], hand[2] - 0.28)
        bag = Material((0.12, 0.07, 0.04), 14.5)
        parts.append(_capsule(at(*hand), at(*below), (0.03 * scale, 0.13 * scale), bag))
    return parts


def _trunk(person: Person, at: _Place, bob: float, scale: float) -> list[tuple[float, Shape]]:
    jacket, up = person.jacket, bob
    chest = np.stack([at(0, -0.13, 1.38 + up), at(0, 0.13, 1.38 + up), at(0.02, 0, 0.98 + up)])
    depth = float(chest[:, 2].mean())
    hem = 0.92 - person.coat
    coat = np.stack([at(0, -0.06, 1.02 + up), at(0, 0.06, 1.02 + up), at(0, 0, hem + up)])
    cooler = Material(jacket.albedo, jacket.temperature - 2.0)
    spread = 0.13 + 0.16 * person.coat
    parts = [
        (depth, Shape(coat, cooler, (0.12 * scale, 0.12 * scale, spread * scale))),
        (depth, Shape(chest, jacket, (0.1 * scale, 0.1 * scale, 0.125 * scale))),
        _capsule(at(0, 0, 1.44 + up), at(0.01, 0, 1.53 + up), (0.058 * scale,) * 2, SKIN),
    ]
    head, chin = at(0.03, 0, 1.63 + up), at(0.055, 0, 1.56 + up)
    crown = at(-0.01, 0, 1.665 + up)
    hair = _capsule(crown, at(-0.035, 0, 1.61 + up), (0.1 * scale, 0.085 * scale), HAIR)
    face = _capsule(head, chin, (0.088 * scale, 0.062 * scale), SKIN)
    return [*parts, hair, face]


def _rgb(values: Float64Array) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
