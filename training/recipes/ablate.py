"""The paper's Table 4: what each part of the method brings, every variant with the same budget."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.dataset import find_dataset

from ..checkpoint import CHECKPOINT
from ..config import to_plain
from ..run.options import RunOptions
from ..run.report import read_report
from .distil import distil, forget_places
from .distil_config import DistilConfig, DistilLossConfig
from .outputs import MODEL
from .paper_tables import Table, by_model, measure
from .train_teacher import TeacherLossConfig, loss_behind

NO_GRADIENT = 1e6
"""End of a gradient axis (gray levels) so far off that every gradient counts as none."""


@dataclass(frozen=True)
class Variant:
    """One line of the table.

    Attributes:
        name: Of its folder.
        lae: Whether it has low-order approximation encoding.
        cse: Whether it has contextual scene encoding.
        emds: Whether it is distilled from a teacher.
        config: Of the training.
    """

    name: str
    lae: bool
    cse: bool
    emds: bool
    config: DistilConfig


def variants(full: DistilConfig, teacher_loss: TeacherLossConfig) -> Iterator[Variant]:
    """The method without each of its parts, and whole.

    Without LAE: no gradient axis (its nodes stay, so that the file size is equal, but without
    effect). Without CSE: constant context. Without EMDS: no teacher and no regularization of the
    lattice; the student learns from what its teacher has learned from (``teacher_loss``) instead,
    and from nothing else, so that the difference to the whole is the distillation alone.
    """
    flat = replace(full.student, gradient_range=NO_GRADIENT)
    alone = DistilLossConfig(
        intensity=0.0,
        structure=0.0,
        smoothness=0.0,
        monotonicity=0.0,
        fusion=teacher_loss.fusion,
        quality=teacher_loss.quality,
        stability=teacher_loss.stability,
        stability_limit=teacher_loss.stability_limit,
    )
    yield Variant("without-lae", False, True, True, replace(full, student=flat))
    yield Variant("without-cse", True, False, True, replace(full, context=False))
    yield Variant("without-emds", True, True, False, replace(full, teacher=None, loss=alone))
    yield Variant("full", True, True, True, full)


def ablate(config: DistilConfig, folder: Path, test: Path, options: RunOptions) -> Table:
    """Train every variant, measure all on the test pairs, give the paper's table.

    A variant that has been trained for this budget already is not trained again when resuming.

    Raises:
        InputError: As `distil` does.
        LutFuseError: As `distil` does.
    """
    if config.teacher is None:
        raise InputError("no teacher, so no distillation to be left out; give --teacher")
    find_dataset(test)
    chosen = list(variants(config, loss_behind(config.teacher)))
    for variant in chosen:
        out = options.out / variant.name
        if options.resume and _is_trained(out, variant.config, folder, options):
            continue
        if not options.quiet:
            print(variant.name, file=sys.stderr)
        resume = options.resume and (out / CHECKPOINT).is_file()
        distil(variant.config, folder, replace(options, out=out, resume=resume))
    mark = {True: "yes", False: "-"}
    methods = [
        ((mark[v.lae], mark[v.cse], mark[v.emds]), by_model(options.out / v.name / MODEL))
        for v in chosen
    ]
    return Table(
        f"Ablation on {test.resolve().name}",
        ("LAE", "CSE", "EMDS"),
        tuple(measure(methods, test, options.quiet)),
        (
            "Without LAE: no gradient axis. Without CSE: constant context. Without EMDS: no "
            "teacher, no regularization; the teacher's own loss instead.",
        ),
    )


def _is_trained(out: Path, config: DistilConfig, folder: Path, options: RunOptions) -> bool:
    """Whether a variant has reached this budget.

    Raises:
        InputError: If it was another's.
    """
    report = read_report(out)
    if report.get("budget") != to_plain(options.budget):
        return False
    wanted = {
        "config": to_plain(config),
        "seed": options.seed,
        "data": folder.resolve().name,
    }
    forget_places(wanted)
    differing = [name for name, value in wanted.items() if report.get(name) != value]
    if differing:
        raise InputError(
            f"{out} was trained with another {' and '.join(differing)}; give the same, or another "
            "--out"
        )
    return True
