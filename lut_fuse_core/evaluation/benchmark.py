"""How long a frame takes: backends timed warm and in turns, so that they share all disturbances."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends.base import Backend, StagedBackend
from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.synthetic import SceneConfig, StreetScene

WARM_UP_CALLS = 3
TURN_SECONDS = 0.03
"""How long a backend keeps its turn, so that a fast one runs with warm caches as in real use."""
LEAST_TURNS = 7
SETTLE_SECONDS = 0.2
"""Pause before each turn: OpenMP's threads (PyTorch's, for one) keep spinning on their cores for a
while after their last work, which is no part of the next one's time."""


@dataclass(frozen=True)
class Subject:
    """A backend to time.

    Attributes:
        backend: What is timed.
        threads: How many it was created with.
    """

    backend: Backend
    threads: int

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name


@dataclass(frozen=True)
class Timing:
    """Median times of one subject at one size, in milliseconds.

    Attributes:
        backend: Its name.
        threads: How many it was created with.
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        total: Of the whole `fuse` call.
        best: The fastest call.
        calls: How many were timed.
        stages: As `StagedBackend` names them.
        ratio: How many times faster than the baseline, if there is one.
    """

    backend: str
    threads: int
    width: int
    height: int
    total: float
    best: float
    calls: int
    stages: dict[str, float] = field(default_factory=dict)
    ratio: float | None = None


def street_pair(width: int, height: int) -> tuple[UInt8Array, UInt8Array]:
    """A synthetic street at night: ``(H, W, 3) uint8``, RGB, and ``(H, W) uint8``.

    Raises:
        InputError: For sizes that the scene cannot have.
    """
    frame = StreetScene(SceneConfig(width=width, height=height)).frame(0)
    return frame.visible, InfraredNormalizer(NormalizationConfig())(frame.infrared)


def measure(
    subjects: Sequence[Subject],
    visible: UInt8Array,
    infrared: UInt8Array,
    *,
    seconds: float,
    baseline: int | None = None,
) -> list[Timing]:
    """Time every subject on one pair, in turns.

    Args:
        subjects: What to time.
        visible: ``(H, W, 3) uint8``, RGB.
        infrared: ``(H, W) uint8``.
        seconds: How long to go on for all together; the slowest gets at least a few turns.
        baseline: Index of the subject that ratios refer to; None for no ratios.

    Returns:
        The times of each subject, in the order of ``subjects``.
    """
    records = [_Record(subject) for subject in subjects]
    for record in records:
        for _ in range(WARM_UP_CALLS):
            record.subject.backend.fuse(visible, infrared)
    end = time.perf_counter() + seconds
    turns = 0
    while turns < LEAST_TURNS or time.perf_counter() < end:
        for record in records:
            record.take_turn(visible, infrared)
        turns += 1
    base = statistics.median(records[baseline].totals) if baseline is not None else None
    return [record.timing(visible.shape[1], visible.shape[0], base) for record in records]


def processor_name() -> str:
    """What the machine calls its processor, or its architecture."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


class _Record:
    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.totals: list[float] = []
        self.stages: dict[str, list[float]] = {}

    def take_turn(self, visible: UInt8Array, infrared: UInt8Array) -> None:
        backend = self.subject.backend
        time.sleep(SETTLE_SECONDS)
        backend.fuse(visible, infrared)
        end = time.perf_counter() + TURN_SECONDS
        while True:
            start = time.perf_counter()
            backend.fuse(visible, infrared)
            now = time.perf_counter()
            self.totals.append((now - start) * 1e3)
            if isinstance(backend, StagedBackend):
                for stage, milliseconds in backend.stage_times().items():
                    self.stages.setdefault(stage, []).append(milliseconds)
            if now >= end:
                return

    def timing(self, width: int, height: int, base: float | None) -> Timing:
        total = statistics.median(self.totals)
        return Timing(
            backend=self.subject.name,
            threads=self.subject.threads,
            width=width,
            height=height,
            total=total,
            best=min(self.totals),
            calls=len(self.totals),
            stages={name: statistics.median(times) for name, times in self.stages.items()},
            ratio=None if base is None else base / total,
        )
