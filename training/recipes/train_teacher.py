"""Training of MM-Net, the teacher (the paper's first stage)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lut_fuse_core.errors import InputError

from ..checkpoint import read_tensors
from ..config import from_plain, to_plain
from ..data.augment import AugmentConfig
from ..data.batches import Batch
from ..data.pairs import DataConfig
from ..images import luma_of
from ..losses.quality_terms import QualityWeights, quality_terms
from ..losses.term import Terms
from ..losses.terms import FusionWeights, fusion_terms, stability_term
from ..networks.mm_net import MMNet, MMNetConfig, load_mm_net, save_mm_net
from ..run.loop import Outcome
from ..run.options import LogConfig, RunOptions, ScheduleConfig, check_rate
from ..run.session import open_session
from ..run.tensorboard import Board
from ..run.validate import Scores, Validator


@dataclass(frozen=True)
class TeacherLossConfig:
    """Weights of the teacher's loss: the Text-IF family, quality measures, stability.

    Attributes:
        intensity: See `FusionWeights`.
        gradient: See `FusionWeights`.
        structure: See `FusionWeights`.
        quality: What the metrics reward.
        stability: Of the fused image under noise.
        stability_limit: Change of the fused image under noise that is free, as a share of the
            larger change of its inputs.
    """

    intensity: float = 1.0
    gradient: float = 1.0
    structure: float = 1.0
    quality: QualityWeights = field(default_factory=QualityWeights)
    stability: float = 1.0
    stability_limit: float = 0.85

    @property
    def fusion(self) -> FusionWeights:
        """The Text-IF family's share of it."""
        return FusionWeights(self.intensity, self.gradient, self.structure)


@dataclass(frozen=True)
class TeacherConfig:
    """Everything that `lut-fuse-train teacher` can be told in YAML.

    Attributes:
        rate: Adam's learning rate.
        start_from: An mm_net.pt whose weights are the start.
        network: Structure of MM-Net.
        loss: Weights of the terms.
        data: Pairs and crops.
        augment: How probable each disturbance is.
        schedule: Of the learning rate.
        log: How often to report and save.
    """

    rate: float = 2e-3
    start_from: str | None = None
    network: MMNetConfig = field(default_factory=MMNetConfig)
    loss: TeacherLossConfig = field(default_factory=TeacherLossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    log: LogConfig = field(default_factory=LogConfig)

    def __post_init__(self) -> None:
        check_rate("rate", self.rate)


class TeacherJob:
    """MM-Net with its loss, as the loop wants it.

    Args:
        net: What is trained.
        config: Loss and rate.
        validator: Measures it.
        options: Device and precision.
    """

    def __init__(
        self, net: MMNet, config: TeacherConfig, validator: Validator, options: RunOptions
    ) -> None:
        self.module: MMNet = net
        self._config, self._validator = config, validator
        self._autocast = options.autocast()

    @property
    def structure(self) -> dict[str, Any]:
        """The network's configuration."""
        return to_plain(self.module.config)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All weights at one rate."""
        return [{"params": list(self.module.parameters()), "lr": self._config.rate}]

    def losses(self, batch: Batch, rng: np.random.Generator) -> Terms:
        """Text-IF's terms, the quality measures, and stability under noise."""
        loss = self._config.loss
        luma, infrared = luma_of(batch.visible), batch.infrared
        fused = self._fuse(batch.visible, infrared)
        return {
            **fusion_terms(fused, luma, infrared, loss.fusion),
            **quality_terms(fused, luma, infrared, loss.quality),
            **stability_term(
                self._fuse,
                fused,
                batch.visible,
                infrared,
                loss.stability,
                loss.stability_limit,
                rng,
            ),
        }

    def validate(self, board: Board, step: int) -> Scores:
        """Metrics of the teacher itself."""
        return self._validator(self._fuse, board, step)

    def _fuse(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        with self._autocast:
            return self.module(visible, infrared).float()


def train_teacher(config: TeacherConfig, folder: Path, options: RunOptions) -> Outcome:
    """Train MM-Net on a folder of pairs; ``mm_net.pt`` and ``report.json`` go to the output folder.

    Raises:
        InputError: For unusable data or options.
        LutFuseError: If training diverges.
    """
    net = _start(config, options.seed)
    config = replace(config, network=net.config)
    session = open_session(folder, config.data, config.augment, config, config.network, options)
    net.to(options.device)
    validator = Validator(session.pairs.validation, config.data.validation_pairs, options.device)
    job = TeacherJob(net, config, validator, options)

    def write(facts: dict[str, Any]) -> dict[str, Any]:
        save_mm_net(net, options.out / "mm_net.pt", facts)
        return {}

    return session.run(job, "mm-net", write)


def _start(config: TeacherConfig, seed: int) -> MMNet:
    torch.manual_seed(seed)
    if not config.start_from:
        return MMNet(config.network)
    net = load_mm_net(config.start_from).train()
    if config.network not in (MMNetConfig(), net.config):
        raise InputError(
            f"{config.start_from} is a network of its own structure; leave out 'network', or start "
            "again"
        )
    return net


def loss_behind(teacher: str | Path) -> TeacherLossConfig:
    """What a teacher learned from: as written in an mm_net.pt, the plain family for any other.

    Raises:
        InputError: If an mm_net.pt is from a version whose loss had other terms.
    """
    try:
        content = read_tensors(teacher)
    except InputError:
        return TeacherLossConfig()
    loss = content.get("provenance", {}).get("config", {}).get("loss", {})
    return from_plain(TeacherLossConfig, loss)
