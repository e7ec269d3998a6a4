"""A task of a batch: one input to fuse, with everything that a worker needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.pipeline.config import PipelineConfig


@dataclass(frozen=True)
class BagSettings:
    """How bags are fused.

    Attributes:
        options: `BagOptions` with `overwrite` set.
    """

    options: object


@dataclass(frozen=True)
class FileSettings:
    """How videos and folders are fused; see `fuse_files`.

    Attributes:
        sequence: Whether folders hold consecutive frames.
        suffix: Suffix of fused images, such as ``.png``.
    """

    sequence: bool = False
    suffix: str = ".png"


@dataclass(frozen=True)
class Task:
    """What to fuse, how, and where the result goes.

    Attributes:
        input: What to fuse.
        target: Place of the output: a bag's folder, a video or a folder of images.
        config: Settings of the pipeline.
        settings: Settings of the kind of input.
        auto_offset: Whether the clock offset is estimated from the input first.
        receipt: File in which the outcome is noted when the output is complete; None for none.
        earlier: Names of the files that this batch wrote there before.
    """

    input: BatchInput
    target: Path
    config: PipelineConfig
    settings: BagSettings | FileSettings
    auto_offset: bool = False
    receipt: Path | None = None
    earlier: frozenset[str] = frozenset()
