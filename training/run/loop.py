"""The training loop: one for all that is trained here, readable from top to bottom.

What a step sees depends on the seed and the step's number alone (see `BatchSource`), so weights,
optimizer and step number are the whole state: a run that was killed and resumed ends with the very
same numbers as one that was not, if its budget is in steps and it runs on the CPU (a GPU adds in an
order that changes). With a budget in minutes the learning rate follows the clock, and the result
depends on the machine's speed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from lut_fuse_core.errors import InputError, LutFuseError

from ..checkpoint import CHECKPOINT, read_checkpoint, write_tensors
from ..data.batches import LOSS_STREAM
from ..losses.term import Terms, total
from . import distributed
from .interruption import interruptible
from .journal import Journal, forget_after
from .options import LogConfig, RunOptions, ScheduleConfig
from .tensorboard import Board
from .validate import Scores


class Job(Protocol):
    """Something to train: its weights, its loss on a batch, and how well it fuses."""

    @property
    def module(self) -> nn.Module:
        """All weights."""
        ...

    @property
    def structure(self) -> dict[str, Any]:
        """What weights fit: the configuration of the network, plain values."""
        ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What Adam takes: groups of parameters with a learning rate each."""
        ...

    def losses(self, batch: Any, rng: np.random.Generator) -> Terms:
        """The weighted terms on a batch of its own kind, random numbers from ``rng``."""
        ...

    def validate(self, board: Board, step: int) -> Scores:
        """Metrics on the validation pairs, with pictures for the board."""
        ...


class Batches(Protocol):
    """Where a job's batches come from."""

    def __call__(self, step: int) -> Any:
        """The batch of this step; its ``to`` brings it onto a device."""
        ...

    def generator(self, step: int, stream: int) -> np.random.Generator:
        """The random numbers of this step, for one purpose."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        steps: Taken, over all resumptions.
        seconds: Used, over all resumptions.
        scores: Of the validation.
    """

    steps: int
    seconds: float
    scores: Scores


def train(
    job: Job,
    batches: Batches,
    schedule: ScheduleConfig,
    log: LogConfig,
    options: RunOptions,
    rank: int = 0,
    world: int = 1,
) -> Outcome:
    """Train a job within its budget; checkpoints, log and TensorBoard go to ``options.out``.

    A checkpoint found there is resumed, at the rates of this job.

    Raises:
        InputError: If it does not fit the job.
        LutFuseError: If loss or weights are no longer finite.
        KeyboardInterrupt: When interrupted (SIGINT or SIGTERM), after saving.
    """
    device, chief = torch.device(options.device), rank == 0
    optimizer = torch.optim.Adam(job.parameter_groups())
    rates = [group["lr"] for group in optimizer.param_groups]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "float16")
    state = _State(job.module, job.structure, optimizer, scaler)

    step, used = _begin(state, options, chief)
    if world > 1:
        distributed.same_everywhere(job.module)
    journal = Journal(options, log.every, chief)
    started = saved = time.monotonic()
    with interruptible() as interrupted:
        while True:
            seconds = used + time.monotonic() - started
            progress, stopping = options.budget.progress(step, seconds), interrupted.is_set()
            if world > 1:
                progress, stopping = distributed.agree(progress, stopping, device)
            if chief and (stopping or time.monotonic() - saved > log.checkpoint_seconds):
                state.save(options.out, step, seconds)
                saved = time.monotonic()
            if stopping:
                journal.close()
                raise KeyboardInterrupt
            if progress >= 1:
                break
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * learning_rate(step, progress, schedule)

            batch = batches(step).to(device)
            terms = job.losses(batch, batches.generator(step, LOSS_STREAM))
            loss = total(terms)
            if not math.isfinite(loss.item()):
                raise _diverged("loss is", step)
            optimizer.zero_grad()
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            if world > 1:
                distributed.average_gradients(parameters)
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(parameters, schedule.clip)
            scaler.step(optimizer)
            scaler.update()
            step += 1

            seconds = used + time.monotonic() - started
            journal.step(step, progress, seconds, terms)
            if chief and log.validate_every and step % log.validate_every == 0:
                journal.validated(step, job.validate(journal.board, step))
    scores: Scores = {}
    if chief:
        state.save(options.out, step, seconds)
        scores = job.validate(journal.board, step)
        journal.validated(step, scores)
    journal.close()
    return Outcome(step, seconds, scores)


def learning_rate(step: int, progress: float, schedule: ScheduleConfig) -> float:
    """Share of the full learning rate at this point of the run."""
    rise = min(1.0, (step + 1) / max(1, schedule.warmup))
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return rise * (schedule.final + (1 - schedule.final) * cosine)


@dataclass(frozen=True)
class _State:
    """Everything that changes during a run, but step and time."""

    module: nn.Module
    structure: dict[str, Any]
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler

    def save(self, out: Path, step: int, seconds: float) -> None:
        if not all(bool(torch.isfinite(tensor).all()) for tensor in self.module.parameters()):
            raise _diverged("weights are", step)
        content = {
            "module": self.module.state_dict(),
            "structure": self.structure,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": step,
            "seconds": seconds,
        }
        write_tensors(content, out / CHECKPOINT)

    def restore(self, out: Path) -> tuple[int, float]:
        content = read_checkpoint(out, self.structure)
        try:
            self.module.load_state_dict(content["module"])
            self.optimizer.load_state_dict(content["optimizer"])
        except (RuntimeError, ValueError):
            raise InputError(
                f"{out / CHECKPOINT} belongs to another run; resume with the same configuration"
            ) from None
        if content["scaler"]:  # empty unless the run so far was in float16
            self.scaler.load_state_dict(content["scaler"])
        return int(content["step"]), float(content["seconds"])


def _diverged(what: str, step: int) -> LutFuseError:
    return LutFuseError(
        f"the {what} no longer finite at step {step}; resume from the last checkpoint, or begin "
        "again, with lower learning rates"
    )


def _begin(state: _State, options: RunOptions, chief: bool) -> tuple[int, float]:
    """Steps taken and seconds used before: none, or those of the checkpoint to resume."""
    # A run that was killed before its first checkpoint starts again.
    exists = (options.out / CHECKPOINT).exists()
    step, seconds = state.restore(options.out) if exists else (0, 0.0)
    if chief:
        forget_after(options.out, step)
    return step, seconds
