"""Training pairs: read, checked, split into training and validation, and cut into crops."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.io.dataset import (
    Dataset,
    PairFiles,
    find_dataset,
    images_by_name,
    read_infrared,
    read_visible,
)

SMALLEST_SIDE = 48
"""Pairs with a shorter side (pixels) are of no use: a crop would be mostly synthetic border."""


NO_PARTNER = "it has no partner of the same name"
"""Why an image cannot be used that only one of the two folders has."""


@dataclass(frozen=True)
class DataConfig:
    """Which crops a step sees.

    Attributes:
        crop: Side of the square crops in pixels; smaller images are continued by reflection.
        batch: Pairs per step (per process).
        validation_share: Share of the pairs kept for validation, chosen by a hash of the file name,
            so that adding pairs never moves one between the two.
        validation_pairs: At most so many of them are measured, to save time.
        synthetic_share: Share of the batch made of synthetic night scenes.
        synthetic_scenes: How many of them are drawn at the start (about a second each).
        synthetic_warmth: How much warmer their ground may be, beside people and cars, than it is
            drawn: infrared's gray levels, from 0 to 1, get an exponent between 1 less this and 1.
        memory_gb: Data sets up to this size are held in memory, larger ones are read at each use.
        workers: Threads that make the next batches meanwhile; worth it where a step is short (GPU)
            or pairs are read at each use.
    """

    crop: int = 160
    batch: int = 4
    validation_share: float = 0.1
    validation_pairs: int = 24
    synthetic_share: float = 0.0
    synthetic_scenes: int = 24
    synthetic_warmth: float = 0.0
    memory_gb: float = 4.0
    workers: int = 0

    def __post_init__(self) -> None:
        if self.crop < SMALLEST_SIDE or self.batch < 1 or self.synthetic_scenes < 1:
            raise InputError(
                f"data.crop must be {SMALLEST_SIDE} or more, data.batch and data.synthetic_scenes "
                "1 or more"
            )
        if self.workers < 0:
            raise InputError("data.workers must not be negative")
        if not (0 <= self.validation_share < 1 and 0 <= self.synthetic_share <= 1):
            raise InputError("data.validation_share and data.synthetic_share are shares, 0 to 1")
        if not 0 <= self.synthetic_warmth < 1:
            raise InputError("data.synthetic_warmth must be 0 or more and below 1")


@dataclass(frozen=True)
class Pair:
    """One pair in memory.

    Attributes:
        name: Stem of its files.
        visible: ``(H, W, 3) uint8`` RGB.
        infrared: ``(H, W) uint8``.
        teacher_output: ``(H, W) uint8``, the luma that a teacher made of it; None unless that comes
            from a folder.
    """

    name: str
    visible: UInt8Array
    infrared: UInt8Array
    teacher_output: UInt8Array | None = None

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self.visible.nbytes + self.infrared.nbytes * (
            1 if self.teacher_output is None else 2
        )


@dataclass(frozen=True)
class BadPair:
    """A pair that cannot be used.

    Attributes:
        name: Stem of its files.
        reason: Why not, one sentence.
    """

    name: str
    reason: str


class PairSource:
    """The usable pairs of a folder, by index; in memory, or read again at each use if too many.

    Args:
        loaders: One per pair; reads it.
        pairs: The pairs in memory; None to read them at each use.
    """

    def __init__(self, loaders: Sequence[Callable[[], Pair]], pairs: Sequence[Pair] | None) -> None:
        self._loaders = loaders
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._loaders)

    def __getitem__(self, index: int) -> Pair:
        return self._pairs[index] if self._pairs is not None else self._loaders[index]()


@dataclass(frozen=True)
class PairSets:
    """The pairs of a data set.

    Attributes:
        training: To train on.
        validation: To validate on.
        bad: Those that had to be left out.
    """

    training: PairSource
    validation: PairSource
    bad: tuple[BadPair, ...]


def read_pairs(
    folder: str | Path,
    config: DataConfig,
    teacher_output: str | Path | None = None,
    quiet: bool = False,
) -> PairSets:
    """Read all pairs of a data set, leaving out those that cannot be used.

    Args:
        folder: Any layout that `lut_fuse_core.io.dataset.find_dataset` knows.
        config: Split, memory, crops.
        teacher_output: Folder of images fused by a teacher, matched by file stem; their luma is
            kept.
        quiet: Whether to leave out the progress bar.

    Raises:
        InputError: If no usable pair remains.
    """
    dataset = training_part(folder)
    fused = images_by_name(teacher_output) if teacher_output is not None else None
    bad = [BadPair(name, NO_PARTNER) for name in dataset.unmatched]
    loaders: list[list[Callable[[], Pair]]] = [[], []]
    kept: list[list[Pair]] = [[], []]
    size = 0
    for files in tqdm(dataset.pairs, "reading pairs", unit="pair", disable=quiet, leave=False):
        try:
            pair = load_pair(files, fused)
        except InputError as error:
            bad.append(BadPair(files.name, str(error)))
            continue
        part = int(in_validation(files.name, config.validation_share))
        loaders[part].append(lambda files=files: load_pair(files, fused))  # type: ignore[misc]
        size += pair.size
        if size <= config.memory_gb * 1e9:
            kept[part].append(pair)
    if not loaders[0]:
        first = f", for example {bad[0].name}: {bad[0].reason}" if bad else ""
        if loaders[1]:
            first = "; all of its pairs fall to validation: lower data.validation_share"
        raise InputError(f"{folder} has no usable pair to train on{first}")
    small = size <= config.memory_gb * 1e9
    training, validation = (
        PairSource(loader, pairs if small else None)
        for loader, pairs in zip(loaders, kept, strict=True)
    )
    return PairSets(training, validation, tuple(bad))


def training_part(folder: str | Path) -> Dataset:
    """The pairs to train on: those of the training split where a data set has splits."""
    return find_dataset(folder, splits=("train",))


def load_pair(files: PairFiles, fused: dict[str, Path] | None = None) -> Pair:
    """Read one pair.

    Raises:
        InputError: If an image is damaged, of another size or too small.
    """
    visible, infrared = read_visible(files.visible), to_gray(read_infrared(files.infrared))
    height, width = infrared.shape
    if visible.shape[:2] != infrared.shape:
        raise InputError(
            f"visible is {visible.shape[1]}x{visible.shape[0]} but infrared {width}x{height}; "
            "training needs registered pairs"
        )
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(f"{width}x{height} is too small; {SMALLEST_SIDE} pixels are the least")
    if fused is None:
        return Pair(files.name, visible, infrared)
    if files.name not in fused:
        raise InputError("the teacher's folder has no image of this name")
    teacher_output = cv2.cvtColor(read_visible(fused[files.name]), cv2.COLOR_RGB2GRAY)
    if teacher_output.shape != infrared.shape:
        raise InputError(
            f"the teacher's image is {teacher_output.shape[1]}x{teacher_output.shape[0]}, the pair "
            f"{width}x{height}"
        )
    return Pair(files.name, visible, infrared, teacher_output.astype(np.uint8, copy=False))


def to_gray(infrared: UInt8Array | npt.NDArray[Any]) -> UInt8Array:
    """8-bit infrared: as it is, or 16-bit counts stretched as a running pipeline would."""
    if infrared.dtype == np.uint8:
        return infrared
    return InfraredNormalizer()(infrared)


def in_validation(name: str, share: float) -> bool:
    """Whether a pair belongs to the validation split; depends on its name alone."""
    # A file's name may hold bytes that are no text.
    digest = hashlib.sha256(os.fsencode(name)).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def crop_pair(pair: Pair, side: int, rng: np.random.Generator) -> Pair:
    """A random square of a pair, mirrored half of the time; reflected where the image ends."""
    height, width = pair.infrared.shape
    top = int(rng.integers(0, max(height - side, 0) + 1))
    left = int(rng.integers(0, max(width - side, 0) + 1))
    mirror = rng.random() < 0.5

    def cut(image: UInt8Array) -> UInt8Array:
        part = image[top : top + side, left : left + side]
        if mirror:
            part = part[:, ::-1]
        below, right = side - part.shape[0], side - part.shape[1]
        if below or right:
            edges = [(0, below), (0, right)] + [(0, 0)] * (image.ndim - 2)
            part = np.pad(part, edges, mode="reflect")
        return np.ascontiguousarray(part)

    teacher_output = None if pair.teacher_output is None else cut(pair.teacher_output)
    return Pair(pair.name, cut(pair.visible), cut(pair.infrared), teacher_output)
