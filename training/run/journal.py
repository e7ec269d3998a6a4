"""What a run tells while it runs: progress bar, log file and TensorBoard."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lut_fuse_core.atomic import atomic_write

from ..losses.term import Terms
from .options import Budget, RunOptions
from .tensorboard import Board
from .validate import Scores

LOG = "log.jsonl"


class Journal:
    """Writes to the output folder and the terminal; silent in all processes but the first.

    Args:
        options: Output folder, and whether to be quiet.
        every: Steps between two lines.
        chief: Whether this is the first process.
    """

    def __init__(self, options: RunOptions, every: int, chief: bool) -> None:
        self.board = Board(options.out, chief, options.quiet)
        self._path = options.out / LOG if chief else None
        self._every = every
        self._recent: dict[str, list[float]] = defaultdict(list)
        self._budget = options.budget
        self._bar = _bar(options.budget, shown=chief and not options.quiet)

    def step(self, step: int, progress: float, seconds: float, terms: Terms) -> None:
        """A step was taken: its terms, the share of the budget used, seconds since the start."""
        for name, term in terms.items():
            self._recent[name].append(float(term.value.mean().item()))
        means = {name: float(np.mean(values)) for name, values in self._recent.items()}
        self._advance(step, progress, means)
        if step % self._every == 0:
            self._write({"step": step, "seconds": round(seconds, 1), **means})
            self.board.scalars(step, {f"loss/{name}": value for name, value in means.items()})
            self._recent.clear()

    def validated(self, step: int, scores: Scores) -> None:
        """Metrics of the validation pairs."""
        self._write({"step": step, "validation": scores})
        if not self._bar.disable:
            text = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
            self._bar.write(f"step {step}, validation: {text}")

    def close(self) -> None:
        """Finish bar and board."""
        self._bar.close()
        self.board.close()

    def _advance(self, step: int, progress: float, means: dict[str, float]) -> None:
        if self._bar.disable:
            return
        at = step if self._budget.steps is not None else round(progress * self._bar.total)
        terms = (f"{name}={value:.3g}" for name, value in means.items())
        self._bar.set_postfix_str(" ".join([f"step={step}", *terms]), refresh=False)
        self._bar.update(at - self._bar.n)

    def _write(self, line: dict[str, object]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def forget_after(out: Path, step: int) -> None:
    """Drop log lines of steps that a resumed run takes again."""
    path = out / LOG
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    with atomic_write(path) as temporary:
        temporary.write_text("".join(line for line in lines if _step_of(line) <= step), "utf-8")


def _step_of(line: str) -> float:
    """The step of a log line; infinite if it was truncated by a kill."""
    try:
        return float(json.loads(line)["step"])
    except ValueError:
        return math.inf


def _bar(budget: Budget, shown: bool) -> tqdm:  # type: ignore[type-arg]
    in_steps = budget.steps is not None
    return tqdm(
        total=budget.steps if in_steps else round(60 * (budget.minutes or 0)),
        unit="step" if in_steps else "s",
        disable=not shown,
        dynamic_ncols=True,
        mininterval=0.5,
    )
