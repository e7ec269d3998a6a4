"""The training loop: one for all that is trained here, readable from top to bottom.

What a step sees depends on the seed and the step's number alone (see `BatchSource`), so weights,
optimiser and step number are the whole state: a run that was killed and resumed ends with the very
same numbers as one that was not, if its budget is in steps. With a budget in minutes the learning
rate follows the clock, and the result depends on the machine's speed.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError, LutFuseError
from training import distributed
from training.batches import LOSS_STREAM, Batch, BatchSource
from training.board import Board
from training.checkpoint import read_tensors, write_tensors
from training.losses import Terms, total
from training.validate import Scores

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class ScheduleConfig:
    """Learning rate over the run: a short rise, then half a cosine.

    warmup: steps until the full rate. final: the rate at the end, as a share of the full one.
    clip: largest norm of the gradient; larger ones are scaled down.
    """

    warmup: int = 50
    final: float = 0.01
    clip: float = 5.0


@dataclass(frozen=True)
class LogConfig:
    """When what is written.

    every: steps between log lines. validate_every: steps between validations (0: only at the end).
    checkpoint_seconds: at most this much work is lost by a kill.
    """

    every: int = 50
    validate_every: int = 1000
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class Budget:
    """How long to train: steps or minutes, one of the two."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise InputError("give the budget either as --steps or as --minutes")
        if not (self.steps or self.minutes or 0) > 0:
            raise InputError("the budget must be positive")

    def progress(self, step: int, seconds: float) -> float:
        """Share of the budget that is used up, 1 at the end."""
        if self.steps is not None:
            return step / self.steps
        assert self.minutes is not None
        return seconds / (60 * self.minutes)


@dataclass(frozen=True)
class RunOptions:
    """Where and how a run takes place; nothing here but seed and budget changes its result.

    precision: of the networks' convolutions on a GPU; losses are always single precision or better.
    """

    out: Path
    budget: Budget
    seed: int = 0
    device: str = "cpu"
    precision: str = "float32"
    resume: bool = False
    quiet: bool = False


class Job(Protocol):
    """Something to train: its weights, its loss on a batch, and how to fuse with it."""

    @property
    def module(self) -> nn.Module:
        """All weights."""
        ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What Adam takes: groups of parameters with a learning rate each."""
        ...

    def losses(self, batch: Batch, rng: np.random.Generator) -> Terms:
        """The weighted terms on a batch, random numbers from ``rng``."""
        ...

    def validate(self, board: Board, step: int) -> Scores:
        """Metrics on the validation pairs, with pictures for the board."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How a run ended: steps taken, seconds used (over all resumptions), validation scores."""

    steps: int
    seconds: float
    scores: Scores


def train(
    job: Job,
    batches: BatchSource,
    schedule: ScheduleConfig,
    log: LogConfig,
    options: RunOptions,
    rank: int = 0,
    world: int = 1,
) -> Outcome:
    """Train a job within its budget; checkpoints, log and TensorBoard go to ``options.out``.

    Raises InputError if there is a checkpoint but no ``resume``, LutFuseError if the loss is no
    longer finite, KeyboardInterrupt after saving when interrupted (SIGINT or SIGTERM).
    """
    device = torch.device(options.device)
    optimiser = torch.optim.Adam(job.parameter_groups())
    scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "float16")
    for group in optimiser.param_groups:
        group["initial_lr"] = group["lr"]
    parameters = [p for group in optimiser.param_groups for p in group["params"]]

    step, used = 0, 0.0
    if options.resume:
        step, used = _restore(options.out, job.module, optimiser, scaler)
        if rank == 0:
            _forget_after(options.out, step)
    elif rank == 0 and (options.out / CHECKPOINT).exists():
        raise InputError(
            f"{options.out} holds a run already; add --resume, or choose another --out"
        )
    if world > 1:
        distributed.same_everywhere(job.module)

    chief = rank == 0
    board = Board(options.out, chief, options.quiet)
    progress_bar = _ProgressBar(options.budget, chief and not options.quiet)
    started = saved = time.monotonic()
    recent: dict[str, list[float]] = defaultdict(list)
    with _interruptible() as interrupted:
        while True:
            seconds = used + time.monotonic() - started
            progress = options.budget.progress(step, seconds)
            if world > 1:
                progress = distributed.agree(progress, device)
            if progress >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * learning_rate(step, progress, schedule)

            batch = batches(step).to(device)
            terms = job.losses(batch, batches.generator(step, LOSS_STREAM))
            loss = total(terms)
            if not math.isfinite(loss.item()):
                raise LutFuseError(
                    f"the loss is no longer finite at step {step}; resume from the last checkpoint "
                    "with lower learning rates"
                )
            optimiser.zero_grad()
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            scaler.unscale_(optimiser)
            if world > 1:
                distributed.average_gradients(parameters)
            torch.nn.utils.clip_grad_norm_(parameters, schedule.clip)
            scaler.step(optimiser)
            scaler.update()
            step += 1

            for name, term in terms.items():
                recent[name].append(float(term.value.item()))
            progress_bar.update(step, progress, recent)
            if chief and step % log.every == 0:
                means = {name: float(np.mean(v)) for name, v in recent.items()}
                _log(options.out, {"step": step, "seconds": round(seconds, 1), **means})
                board.scalars(step, {f"loss/{name}": value for name, value in means.items()})
                recent.clear()
            if chief and log.validate_every and step % log.validate_every == 0:
                scores = job.validate(board, step)
                _log(options.out, {"step": step, "validation": scores})
                progress_bar.tell(step, scores)
            due = time.monotonic() - saved > log.checkpoint_seconds
            if chief and (due or interrupted.is_set()):
                _save(options.out, job.module, optimiser, scaler, step, _since(used, started))
                saved = time.monotonic()
            if interrupted.is_set():
                progress_bar.close()
                raise KeyboardInterrupt
    seconds = _since(used, started)
    progress_bar.close()
    scores = {}
    if chief:
        _save(options.out, job.module, optimiser, scaler, step, seconds)
        scores = job.validate(board, step)
        _log(options.out, {"step": step, "validation": scores})
    board.close()
    return Outcome(step, seconds, scores)


def learning_rate(step: int, progress: float, schedule: ScheduleConfig) -> float:
    """Share of the full learning rate at this point of the run."""
    rise = min(1.0, (step + 1) / max(1, schedule.warmup))
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return rise * (schedule.final + (1 - schedule.final) * cosine)


def _since(used: float, started: float) -> float:
    return used + time.monotonic() - started


def _save(
    out: Path,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    step: int,
    seconds: float,
) -> None:
    content = {
        "module": module.state_dict(),
        "optimiser": optimiser.state_dict(),
        "scaler": scaler.state_dict(),
        "step": step,
        "seconds": seconds,
    }
    write_tensors(content, out / CHECKPOINT)


def _restore(
    out: Path,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> tuple[int, float]:
    content = read_tensors(out / CHECKPOINT)
    try:
        module.load_state_dict(content["module"])
        optimiser.load_state_dict(content["optimiser"])
        scaler.load_state_dict(content["scaler"])
        step, seconds = int(content["step"]), float(content["seconds"])
    except (KeyError, RuntimeError, ValueError):
        raise InputError(
            f"{out / CHECKPOINT} belongs to another structure; resume with the same configuration"
        ) from None
    return step, seconds


def _log(out: Path, line: dict[str, Any]) -> None:
    with (out / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _forget_after(out: Path, step: int) -> None:
    """Drop log lines of steps that the resumed run takes again."""
    path = out / "log.jsonl"
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    with atomic_write(path) as temporary:
        temporary.write_text("".join(x for x in lines if json.loads(x)["step"] <= step), "utf-8")


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C or a polite kill sets, so that the step at hand can end in order."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _ProgressBar:
    def __init__(self, budget: Budget, shown: bool) -> None:
        self._budget = budget
        in_steps = budget.steps is not None
        self._bar = tqdm(
            total=budget.steps if in_steps else round(60 * (budget.minutes or 0)),
            unit="step" if in_steps else "s",
            disable=not shown,
            dynamic_ncols=True,
            mininterval=0.5,
        )

    def update(self, step: int, progress: float, recent: dict[str, list[float]]) -> None:
        if self._bar.disable:
            return
        at = step if self._budget.steps is not None else round(progress * self._bar.total)
        self._bar.set_postfix_str(
            " ".join([f"step={step}", *(f"{n}={np.mean(v[-50:]):.3g}" for n, v in recent.items())]),
            refresh=False,
        )
        self._bar.update(at - self._bar.n)

    def tell(self, step: int, scores: Scores) -> None:
        if not self._bar.disable:
            text = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
            self._bar.write(f"step {step}, validation: {text}")

    def close(self) -> None:
        self._bar.close()


def device_from(name: str) -> str:
    """A device name that exists here: ``auto`` takes CUDA if there is one. Raises InputError."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"no device '{name}' here ({str(error).splitlines()[0]})") from None
    return name
