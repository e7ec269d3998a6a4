"""How a run takes place: budget, device, learning rate, when what is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from lut_fuse_core.errors import InputError

from . import distributed


@dataclass(frozen=True)
class ScheduleConfig:
    """Learning rate over the run: a short rise, then half a cosine.

    Attributes:
        warmup: Steps until the full rate.
        final: The rate at the end, as a share of the full one.
        clip: Largest norm of the gradient; larger ones are scaled down.
    """

    warmup: int = 50
    final: float = 0.01
    clip: float = 5.0

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise InputError(f"schedule.warmup is {self.warmup}; it must be 0 steps or more")
        if not 0 <= self.final <= 1:
            raise InputError(f"schedule.final is {self.final}; it is a share, 0 to 1")
        if not self.clip > 0:
            raise InputError(f"schedule.clip is {self.clip}; it must be above 0")


def check_rate(name: str, rate: float) -> None:
    """Raise InputError unless this can be a learning rate, 0 or more."""
    if not 0 <= rate < math.inf:
        raise InputError(f"{name} is {rate}; it must be finite, 0 or more")


@dataclass(frozen=True)
class LogConfig:
    """When what is written.

    Attributes:
        every: Steps between log lines.
        validate_every: Steps between validations (0: only at the end).
        checkpoint_seconds: At most this much work is lost by a kill.
    """

    every: int = 50
    validate_every: int = 1000
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.every < 1 or self.validate_every < 0:
            raise InputError("log.every must be 1 or more, log.validate_every 0 or more")


@dataclass(frozen=True)
class Budget:
    """How long to train: one of the two.

    Attributes:
        steps: Of the optimizer.
        minutes: Over all resumptions.
    """

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise InputError("give the budget either as --steps or as --minutes")
        if not 0 < (self.steps or self.minutes or 0) < math.inf:
            raise InputError("the budget must be positive and finite")

    def progress(self, step: int, seconds: float) -> float:
        """Share of the budget that is used up, 1 at the end."""
        if self.steps is not None:
            return step / self.steps
        assert self.minutes is not None
        return seconds / (60 * self.minutes)


@dataclass(frozen=True)
class RunOptions:
    """Where and how a run takes place; nothing here but seed and budget changes its result.

    Attributes:
        out: Output folder.
        budget: How long to train.
        seed: Of all random numbers.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: Of the networks' convolutions on a GPU; losses are always single precision or
            better.
        resume: Whether to go on from the last checkpoint.
        quiet: Whether to leave out progress and hints.
    """

    out: Path
    budget: Budget
    seed: int = 0
    device: str = "cpu"
    precision: str = "float32"
    resume: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"the seed is {self.seed}; it must be 0 or more")

    def autocast(self) -> torch.autocast:
        """Where networks run, in the chosen precision.

        Raises:
            InputError: If the device lacks it.
        """
        kind, precision = torch.device(self.device).type, getattr(torch, self.precision)
        try:
            return torch.autocast(kind, precision, self.precision != "float32")
        except RuntimeError as error:
            raise InputError(f"no {self.precision} on {self.device} ({error})") from None


def device_from(name: str) -> str:
    """A device name that exists here: ``auto`` takes CUDA if there is one. Of several processes on
    one machine each gets a card of its own.

    Raises:
        InputError: For a device that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        name = distributed.own_card(name)
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"no device '{name}' here ({str(error).splitlines()[0]})") from None
    return name
