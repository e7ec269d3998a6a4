"""Frames with their labels and the part of the data set that they belong to."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2

from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.detection.labels import LabeledBox, Labels
from lut_fuse_core.export.frames import Frame, frames_of
from lut_fuse_core.export.recordings import Selection
from lut_fuse_core.export.split import Split
from lut_fuse_core.io.png import encode_png
from lut_fuse_core.pipeline.config import PipelineConfig

JPEG_QUALITY = 95


class Example(NamedTuple):
    """A frame of a data set.

    Attributes:
        part: Of the data set, such as ``train``.
        frame: The images.
        boxes: Objects in pixels; None where nothing is labeled.
    """

    part: str
    frame: Frame
    boxes: tuple[LabeledBox, ...] | None


@dataclass(frozen=True)
class ImageSettings:
    """What is written of each frame.

    Attributes:
        kinds: Of `KINDS`.
        suffix: ``.png`` or ``.jpg``.
    """

    kinds: tuple[str, ...] = ("fused", "visible", "infrared")
    suffix: str = ".png"

    def encoded(self, frame: Frame, kind: str) -> bytes:
        """One image of a frame as the content of a file."""
        image = frame.image(kind)
        if self.suffix == ".png" and image.ndim == 3:
            return encode_png(image)
        stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
        # OpenCV warns of settings that the format does not have.
        settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if self.suffix == ".jpg" else []
        return cv2.imencode(self.suffix, stored, settings)[1].tobytes()


@dataclass
class ExportReport:
    """What was exported.

    Attributes:
        frames: Frames of each part.
        recordings: Recordings of each part.
        boxes: Labeled objects.
        unlabeled: Frames that were left out, since labels were given, but none for them.
        problems: What could not be used, by recording.
    """

    frames: Counter[str] = field(default_factory=Counter)
    recordings: Counter[str] = field(default_factory=Counter)
    boxes: int = 0
    unlabeled: int = 0
    problems: dict[str, list[str]] = field(default_factory=dict)


def examples(
    sources: Sequence[BatchInput],
    selection: Selection,
    config: PipelineConfig,
    split: Split,
    labels: Labels | None,
    report: ExportReport,
    progress: Callable[[int, int], None],
) -> Iterator[Example]:
    """Fuse recordings one after the other, and yield what is to be exported.

    A recording that cannot be read is noted, and stops no other.

    Args:
        sources: The recordings.
        selection: What of them.
        config: Of the pipeline; each recording starts with a new one.
        split: Which part each recording belongs to.
        labels: Objects by a frame's name, or its stem; None without labels.
        report: What was done is added here.
        progress: Told how many recordings are done, and of how many.
    """
    for number, source in enumerate(sources):
        progress(number, len(sources))
        part, name = split.of(source.target), str(source.target)
        problems: list[str] = []
        count = 0
        try:
            for frame in frames_of(source, selection, config, problems.append):
                boxes = None if labels is None else _boxes(labels, frame)
                if labels is not None and boxes is None:
                    report.unlabeled += 1
                    continue
                count += 1
                report.boxes += len(boxes or ())
                yield Example(part, frame, boxes)
        except InputError as error:
            problems.append(str(error))
        report.frames[part] += count
        report.recordings[part] += count > 0
        if problems:
            report.problems[name] = problems
    progress(len(sources), len(sources))


def _boxes(labels: Labels, frame: Frame) -> tuple[LabeledBox, ...] | None:
    height, width = frame.fused.shape[:2]
    for key in (frame.name, frame.stem):
        if key in labels.boxes:
            return labels.inside(key, (width, height))
    return None


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a folder that becomes ``target`` when the block ends without an error.

    Raises:
        InputError: The target is there already.
    """
    if target.exists():
        raise InputError(f"{target} is there already; choose another folder, or remove it")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        aside.mkdir()
        yield aside
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
