"""Measuring a fusion method on a folder of pairs: the work behind `lut-fuse evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.flicker import (
    BoolArray,
    FlickerMeter,
    FlickerReport,
    FusedFrame,
    TransientMeter,
    TransientReport,
)
from lut_fuse_core.evaluation.metrics import BASELINES, METRIC_NAMES, PairEvaluator, gray_levels
from lut_fuse_core.fuser import Fuser
from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.io.dataset import PairFiles, images_by_name, read_infrared, read_visible
from lut_fuse_core.parallel import ordered_map

METHODS = ("fused", *BASELINES)
"""What is measured on each pair: the method under test, and the baselines for comparison."""

RANKING_METRICS = ("MI", "EN", "CC", "SSIM", "Qabf")
"""The five metrics of the LUT-Fuse paper; their mean rank orders the pairs from best to worst."""

FuseFiles = Callable[[PairFiles, UInt8Array, UInt8Array], UInt8Array]
"""The method under test: files, visible RGB and 8-bit infrared to the fused image (RGB or gray)."""

Scores = dict[str, dict[str, float]]
"""Method to metric to value."""


@dataclass(frozen=True)
class PairScores:
    """All metrics of one pair, for the method under test and for the baselines.

    Attributes:
        name: Of the pair.
        scores: By method, then by metric.
    """

    name: str
    scores: Scores


@dataclass(frozen=True)
class Problem:
    """A pair that could not be measured.

    Attributes:
        name: Of the pair.
        reason: Why not, one sentence.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class SequenceReport:
    """What only a sequence shows.

    Attributes:
        flicker: By method.
        untouched: Change of the region that no transient object touches; None if none was given.
    """

    flicker: dict[str, FlickerReport]
    untouched: TransientReport | None


@dataclass(frozen=True)
class Evaluation:
    """The outcome of an evaluation.

    Attributes:
        pairs: Scores in the order of the pairs.
        problems: The pairs left out.
        sequence: Of a sequence; None for a set of pairs.
    """

    pairs: tuple[PairScores, ...]
    problems: tuple[Problem, ...] = ()
    sequence: SequenceReport | None = None

    def values(self, method: str, metric: str) -> list[float]:
        """One metric of one method over all pairs, in their order."""
        return [pair.scores[method][metric] for pair in self.pairs]

    def mean(self, method: str) -> dict[str, float]:
        """Mean of every metric over the pairs."""
        return {name: float(np.mean(self.values(method, name))) for name in METRIC_NAMES}

    def median(self, method: str) -> dict[str, float]:
        """Median of every metric over the pairs."""
        return {name: float(np.median(self.values(method, name))) for name in METRIC_NAMES}

    def ranking(self) -> list[PairScores]:
        """The pairs from best to worst fused, by their mean rank in the `RANKING_METRICS`."""
        columns = [self.values("fused", name) for name in RANKING_METRICS]
        places = np.argsort(np.argsort(-np.array(columns), axis=1, kind="stable"), axis=1)
        return [self.pairs[index] for index in np.argsort(places.mean(axis=0), kind="stable")]


def fused_by(fuser: Fuser) -> FuseFiles:
    """A model under test."""
    return lambda _, visible, infrared: fuser.fuse(visible, infrared)


def fused_in(folder: str | Path) -> FuseFiles:
    """Images fused by any other method, found by name.

    Raises:
        InputError: If there are none.
    """
    files = images_by_name(folder)

    def read(pair: PairFiles, visible: UInt8Array, infrared: UInt8Array) -> UInt8Array:
        if pair.name not in files:
            raise InputError(f"no fused image of that name in {folder}")
        return read_visible(files[pair.name])

    return read


def load_pair(files: PairFiles, normalizer: InfraredNormalizer) -> tuple[UInt8Array, UInt8Array]:
    """Visible ``(H, W, 3) uint8`` RGB and infrared ``(H, W) uint8``.

    Infrared of 8 bits is measured as it is; deeper images go through the normalizer.

    Raises:
        InputError: If one of them cannot be read.
    """
    visible, raw = read_visible(files.visible), read_infrared(files.infrared)
    return visible, _eight_bits(visible, raw, normalizer)


def _eight_bits(
    visible: UInt8Array, raw: AnyInfrared, normalizer: InfraredNormalizer
) -> UInt8Array:
    # The normalizer reuses its output, and earlier pairs may still be being measured.
    infrared = raw.astype(np.uint8) if raw.dtype == np.uint8 else normalizer(raw).copy()
    if visible.shape[:2] != infrared.shape:
        raise InputError(
            f"the visible image is {visible.shape[1]}x{visible.shape[0]}, the infrared "
            f"{infrared.shape[1]}x{infrared.shape[0]}; metrics need registered pairs of one size"
        )
    return infrared


def file_normalizer() -> InfraredNormalizer:
    """The normalizer for images in files, where every one counts: none is held or replaced."""
    return InfraredNormalizer(NormalizationConfig(shutter=False))


@dataclass
class SequenceMeters:
    """The meters of a sequence, fed frame by frame.

    Attributes:
        untouched: ``(H, W) bool`` region that no transient object touches, measured against the
            first frame.
    """

    untouched: BoolArray | None = None
    _flicker: dict[str, FlickerMeter] = field(
        default_factory=lambda: {method: FlickerMeter() for method in METHODS}
    )
    _transient: TransientMeter = field(default_factory=TransientMeter)
    _first: FusedFrame | None = None

    def update(self, visible: UInt8Array, infrared: UInt8Array, fused: UInt8Array) -> None:
        """Add the next frame.

        Raises:
            InputError: If its size does not suit.
        """
        frame = FusedFrame.of(visible, infrared, fused)
        if self.untouched is not None and self._first is not None:
            self._transient.update(self._first, frame, self.untouched)
        self._first = self._first or frame
        for method, image in _outputs(frame.visible, frame.infrared, frame.fused).items():
            self._flicker[method].update(frame.visible, frame.infrared, image)

    def report(self) -> SequenceReport:
        """What was measured.

        Raises:
            InputError: If there were no two frames to compare.
        """
        return SequenceReport(
            {method: meter.report() for method, meter in self._flicker.items()},
            None if self.untouched is None else self._transient.report(),
        )


def evaluate(
    pairs: Iterable[PairFiles],
    fuse: FuseFiles,
    meters: SequenceMeters | None = None,
    workers: int = 1,
) -> Evaluation:
    """Measure a method on pairs, in their order; pairs that cannot be measured are reported.

    Args:
        pairs: What to measure.
        fuse: The method; see `fused_by` and `fused_in`.
        meters: What to measure of consecutive frames, too, if the pairs are a sequence.
        workers: Threads that read, and threads that compute metrics, beside the thread that fuses.

    Returns:
        The scores of the pairs, and the pairs left out.

    Raises:
        InputError: If no pair could be measured, or the sequence has no two frames to compare.
    """
    scores: list[PairScores] = []
    problems: list[Problem] = []
    for name, outcome in _measured(pairs, fuse, meters, workers):
        if isinstance(outcome, InputError):
            problems.append(Problem(name, str(outcome)))
        else:
            scores.append(PairScores(name, outcome))
    if not scores:
        first = f": {problems[0].name}: {problems[0].reason}" if problems else ""
        raise InputError(f"none of the {len(problems)} pairs could be measured{first}")
    return Evaluation(tuple(scores), tuple(problems), meters.report() if meters else None)


def _measured(
    pairs: Iterable[PairFiles], fuse: FuseFiles, meters: SequenceMeters | None, workers: int
) -> Iterator[tuple[str, Scores | InputError]]:
    """Results in order; images are read and measured beside this thread, fused in it."""
    read = ordered_map(_read, pairs, workers=workers)
    fused = _fused(read, fuse, meters)
    return ordered_map(_score, fused, workers=workers)


class _Read(NamedTuple):
    """A pair as read, or why it cannot be."""

    files: PairFiles
    images: tuple[UInt8Array, AnyInfrared] | InputError


class _Fused(NamedTuple):
    """Visible, infrared and fused image of a pair, or why it cannot be measured."""

    name: str
    images: tuple[UInt8Array, UInt8Array, UInt8Array] | InputError


def _read(files: PairFiles) -> _Read:
    try:
        return _Read(files, (read_visible(files.visible), read_infrared(files.infrared)))
    except InputError as error:
        return _Read(files, error)


def _fused(
    pairs: Iterable[_Read], fuse: FuseFiles, meters: SequenceMeters | None
) -> Iterator[_Fused]:
    normalizer = file_normalizer()
    for files, images in pairs:
        if isinstance(images, InputError):
            yield _Fused(files.name, images)
            continue
        if meters is None:
            normalizer.reset()
        visible, raw = images
        try:
            infrared = _eight_bits(visible, raw, normalizer)
            fused = fuse(files, visible, infrared)
            if meters is not None:
                meters.update(visible, infrared, fused)
            yield _Fused(files.name, (visible, infrared, fused))
        except InputError as error:
            yield _Fused(files.name, error)


def _score(pair: _Fused) -> tuple[str, Scores | InputError]:
    name, images = pair
    if isinstance(images, InputError):
        return name, images
    visible, infrared, fused = images
    try:
        evaluator = PairEvaluator(visible, infrared)
        outputs = _outputs(evaluator.visible, evaluator.infrared, fused)
        found = evaluator.evaluate_all(list(outputs.values()))
        return name, dict(zip(outputs, found, strict=True))
    except InputError as error:
        return name, error


def _outputs(visible: UInt8Array, infrared: UInt8Array, fused: UInt8Array) -> dict[str, UInt8Array]:
    """The images that are compared, in gray levels, by method."""
    rules = {name: rule(visible, infrared) for name, rule in BASELINES.items()}
    return {"fused": gray_levels(fused), **rules}


def select(pairs: Sequence[PairFiles], pattern: str | None, limit: int | None) -> list[PairFiles]:
    """The first ``limit`` pairs whose name matches a shell pattern.

    Raises:
        InputError: For none.
    """
    chosen = [pair for pair in pairs if pattern is None or fnmatchcase(pair.name, pattern)]
    if not chosen:
        raise InputError(f"none of the {len(pairs)} pairs has a name like '{pattern}'")
    return chosen if limit is None else chosen[:limit]
