"""Who walks and drives where in the synthetic street, as a function of time alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lut_fuse_core.arrays import Float64Array
from lut_fuse_core.synthetic import cars, people
from lut_fuse_core.synthetic.actors import Patch, Shape, draw
from lut_fuse_core.synthetic.camera_view import View

CAR, PERSON = 1, 2
"""Their numbers in label maps, as MFNet has them."""

COMING_LANE, GOING_LANE, PARKING_LANE = -1.75, 1.75, -4.4
ROAD_START, ROAD_END = -5.0, 95.0


@dataclass(frozen=True)
class _Walk:
    """A person's way: from one point ``(x, z)`` to another, then again from the start."""

    person: people.Person
    start: tuple[float, float]
    end: tuple[float, float]
    speed: float
    ahead: float

    def at(self, time: float) -> tuple[float, float, float, float]:
        """x, z, heading and meters walked."""
        across, along = self.end[0] - self.start[0], self.end[1] - self.start[1]
        length = float(np.hypot(across, along))
        walked = (self.ahead + self.speed * time) % length
        share = walked / length
        heading = float(np.arctan2(across, along))
        return self.start[0] + share * across, self.start[1] + share * along, heading, walked


@dataclass(frozen=True)
class _Drive:
    """A car's way along its lane, again and again."""

    car: cars.Car
    toward: bool
    speed: float
    ahead: float

    def at(self, time: float) -> tuple[float, float]:
        """x of the middle and z of the nearest end."""
        driven = (self.ahead + self.speed * time) % (ROAD_END - ROAD_START)
        if self.toward:
            return COMING_LANE, ROAD_END - driven
        return GOING_LANE, ROAD_START + driven


class Traffic:
    """All that moves, and the cars that are parked.

    Args:
        seed: Of the random numbers.
        walkers: How many people walk.
        drivers: How many cars drive.
        day: Whether it is day, when cars drive without lights.
    """

    def __init__(self, seed: int, walkers: int, drivers: int, day: bool) -> None:
        self._seed, self._day = seed, day
        rng = np.random.default_rng((seed, 4))
        self._walks = [_walk(rng, number, day) for number in range(walkers)]
        self._drives = [_drive(rng, number, drivers) for number in range(drivers)]

    def patches(self, time: float, view: View) -> Iterator[Patch]:
        """The people and cars in sight."""
        for walk in self._walks:
            x, z, heading, walked = walk.at(time)
            if z > 1.0:
                for patch in _drawn(people.pose(walk.person, x, z, heading, walked), view, z):
                    yield replace(patch, label=PERSON)
        for drive in self._drives:
            x, z = drive.at(time)
            if z + cars.LENGTH > 2.0:
                shapes = cars.place(drive.car, x, z, drive.toward, self._day, view.x)
                for patch in _drawn(shapes, view, max(z, 1.0)):
                    yield replace(patch, headlit=not drive.toward, label=CAR)

    def parked(self, count: int, view: View) -> list[Patch]:
        """Cars at the curb, far ones first, cold."""
        rng = np.random.default_rng((self._seed, 5))
        found: list[Patch] = []
        for number in reversed(range(count)):
            car = cars.Car(cars.paint(rng), running=False, lights=False)
            z = 17.5 + 6.3 * number + float(rng.uniform(0, 0.8))
            shapes = cars.place(car, PARKING_LANE, z, False, self._day, view.x)
            found += (replace(patch, label=CAR) for patch in _drawn(shapes, view, z))
        return found

    def headlights(self, time: float) -> Float64Array:
        """Places of all headlights that point toward the camera, ``(N, 3)`` meters."""
        coming = (drive.at(time) for drive in self._drives if drive.toward)
        lamps = [cars.headlights(x, z) for x, z in coming if z > 0.8]
        return np.concatenate([np.zeros((0, 3)), *lamps])


def _drawn(shapes: list[Shape], view: View, depth: float) -> list[Patch]:
    patch = draw(shapes, view, depth)
    return [] if patch is None else [patch]


def _walk(rng: np.random.Generator, number: int, day: bool) -> _Walk:
    person = people.dress(rng, day)
    speed = float(rng.uniform(1.1, 1.6))
    ways = [
        ((-13.0, 14.2), (11.0, 13.6)),
        ((5.0, 60.0), (5.6, 0.5)),
        ((-6.9, 9.0), (-6.5, 70.0)),
        ((14.0, 10.4), (-16.0, 9.2)),
        ((4.6, 5.0), (5.1, 70.0)),
        ((-6.2, 65.0), (-6.8, 4.0)),
    ]
    start, end = ways[number % len(ways)]
    aside = float(rng.uniform(-0.35, 0.35))
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    ahead = length * float((0.42, 0.8, 0.1, 0.5, 0.18, 0.62)[number % 6] + rng.uniform(-0.05, 0.05))
    return _Walk(
        person, (start[0] + aside, start[1] + aside), (end[0] + aside, end[1]), speed, ahead
    )


def _drive(rng: np.random.Generator, number: int, count: int) -> _Drive:
    # Cars of one lane keep one speed: nobody drives through anybody.
    toward = number % 2 == 0
    gap = (ROAD_END - ROAD_START) / max(1, (count + 1) // 2)
    ahead = gap * (number // 2) + float(rng.uniform(0.35, 0.6)) * gap
    return _Drive(cars.Car(cars.paint(rng)), toward, 9.0 if toward else 8.0, ahead)
