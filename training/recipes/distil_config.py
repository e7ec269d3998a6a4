"""Everything that a distillation can be told: the student, its loss, its data, its schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from lut_fuse_core.errors import InputError

from ..data.augment import AugmentConfig
from ..data.pairs import DataConfig
from ..detection.adaptation import DetectionConfig
from ..losses.quality_terms import QualityTargets, QualityWeights
from ..losses.terms import FusionWeights
from ..networks.mm_lut import MMLutConfig
from ..run.options import LogConfig, ScheduleConfig, check_rate


@dataclass(frozen=True)
class DarkerScenes:
    """What the student is to reach in scenes of a lower ambient level.

    Attributes:
        level: Crops count whose scene's ambient level (`Batch.ambient`, 0 to 1) lies below.
        targets: As in `DistilLossConfig`, of measures that have one there, too; None leaves what
            holds for lighter scenes.
    """

    level: float
    targets: QualityTargets = field(default_factory=QualityTargets)

    def __post_init__(self) -> None:
        if not 0 < self.level <= 1:
            raise InputError(
                f"a level of loss.darker is {self.level}; it must lie above 0 and be 1 or less"
            )


@dataclass(frozen=True)
class DistilLossConfig:
    """Weights of the student's loss.

    Attributes:
        intensity: Of the teacher's output (EMDS).
        structure: Of the teacher's output (EMDS).
        brightness: To the brighter camera, so that a bright sky or lamp is not grayed by a cold
            one.
        markings: See `losses.terms.markings_term`.
        markings_share: Likewise.
        smoothness: Of the lattice.
        monotonicity: Of the lattice.
        steepness: See `losses.lattice_terms.steepness_term`.
        steepest: Likewise; for luma, infrared, gradient and context.
        fusion: The teacher's own terms (the Text-IF family) applied to the student directly.
        quality: What the metrics reward.
        targets: Up to where they do.
        relative: Targets are differences from what the start (`start_from`) reaches on the same
            crops, each crop by itself: 0 holds a measure without rewarding more of it.
        relative_to: Another method instead of the start, for a student of another structure or from
            scratch.
        darker: With relative, other targets for crops of darker scenes, the darkest last.
        rival: With relative, a method that the student is to be better than on every crop. (A
            method is whatever can be a teacher but a folder.)
        lead: By which share of each measure, at least.
        stability: Of the fused image under noise.
        stability_limit: See `losses.terms.stability_term`.
        twilight: For students of several lattices, see `losses.terms.twilight_term`.
        twilight_limit: Likewise.
    """

    intensity: float = 4.0
    structure: float = 1.0
    brightness: float = 0.0
    markings: float = 0.0
    markings_share: float = 0.25
    smoothness: float = 0.5
    monotonicity: float = 5.0
    steepness: float = 0.0
    steepest: tuple[float, float, float, float] = (56.0, 40.0, 24.0, 90.0)
    fusion: FusionWeights = field(default_factory=FusionWeights)
    quality: QualityWeights = field(default_factory=QualityWeights)
    targets: QualityTargets = field(default_factory=QualityTargets)
    relative: bool = False
    relative_to: str | None = None
    darker: tuple[DarkerScenes, ...] = ()
    rival: str | None = None
    lead: float = 0.02
    stability: float = 1.0
    stability_limit: float = 0.85
    twilight: float = 0.0
    twilight_limit: float = 0.35

    def __post_init__(self) -> None:
        levels = [group.level for group in self.darker]
        if any(a <= b for a, b in pairwise(levels)):
            raise InputError(f"the levels of loss.darker are {levels}; they must decrease")


@dataclass(frozen=True)
class DistilConfig:
    """Everything that `lut-fuse-train distil` can be told in YAML.

    Attributes:
        name: Of the model.
        teacher: See `teachers.open_teacher`; None learns from quality terms alone.
        start_from: What has the start's weights: the output folder of an earlier run of the same
            structure, a model file of it, or a model's name, as ``default``. Its ambient levels
            (`MMLutConfig.dark`) may be others, see `MMLut.take`.
        dark_rule: Starts the lattice for the darkest scenes again, see `MMLut.begin_dark`; None
            goes on with what the start has.
        context: False holds the context constant, so that the lattice works without it (an
            ablation).
        lattice_rate: Adam's learning rate for the lattices.
        encoder_rate: The same for the encoder; 0 leaves it as it is, which takes less time per
            step.
        student: Structure of the MM-LUT.
        loss: Weights of the terms.
        data: Pairs and crops.
        augment: How probable each disturbance is.
        schedule: Of the learning rates.
        log: How often to report and save.
        detection: What the detectors of `distil --detector` teach.
    """

    name: str = "distilled"
    teacher: str | None = None
    start_from: str | None = None
    dark_rule: float | None = None
    context: bool = True
    lattice_rate: float = 3e-3
    encoder_rate: float = 2e-3
    student: MMLutConfig = field(default_factory=MMLutConfig)
    loss: DistilLossConfig = field(default_factory=DistilLossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    log: LogConfig = field(default_factory=LogConfig)
    detection: DetectionConfig = field(default_factory=DetectionConfig)

    def __post_init__(self) -> None:
        check_rate("lattice_rate", self.lattice_rate)
        check_rate("encoder_rate", self.encoder_rate)
        if self.loss.twilight and not self.student.dark:
            raise InputError("loss.twilight is for students of several lattices; set student.dark")
