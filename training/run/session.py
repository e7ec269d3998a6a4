"""What every training command begins and ends alike: pairs, batches, output folder, provenance."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from tqdm import tqdm

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError
from lut_fuse_core.synthetic import SceneConfig, StreetScene

from ..checkpoint import CHECKPOINT, read_checkpoint
from ..config import to_plain
from ..data.augment import AugmentConfig
from ..data.batches import BatchSource, Scene
from ..data.pairs import DataConfig, Pair, PairSets, read_pairs, to_gray
from . import distributed
from .loop import Job, Outcome, train
from .options import RunOptions
from .report import write_report

BAD_PAIRS_SHOWN = 10


@dataclass(frozen=True)
class Session:
    """A run that is ready to start.

    Attributes:
        pairs: Training and validation.
        batches: Of the training pairs.
        rank: Number of this process.
        world: How many processes there are.
        folder: Of the pairs.
        config: Of the command, with its schedule and log.
        options: Budget, output folder, seed, device.
    """

    pairs: PairSets
    batches: BatchSource
    rank: int
    world: int
    folder: Path
    config: Any
    options: RunOptions

    def run(
        self, job: Job, name: str, write: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Outcome:
        """Train; then one process writes the model and the report, and all of them part.

        Args:
            job: What is trained.
            name: Of the model.
            write: Writes the model with its provenance, which it may change; returns what the
                report has beside that.

        Raises:
            InputError: If the checkpoint in the output folder does not fit the job.
            LutFuseError: If training diverges.
        """
        config, options = self.config, self.options
        outcome = train(
            job, self.batches, config.schedule, config.log, options, self.rank, self.world
        )
        if self.rank == 0:
            facts = self._provenance(name, outcome)
            more = write(facts)
            write_report(options.out, {**facts, **more})
        distributed.stop()
        return outcome

    def _provenance(self, name: str, outcome: Outcome) -> dict[str, Any]:
        """Where a model comes from: data (by folder name), configuration, seed, budget, scores."""
        return {
            "name": name,
            "data": self.folder.resolve().name,
            "pairs": len(self.pairs.training),
            "validation_pairs": len(self.pairs.validation),
            "seed": self.options.seed,
            "budget": to_plain(self.options.budget),
            "torch": torch.__version__.split("+")[0],
            "config": to_plain(self.config),
            "steps": outcome.steps,
            "seconds": round(outcome.seconds),
            "validation": outcome.scores,
        }


def open_session(
    folder: Path,
    data: DataConfig,
    augmentation: AugmentConfig,
    config: Any,
    network: Any,
    options: RunOptions,
    teacher_output: Path | None = None,
) -> Session:
    """Read the pairs, report the bad ones, make the output folder and note the configuration there.

    Args:
        folder: Of the pairs.
        data: Pairs and crops.
        augmentation: Of the pairs.
        config: Noted in the output folder.
        network: The part of the configuration that a run to be resumed must share.
        options: Output folder, seed, device.
        teacher_output: Folder of images made by a teacher; None for none.

    Raises:
        InputError: If there is nothing to train on, or the output folder cannot be made or holds a
            run that is not to be resumed, or of another network.
    """
    if (options.out / CHECKPOINT).exists():
        if not options.resume:
            raise InputError(
                f"{options.out} holds a run already; add --resume, or choose another --out"
            )
        read_checkpoint(options.out, to_plain(network))
    torch.manual_seed(options.seed)
    rank, world = distributed.start(torch.device(options.device))
    quiet = options.quiet or rank > 0
    pairs = read_pairs(folder, data, teacher_output, quiet)
    if rank == 0:
        report_pairs(pairs, quiet)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {options.out} ({error.strerror})") from None
    if rank == 0:
        with atomic_write(options.out / "config.yaml") as temporary:
            temporary.write_text(yaml.safe_dump(to_plain(config), sort_keys=False), "utf-8")
    scene = synthetic_nights(data, options.seed, quiet) if data.synthetic_share else None
    batches = BatchSource(pairs.training, data, augmentation, options.seed, scene, rank, world)
    return Session(pairs, batches, rank, world, folder, config, options)


def report_pairs(pairs: PairSets, quiet: bool) -> None:
    """Say on stderr what is trained on (unless quiet), and which pairs are left out and why."""
    if not quiet:
        print(
            f"{len(pairs.training)} pairs to train on, {len(pairs.validation)} to validate",
            file=sys.stderr,
        )
    for bad in pairs.bad[:BAD_PAIRS_SHOWN]:
        print(f"left out {bad.name}: {bad.reason}", file=sys.stderr)
    if len(pairs.bad) > BAD_PAIRS_SHOWN:
        print(f"... and {len(pairs.bad) - BAD_PAIRS_SHOWN} more left out", file=sys.stderr)


def synthetic_nights(data: DataConfig, seed: int, quiet: bool) -> Scene:
    """A stock of synthetic night streets to draw from."""
    width, height = max(320, data.crop), max(240, data.crop)
    count = data.synthetic_scenes
    stock = []
    for index in tqdm(range(count), "drawing night scenes", disable=quiet, leave=False):
        scene = StreetScene(SceneConfig(width=width, height=height, seed=seed + index))
        frame = scene.frame(30 * index)
        exponent = 1 - data.synthetic_warmth * np.random.default_rng((seed, index)).random()
        warm = np.rint(255 * (to_gray(frame.infrared) / 255) ** exponent).astype(np.uint8)
        stock.append(Pair(f"synthetic-{index}", frame.visible, warm))
    if not quiet:
        print(f"{count} synthetic night scenes beside them", file=sys.stderr)

    def draw(rng: np.random.Generator) -> Pair:
        return stock[int(rng.integers(len(stock)))]

    return draw
