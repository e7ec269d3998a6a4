"""The frames of a data set, with their labels and the part that they belong to."""

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
        part: Part of the data set, such as ``train``.
        frame: The images.
        boxes: Labeled objects in pixels; None without labels.
    """

    part: str
    frame: Frame
    boxes: tuple[LabeledBox, ...] | None


@dataclass(frozen=True)
class ImageSettings:
    """What is written of each frame.

    Attributes:
        kinds: Some of `KINDS`.
        suffix: ``.png`` or ``.jpg``.
    """

    kinds: tuple[str, ...] = ("fused", "visible", "infrared")
    suffix: str = ".png"

    def encoded(self, frame: Frame, kind: str) -> bytes:
        """Encode one image of a frame.

        Args:
            frame: The frame.
            kind: One of `KINDS`.

        Returns:
            The file; JPEG has quality `JPEG_QUALITY`.
        """
        image = frame.image(kind)
        if self.suffix == ".png" and image.ndim == 3:
            return encode_png(image)
        stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
        # OpenCV warns about settings that the format does not have.
        settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if self.suffix == ".jpg" else []
        return cv2.imencode(self.suffix, stored, settings)[1].tobytes()


@dataclass
class ExportReport:
    """What was exported.

    Attributes:
        frames: Number of frames by part.
        recordings: Number of recordings with frames by part.
        boxes: Number of labeled objects.
        unlabeled: Number of frames that were left out, since there are labels, but none for them.
        problems: Sentences about what could not be used, by recording.
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
    """Fuse recordings one after the other.

    A recording that cannot be read is noted and does not stop the others.

    Args:
        sources: The recordings.
        selection: What is read of them.
        config: Settings of the pipeline; each recording starts with a new one.
        split: Which part each recording belongs to.
        labels: Labeled objects by the name or the stem of a frame; None without labels.
        report: What was done is added here.
        progress: Called with the number of recordings done so far and of all.

    Yields:
        The frames to export.
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
    """Write a folder that appears when the block ends without an error; otherwise nothing is left.

    Args:
        target: The folder.

    Yields:
        An empty folder to write to.

    Raises:
        InputError: If the target exists.
        OSError: If it cannot be written.
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
