"""Train the same network on each kind of image and measure it: the paper's Tables 2 and 3."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import yaml

from lut_fuse_core import Fuser
from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.label_files import read_labels
from lut_fuse_core.evaluation.detection.labels import Labels
from lut_fuse_core.evaluation.evaluate import FuseFiles, fused_by, fused_in
from lut_fuse_core.evaluation.image_kinds import image_kinds, labeled_pairs
from lut_fuse_core.evaluation.segmentation.label_maps import read_label_map
from lut_fuse_core.io.dataset import PairFiles, find_dataset, images_by_name

from ..checkpoint import CHECKPOINT
from ..config import to_plain
from ..data.pairs import in_validation, training_part
from ..downstream.jobs import Boxes, DetectJob, SegmentJob
from ..downstream.networks import RTDetrSize, SegFormerConfig, rt_detr, segformer
from ..downstream.pictures import Labeled, PictureBatches, PictureConfig, Pictures
from ..run.loop import Job, train
from ..run.options import LogConfig, RunOptions, ScheduleConfig, check_rate
from ..run.report import read_report, write_report
from .paper_tables import Row, Table

Task = Literal["detect", "segment"]


@dataclass(frozen=True)
class DownstreamConfig:
    """Everything that `lut-fuse-train downstream` can be told in YAML.

    Attributes:
        rate: Adam's learning rate.
        weights: Folder or name of public weights to begin with; None begins from scratch.
        test_share: Share of the pairs that is measured on where the data set has no other.
        least_height: Of objects that count, in pixels.
        pictures: Size, batch and memory.
        segformer: Size of the segmenter.
        detector: Size of the detector.
        schedule: Of the learning rate.
        log: How often to report and save.
    """

    rate: float = 2e-4
    weights: str | None = None
    test_share: float = 0.2
    least_height: float = 0.0
    pictures: PictureConfig = field(default_factory=PictureConfig)
    segformer: SegFormerConfig = field(default_factory=SegFormerConfig)
    detector: RTDetrSize = field(default_factory=RTDetrSize)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    log: LogConfig = field(default_factory=lambda: LogConfig(validate_every=0))

    def __post_init__(self) -> None:
        check_rate("rate", self.rate)
        if not 0 < self.test_share < 1:
            raise InputError(f"test_share is {self.test_share}; it must be between 0 and 1")


@dataclass(frozen=True)
class Source:
    """What is learned and measured.

    Attributes:
        data: Pairs to train on; its training split where it has splits.
        test: Pairs to measure on; None takes the test split of data, or a share of its pairs.
        labels: Label file or folder, of both.
        test_labels: Of test, where these are others.
        classes: Names of the label maps' classes by number.
        models: Name to model or folder of fused images: the kinds beside cameras and baselines.
        kinds: The kinds to train on; all if empty.
    """

    data: Path
    labels: Path
    test: Path | None = None
    test_labels: Path | None = None
    classes: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=lambda: {"fused": "default"})
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """What is trained on which pairs, and how."""

    source: Source
    training: list[PairFiles]
    test: list[PairFiles]
    config: DownstreamConfig
    options: RunOptions


class _Trained(Protocol):
    """Makes the job of a kind and where its batches come from."""

    def __call__(self, kind: str, make: FuseFiles) -> tuple[Job, Pictures[Any]]: ...


def downstream(task: Task, source: Source, config: DownstreamConfig, options: RunOptions) -> Table:
    """Train on each kind of image with the same budget and seed, and measure each on its own.

    A kind that was finished before is not trained again; one that was interrupted goes on.

    Args:
        task: ``detect`` or ``segment``.
        source: Pairs, labels and kinds.
        config: Network and training.
        options: Budget, output folder and device; every kind has a folder there.

    Raises:
        InputError: For unusable data, labels or options, or where a package is missing.
        LutFuseError: If training diverges.
    """
    kinds = _kinds(source)
    training, test = _split(source, config.test_share)
    prepare = _detecting if task == "detect" else _segmenting
    job_of = prepare(_Plan(source, training, test, config, options))
    rows = []
    for kind, make in kinds.items():
        out = options.out / kind
        scores = _finished(out, options)
        if scores is None:
            _check_new(out, options)
            if not options.quiet:
                print(f"training on {kind} images", file=sys.stderr)
            torch.manual_seed(options.seed)
            job, pictures = job_of(kind, make)
            out.mkdir(parents=True, exist_ok=True)
            with atomic_write(out / "config.yaml") as temporary:
                temporary.write_text(yaml.safe_dump(to_plain(config), sort_keys=False), "utf-8")
            batches = PictureBatches(pictures, config.pictures.batch, options.seed)
            outcome = train(job, batches, config.schedule, config.log, replace(options, out=out))
            scores = outcome.scores
            write_report(
                out, {"steps": outcome.steps, "scores": scores, "budget": _budget(options)}
            )
        rows.append(Row((kind,), scores))
    name = source.data.resolve().name
    title, digits = (f"Segmentation on {name}, IoU in percent", 2)
    if task == "detect":
        title, digits = f"Object detection on {name}", 3
    notes = (f"{len(training)} pairs to train on, {len(test)} to measure on",)
    return Table(title, ("images",), tuple(rows), notes, tuple(rows[0].scores), digits)


def _budget(options: RunOptions) -> dict[str, float | None]:
    return {"steps": options.budget.steps, "minutes": options.budget.minutes}


def _finished(out: Path, options: RunOptions) -> dict[str, float] | None:
    """The scores of a kind that had this budget before."""
    report = read_report(out) if options.resume else {}
    return report["scores"] if report.get("budget") == _budget(options) else None


def _check_new(out: Path, options: RunOptions) -> None:
    if (out / CHECKPOINT).exists() and not options.resume:
        raise InputError(f"{out} holds a run already; add --resume, or choose another --out")


def _kinds(source: Source) -> dict[str, FuseFiles]:
    methods = {
        name: fused_in(Path(path)) if Path(path).is_dir() else fused_by(Fuser(path))
        for name, path in source.models.items()
    }
    known = image_kinds(methods)
    unknown = [kind for kind in source.kinds if kind not in known]
    if unknown:
        raise InputError(f"'{unknown[0]}' is no kind of image here; known are {', '.join(known)}")
    return {kind: known[kind] for kind in source.kinds or known}


def _split(source: Source, share: float) -> tuple[list[PairFiles], list[PairFiles]]:
    """Pairs to train and to measure on."""
    training = list(training_part(source.data).pairs)
    if source.test is not None:
        return training, list(find_dataset(source.test).pairs)
    try:
        other = find_dataset(source.data, splits=("test", "val"))
    except InputError:
        other = None
    if other is not None and {f.visible for f in other.pairs} != {f.visible for f in training}:
        return training, list(other.pairs)
    test = [files for files in training if in_validation(files.name, share)]
    return [files for files in training if files not in test], test


def _segmenting(plan: _Plan) -> _Trained:
    source, config, options = plan.source, plan.config, plan.options

    def labeled(pairs: list[PairFiles], folder: Path) -> Labeled[UInt8Array]:
        maps = images_by_name(folder)
        chosen, _ = labeled_pairs(_some(pairs), maps)
        return Labeled(
            tuple(chosen),
            lambda name, size: read_label_map(maps[name], size, len(source.classes)),
        )

    other = source.test_labels or source.labels
    parts = labeled(plan.training, source.labels), labeled(plan.test, other)

    def job_of(kind: str, make: FuseFiles) -> tuple[Job, Pictures[Any]]:
        learned, measured = (Pictures(part, kind, make, config.pictures) for part in parts)
        network = segformer(config.segformer, source.classes, config.weights)
        structure = {"network": to_plain(config.segformer), "classes": list(source.classes)}
        job = SegmentJob(
            *(network.to(options.device), structure, config.rate),
            *(source.classes, measured, options.device),
        )
        return job, learned

    return job_of


def _detecting(plan: _Plan) -> _Trained:
    source, config, options = plan.source, plan.config, plan.options
    labels = read_labels(source.labels)
    test_labels = read_labels(source.test_labels) if source.test_labels else labels

    def labeled(pairs: list[PairFiles], labels: Labels) -> Labeled[Boxes]:
        chosen, _ = labeled_pairs(_some(pairs), labels.boxes)
        return Labeled(tuple(chosen), lambda name, size: (labels.inside(name, size), size))

    parts = labeled(plan.training, labels), labeled(plan.test, test_labels)
    classes = labels.only(files.name for files in parts[0].files).classes
    if not classes:
        raise InputError(f"the labels of the pairs in {source.data} hold no object to learn")

    def job_of(kind: str, make: FuseFiles) -> tuple[Job, Pictures[Any]]:
        learned, measured = (Pictures(part, kind, make, config.pictures) for part in parts)
        network = rt_detr(config.detector, classes, config.weights)
        structure = {"network": to_plain(config.detector), "classes": list(classes)}
        job = DetectJob(
            *(network.to(options.device), structure, config.rate, classes, measured),
            *(options.device, config.least_height),
        )
        return job, learned

    return job_of


def _some(pairs: list[PairFiles]) -> list[PairFiles]:
    if not pairs:
        raise InputError(
            "no pair is left to train or to measure on; give other pairs as --test, or change "
            "test_share"
        )
    return pairs
