"""Distillation of a teacher into an MM-LUT: lattice and context encoder learn together (EMDS)."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lut_fuse_core import load_model
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.study import DetectionStudy
from lut_fuse_core.evaluation.image_kinds import about_orphans
from lut_fuse_core.model.int8_ranges import chosen_pairs

from ..checkpoint import check_structure, read_checkpoint
from ..config import from_plain, read_config, to_plain
from ..data.augment import AugmentConfig
from ..data.batches import Batch
from ..detection.adaptation import Adaptation, DetectorFiles
from ..images import luma_of
from ..losses.lattice_terms import lattice_terms, steepness_term
from ..losses.quality_terms import quality_terms
from ..losses.term import Term, Terms
from ..losses.terms import (
    brightness_term,
    distillation_terms,
    fusion_terms,
    markings_term,
    stability_term,
    twilight_term,
)
from ..networks.mm_lut import MMLut, MMLutConfig
from ..networks.teachers import Teacher, TeacherSource, open_teacher
from ..run.loop import Outcome
from ..run.options import RunOptions
from ..run.report import read_report
from ..run.session import open_session
from ..run.tensorboard import Board
from ..run.validate import Scores, Validator
from .comparison import Comparison
from .distil_config import DistilConfig
from .export import ExportReport, export_model
from .outputs import MODEL


class DistilJob:
    """The student with its loss, as the loop wants it.

    Args:
        student: What is trained.
        teacher: The network that it learns from; None for a folder of images, or no teacher.
        comparison: What it is compared with.
        config: Loss and rates.
        validator: Measures it.
        options: Device and precision.
        adaptation: What a detector adds to the loss; None without one.
    """

    def __init__(
        self,
        student: MMLut,
        teacher: Teacher | None,
        comparison: Comparison,
        config: DistilConfig,
        validator: Validator,
        options: RunOptions,
        adaptation: Adaptation | None = None,
    ) -> None:
        self.module: MMLut = student
        comparison.begin(student)
        if adaptation is not None:
            adaptation.begin(student)
        self._adaptation = adaptation
        self._teacher, self._comparison = teacher, comparison
        self._config, self._validator = config, validator
        self._autocast = options.autocast()

    @property
    def structure(self) -> dict[str, Any]:
        """The student's configuration."""
        return to_plain(self.module.config)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Lattice and encoder, each at its rate."""
        groups = [{"params": self.module.lattice_parameters(), "lr": self._config.lattice_rate}]
        if self._config.context:
            encoder = list(self.module.blocks.parameters())
            groups.append({"params": encoder, "lr": self._config.encoder_rate})
        return groups

    def losses(self, batch: Batch, rng: np.random.Generator) -> Terms:
        """EMDS, the quality measures, stability under noise, and what detectors find."""
        loss = self._config.loss
        luma, infrared = luma_of(batch.visible), batch.infrared
        fused = self._fuse(batch.visible, infrared, batch.ambient)
        teacher_output = self._teacher_output(batch)
        start = self._comparison.start(batch, self._fused_by)
        terms: dict[str, Term] = {}
        if teacher_output is not None:
            terms |= distillation_terms(fused, teacher_output, loss.intensity, loss.structure)
        if any(vars(loss.fusion).values()):
            own = fusion_terms(fused, luma, infrared, loss.fusion)
            terms |= {f"fusion_{name}": term for name, term in own.items()}
        if loss.brightness:
            terms |= brightness_term(fused, luma, infrared, loss.brightness)
        terms |= markings_term(fused, luma, infrared, loss.markings, loss.markings_share)
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
            **self._twilight(batch),
            **lattice_terms(self.module.lattices, loss.smoothness, loss.monotonicity),
            **steepness_term(self.module.lattices, loss.steepness, loss.steepest),
            **(self._adaptation.terms(self._fuse, rng) if self._adaptation else {}),
        }

    def validate(self, board: Board, step: int) -> Scores:
        """Metrics of the student."""
        return self._validator(self._fuse, board, step)

    def _twilight(self, batch: Batch) -> dict[str, Term]:
        """On half of the batch, which is enough and saves time."""
        loss = self._config.loss
        if not loss.twilight:
            return {}
        half = (len(batch.ambient) + 1) // 2
        with self._autocast:
            slope = self.module.slope(
                batch.visible[:half], batch.infrared[:half], batch.ambient[:half]
            )
        return twilight_term(slope, loss.twilight, loss.twilight_limit)

    def _teacher_output(self, batch: Batch) -> Tensor | None:
        return (
            batch.teacher_output if self._teacher is None else self._fused_by(self._teacher, batch)
        )

    def _fused_by(self, network: Teacher, batch: Batch) -> Tensor:
        # Only an MM-LUT may fuse crops as parts of a scene.
        scene = (batch.ambient,) if isinstance(network, MMLut) else ()
        with torch.no_grad(), self._autocast:
            return network(batch.visible, batch.infrared, *scene).float().clamp(0, 1)

    def _fuse(self, visible: Tensor, infrared: Tensor, ambient: Tensor | None = None) -> Tensor:
        with self._autocast:
            return self.module(visible, infrared, ambient).float()


@dataclass(frozen=True)
class Distilled:
    """How a distillation ended.

    Attributes:
        outcome: Steps, time and validation scores.
        teacher_scores: The teacher's own; empty if it is no network.
        detection: What detectors find on labeled pairs that were held out; None without any.
    """

    outcome: Outcome
    teacher_scores: Scores
    detection: DetectionStudy | None = None


def distil(
    config: DistilConfig, folder: Path, options: RunOptions, detectors: DetectorFiles | None = None
) -> Distilled:
    """Distil a teacher into an MM-LUT and export it to the output folder.

    Args:
        config: Student, loss, data and schedule.
        folder: The pairs.
        options: Budget, output folder and device.
        detectors: To adapt the fusion to.

    Raises:
        InputError: For unusable data, teacher, detectors or options.
        LutFuseError: If training diverges or the export does not check.
    """
    adaptation = None
    if detectors is not None:
        share = config.data.validation_share
        adaptation = Adaptation(detectors, config.detection, folder, share, options.device)
        orphans = adaptation.pictures.orphans
        if orphans and not options.quiet:
            print(about_orphans(orphans), file=sys.stderr)
    comparison = Comparison(config, options)
    source = _teacher(config, options)
    if source.folder is not None and config.data.synthetic_share:
        raise InputError(
            "a teacher's folder has no images of synthetic scenes; set data.synthetic_share to 0"
        )
    augmentation = config.augment if source.folder is None else AugmentConfig()
    session = open_session(
        folder, config.data, augmentation, config, config.student, options, source.folder
    )
    student = _student(config).to(options.device)
    validator = Validator(session.pairs.validation, config.data.validation_pairs, options.device)
    job = DistilJob(student, source.network, comparison, config, validator, options, adaptation)
    teacher_scores = validator(source.network) if source.network and session.rank == 0 else {}

    def write(facts: dict[str, Any]) -> dict[str, Any]:
        facts["teacher_validation"] = teacher_scores
        forget_places(facts)
        pairs = session.pairs.training
        some = (pairs[index] for index in chosen_pairs(len(pairs)))
        images = ((pair.visible, pair.infrared) for pair in some)
        return {"export": asdict(export_model(student, options.out, facts, images))}

    outcome = session.run(job, config.name, write)
    study = None
    if adaptation is not None and session.rank == 0:
        study = adaptation.gain(options.out / MODEL, _start_model(config))
    return Distilled(outcome, teacher_scores, study)


def export_run(run: Path, out: Path, blend: Path | None = None, share: float = 0.5) -> ExportReport:
    """Export the latest checkpoint of a distillation, finished or not.

    Args:
        run: Its output folder.
        out: Where the model goes.
        blend: Another run of the same structure, one of the two started from the other. Between two
            stages with different weights of the loss, the average of their weights is a trade-off
            between what each of them is good at.
        share: How much its weights count, 0 to 1.

    Returns:
        How far the files differ from what was trained.

    Raises:
        InputError: If a folder holds no such run, or the share is out of its range.
        LutFuseError: If the export does not check.
    """
    if not (run / "config.yaml").is_file():
        raise InputError(f"{run} holds no distillation run; give the --out folder of 'distil'")
    try:
        config = read_config(DistilConfig, run / "config.yaml")
    except InputError as error:
        raise InputError(
            f"{run} holds no distillation run of this version ({error}); give the --out folder of "
            "'distil'"
        ) from None
    content = read_checkpoint(run, to_plain(config.student))
    student = MMLut(config.student)
    student.load_state_dict(content["module"])
    facts: dict[str, Any] = {
        "name": config.name,
        "steps": content["step"],
        "config": to_plain(config),
    }
    finished = read_report(run)
    if finished.get("steps") == content["step"]:
        facts = finished
    if blend is not None:
        _blend(student, blend, share)
        # The scores are those of the run before it was blended.
        for key in ("validation", "teacher_validation", "export"):
            facts.pop(key, None)
        facts["blend"] = {"run": blend.name, "share": share}
    forget_places(facts)
    out.mkdir(parents=True, exist_ok=True)
    return export_model(student, out, facts)


def hold_context(student: MMLut) -> None:
    """Make the context the middle of its axis everywhere, for good."""
    for parameter in student.blocks.parameters():
        parameter.requires_grad_(False).zero_()


def forget_places(facts: dict[str, Any]) -> None:
    """A model that travels says nothing about where files lay on the machine that trained it."""
    config, loss = facts["config"], facts["config"]["loss"]
    names = ((config, "teacher"), (config, "start_from"), (loss, "relative_to"), (loss, "rival"))
    for part, key in names:
        if part.get(key):
            part[key] = Path(part[key]).name


def _blend(student: MMLut, run: Path, share: float) -> None:
    """Move the student's weights toward those of another run."""
    if not 0 <= share <= 1:
        raise InputError(f"the share of the blended run is {share}; it must be between 0 and 1")
    other = MMLut(student.config)
    _load_weights(other, run)
    with torch.no_grad():
        for mine, theirs in zip(student.parameters(), other.parameters(), strict=True):
            mine.lerp_(theirs, share)


def _student(config: DistilConfig) -> MMLut:
    """What is trained, as it begins."""
    student = MMLut(config.student)
    if config.start_from:
        _load_weights(student, config.start_from)
    if config.dark_rule is not None:
        student.begin_dark(config.dark_rule)
    if not config.context:
        hold_context(student)
    elif not config.encoder_rate:
        student.blocks.requires_grad_(False)
    return student


def _teacher(config: DistilConfig, options: RunOptions) -> TeacherSource:
    if config.teacher is not None:
        return open_teacher(config.teacher, options.device)
    if config.loss.intensity or config.loss.structure:
        raise InputError(
            "no teacher to distil: give --teacher, or set loss.intensity and loss.structure to 0 "
            "to learn from the quality terms alone"
        )
    return TeacherSource()


def _start_model(config: DistilConfig) -> str | Path | None:
    """The model file or name of what the configuration starts from, if it has one."""
    if config.start_from is None or not Path(config.start_from).is_dir():
        return config.start_from
    exported = Path(config.start_from) / MODEL
    return exported if exported.is_file() else None


def _load_weights(student: MMLut, source: str | Path) -> None:
    """Give a student the weights of a run (its folder) or of a model (file or name)."""
    if not Path(source).is_dir():
        student.take(load_model(source))
        return
    content = read_checkpoint(Path(source))
    wanted, found = to_plain(student.config), content["structure"]
    levels = {"dark": wanted["dark"]} if "dark" in found else {}  # its own may be others
    check_structure(Path(source), {**found, **levels}, wanted)
    before = MMLut(from_plain(MMLutConfig, found))
    try:
        before.load_state_dict(content["module"])
    except RuntimeError:
        raise InputError(
            f"{source} is a run of an earlier version of this program; go on from its "
            "model.safetensors instead"
        ) from None
    student.take(before.to_model({}, levels=None))
