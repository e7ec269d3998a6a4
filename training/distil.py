"""Distillation of a teacher into an MM-LUT: lattice and context encoder learn together (EMDS)."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lut_fuse_core import load_model
from lut_fuse_core.errors import InputError
from lut_fuse_core.input_ranges import chosen_pairs
from training import distributed
from training.augment import AugmentConfig
from training.batches import Batch
from training.board import Board
from training.checkpoint import CHECKPOINT, read_tensors
from training.config import read_config, to_plain
from training.export import ExportReport, export_model
from training.loop import Outcome, train
from training.losses import (
    FusionWeights,
    QualityTargets,
    QualityWeights,
    Start,
    Term,
    Terms,
    brightness_term,
    distillation_terms,
    fusion_terms,
    lattice_terms,
    quality_terms,
    stability_term,
)
from training.mm_lut import MMLut, MMLutConfig, luma_of
from training.options import LogConfig, RunOptions, ScheduleConfig
from training.pairs import DataConfig, PairSource
from training.session import open_session, provenance
from training.teachers import Teacher, TeacherSource, open_teacher
from training.validate import Scores, Validator


@dataclass(frozen=True)
class DistilLossConfig:
    """Weights of the student's loss.

    intensity, structure: to the teacher (EMDS). brightness: to the brighter camera, so that a
        bright sky or lamp is not greyed by a cold one. smoothness, monotonicity: of the lattice.
    fusion: the teacher's own terms (the Text-IF family) applied to the student directly.
    quality, targets: what the metrics reward, and up to where.
    relative: targets are differences from what the start (`start_from`) reaches on the same crops,
        each crop by itself: 0 holds a measure without rewarding more of it. relative_to: another
        method instead of the start, for a student of another structure or from scratch.
    dark_level, dark_targets: with relative, other targets for crops of scenes whose ambient level
        (`Batch.ambient`) lies below, see `losses.Start`.
    rival, lead: with relative, a method that the student is to be better than on every crop, by
        at least this share of each measure. (A method is whatever can be a teacher but a folder.)
    stability, stability_limit: see `losses.stability_term`.
    """

    intensity: float = 4.0
    structure: float = 1.0
    brightness: float = 0.0
    smoothness: float = 0.5
    monotonicity: float = 5.0
    fusion: FusionWeights = field(default_factory=FusionWeights)
    quality: QualityWeights = field(default_factory=QualityWeights)
    targets: QualityTargets = field(default_factory=QualityTargets)
    relative: bool = False
    relative_to: str | None = None
    dark_level: float = 0.0
    dark_targets: QualityTargets = field(default_factory=QualityTargets)
    rival: str | None = None
    lead: float = 0.02
    stability: float = 1.0
    stability_limit: float = 0.85


@dataclass(frozen=True)
class DistilConfig:
    """Everything that `lut-fuse-train distil` can be told in YAML.

    name: of the model. teacher: see `teachers.open_teacher`; None learns from quality terms alone.
    start_from: what has the start's weights: the output folder of an earlier run of the same
        structure, a model file of it, or a model's name, as ``default``.
    context: False holds the context constant, so that the lattice works without it (an ablation).
    lattice_rate, encoder_rate: Adam's learning rates.
    """

    name: str = "distilled"
    teacher: str | None = None
    start_from: str | None = None
    context: bool = True
    lattice_rate: float = 3e-3
    encoder_rate: float = 2e-3
    student: MMLutConfig = field(default_factory=MMLutConfig)
    loss: DistilLossConfig = field(default_factory=DistilLossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    log: LogConfig = field(default_factory=LogConfig)


class DistilJob:
    """The student with its loss, as the loop wants it."""

    def __init__(
        self,
        student: MMLut,
        teacher: Teacher | None,
        config: DistilConfig,
        validator: Validator,
        options: RunOptions,
    ) -> None:
        self.module: MMLut = student
        loss = config.loss
        self._rival = _method(loss.rival, options) if loss.rival else None
        self._start: Teacher | None = None
        if loss.relative_to:
            self._start = _method(loss.relative_to, options)
        elif loss.relative:
            self._start = deepcopy(student).requires_grad_(False)
        self._teacher, self._config, self._validator = teacher, config, validator
        device = torch.device(options.device)
        self._autocast = torch.autocast(
            device.type, getattr(torch, options.precision), options.precision != "float32"
        )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Lattice and encoder, each at its rate."""
        groups = [{"params": self.module.lattices, "lr": self._config.lattice_rate}]
        if self._config.context:
            encoder = list(self.module.blocks.parameters())
            groups.append({"params": encoder, "lr": self._config.encoder_rate})
        return groups

    def losses(self, batch: Batch, rng: np.random.Generator) -> Terms:
        """EMDS, the quality measures, and stability under noise."""
        loss = self._config.loss
        luma, infrared = luma_of(batch.visible), batch.infrared
        fused = self._fuse(batch.visible, infrared, batch.ambient)
        taught = self._taught(batch)
        start = None
        if self._start is not None:
            start = Start(
                self._fused_by(self._start, batch),
                batch.ambient < loss.dark_level,
                loss.dark_targets,
                self._fused_by(self._rival, batch) if self._rival is not None else None,
                loss.lead,
            )
        terms: dict[str, Term] = {}
        if taught is not None:
            terms |= distillation_terms(fused, taught, loss.intensity, loss.structure)
        if any(vars(loss.fusion).values()):
            own = fusion_terms(fused, luma, infrared, loss.fusion)
            terms |= {f"fusion_{name}": term for name, term in own.items()}
        if loss.brightness:
            terms |= brightness_term(fused, luma, infrared, loss.brightness)
        return {
            **terms,
            **quality_terms(fused, luma, infrared, loss.quality, loss.targets, start),
            **stability_term(
                lambda visible, infrared: self._fuse(
                    visible, infrared, batch.ambient[: len(visible)]
                ),
                fused,
                batch.visible,
                infrared,
                loss.stability,
                loss.stability_limit,
                rng,
            ),
            **lattice_terms(self.module.lattices, loss.smoothness, loss.monotonicity),
        }

    def validate(self, board: Board, step: int) -> Scores:
        """Metrics of the student."""
        return self._validator(self._fuse, board, step)

    def _taught(self, batch: Batch) -> Tensor | None:
        return batch.taught if self._teacher is None else self._fused_by(self._teacher, batch)

    def _fused_by(self, network: Teacher, batch: Batch) -> Tensor:
        # Only an MM-LUT knows that crops are parts of a scene.
        scene = (batch.ambient,) if isinstance(network, MMLut) else ()
        with torch.no_grad(), self._autocast:
            return network(batch.visible, batch.infrared, *scene).float().clamp(0, 1)

    def _fuse(self, visible: Tensor, infrared: Tensor, ambient: Tensor | None = None) -> Tensor:
        with self._autocast:
            return self.module(visible, infrared, ambient).float()


def distil(config: DistilConfig, folder: Path, options: RunOptions) -> tuple[Outcome, Scores]:
    """Distil a teacher into an MM-LUT and export it to the output folder.

    Returns the outcome and the teacher's own validation scores (empty if it is no network).
    Raises InputError for unusable data, teacher or options, LutFuseError if training diverges or
    the export does not check.
    """
    _check_comparison(config)
    source = _teacher(config, options)
    if source.folder is not None and config.data.synthetic_share:
        raise InputError(
            "a teacher's folder has no images of synthetic scenes; set data.synthetic_share to 0"
        )
    augmentation = config.augment if source.folder is None else AugmentConfig()
    session = open_session(folder, config.data, augmentation, config, options, taught=source.folder)
    student = MMLut(config.student)
    if config.start_from:
        _load_weights(student, config.start_from)
    if not config.context:
        hold_context(student)
    student.to(options.device)
    validator = Validator(session.pairs.validation, config.data.validation_pairs, options.device)
    job = DistilJob(student, source.network, config, validator, options)
    taught = validator(source.network) if source.network and session.rank == 0 else {}
    outcome = train(
        job, session.batches, config.schedule, config.log, options, session.rank, session.world
    )
    if session.rank == 0:
        facts = provenance(config.name, folder, session.pairs, config, options)
        facts["steps"], facts["seconds"] = outcome.steps, round(outcome.seconds)
        facts["validation"], facts["teacher_validation"] = outcome.scores, taught
        _finish(student, options.out, facts, session.pairs.training)
    distributed.stop()
    return outcome, taught


def export_run(run: Path, out: Path, blend: Path | None = None, share: float = 0.5) -> ExportReport:
    """Export the latest checkpoint of a distillation, finished or not.

    blend, share: another run of the same structure, one of the two started from the other, and how
    much its weights count (0 to 1). Between two stages with different weights of the loss, the
    average of their weights is a trade-off between what each of them is good at.

    Raises InputError if a folder holds no such run, LutFuseError if the export does not check.
    """
    if not (run / "config.yaml").is_file():
        raise InputError(f"{run} holds no distillation run; give the --out folder of 'distil'")
    config = read_config(DistilConfig, run / "config.yaml")
    content = read_tensors(run / CHECKPOINT)
    student = MMLut(config.student)
    student.load_state_dict(content["module"])
    facts: dict[str, Any] = {
        "name": config.name,
        "steps": content["step"],
        "config": to_plain(config),
    }
    report = run / "report.json"
    if report.is_file():
        finished = json.loads(report.read_text("utf-8"))
        facts = finished if finished.get("steps") == content["step"] else facts
    if blend is not None:
        _blend(student, blend, share)
        # The scores are those of the run before it was blended.
        for key in ("validation", "teacher_validation", "export"):
            facts.pop(key, None)
        facts["blend"] = {"run": blend.name, "share": share}
    _forget_places(facts)
    out.mkdir(parents=True, exist_ok=True)
    return export_model(student, out, facts)


def hold_context(student: MMLut) -> None:
    """Make the context the middle of its axis everywhere, for good."""
    for parameter in student.blocks.parameters():
        parameter.requires_grad_(False).zero_()


def _finish(student: MMLut, out: Path, facts: dict[str, Any], pairs: PairSource) -> None:
    _forget_places(facts)
    some = (pairs[index] for index in chosen_pairs(len(pairs)))
    images = ((pair.visible, pair.infrared) for pair in some)
    differences = asdict(export_model(student, out, facts, images))
    report = {**facts, "export": differences}
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def _forget_places(facts: dict[str, Any]) -> None:
    """A model that travels says nothing about where files lay on the machine that trained it."""
    config, loss = facts["config"], facts["config"]["loss"]
    names = ((config, "teacher"), (config, "start_from"), (loss, "relative_to"), (loss, "rival"))
    for part, key in names:
        if part.get(key):
            part[key] = Path(part[key]).name


def _blend(student: MMLut, run: Path, share: float) -> None:
    """Move the student's weights towards those of another run."""
    if not 0 <= share <= 1:
        raise InputError(f"the share of the blended run is {share}; it must be between 0 and 1")
    other = MMLut(student.config)
    _load_weights(other, run)
    with torch.no_grad():
        for mine, theirs in zip(student.parameters(), other.parameters(), strict=True):
            mine.lerp_(theirs, share)


def _check_comparison(config: DistilConfig) -> None:
    """Raises InputError, before anything is read, where it is not said with what to compare."""
    loss = config.loss
    if loss.relative and not (config.start_from or loss.relative_to):
        raise InputError("loss.relative compares with the start; say which by --from")
    if (loss.relative_to or loss.rival) and not loss.relative:
        raise InputError("loss.relative_to and loss.rival need loss.relative: true")


def _teacher(config: DistilConfig, options: RunOptions) -> TeacherSource:
    if config.teacher is not None:
        return open_teacher(config.teacher, options.device)
    if config.loss.intensity or config.loss.structure:
        raise InputError(
            "no teacher to distil: give --teacher, or set loss.intensity and loss.structure to 0 "
            "to learn from the quality terms alone"
        )
    return TeacherSource()


def _method(path: str, options: RunOptions) -> Teacher:
    """A method that fuses any crop. Raises InputError for a folder of images."""
    network = open_teacher(path, options.device).network
    if network is None:
        raise InputError(f"{path} is a folder; what is compared with must be able to fuse any crop")
    return network


def _load_weights(student: MMLut, source: str | Path) -> None:
    """Give a student the weights of a run (its folder) or of a model (file or name)."""
    if not Path(source).is_dir():
        student.take(load_model(source))
        return
    checkpoint = Path(source) / CHECKPOINT
    try:
        student.load_state_dict(read_tensors(checkpoint)["module"])
    except (KeyError, RuntimeError):
        raise InputError(f"{checkpoint} holds no student of this structure") from None
