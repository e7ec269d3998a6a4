"""A pair of images to calibrate from, and when it was taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lut_fuse_core.arrays import AnyInfrared, UInt8Array

Due = Callable[[float], bool]
"""Asked with the time of a recorded pair, seconds, whether it is wanted; others are not decoded."""


@dataclass(frozen=True, eq=False)
class TimedPair:
    """A pair of images to calibrate from.

    Attributes:
        visible: ``(H, W, 3) uint8`` RGB or ``(H, W) uint8``.
        infrared: ``(h, w)``, raw counts or temperatures of any kind of number; NaN is not seen.
        time: Seconds since the start of a recording; None for pictures.
    """

    visible: UInt8Array
    infrared: AnyInfrared
    time: float | None = None


Pairs = Callable[[Due], Iterable["TimedPair | None"]]
"""Pictures, or a recording in order; None stands for a pair that is not wanted or not usable."""
