"""Pictures of one kind with their labels, in batches that depend on seed and step alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import FuseFiles, file_normalizer, load_pair
from lut_fuse_core.evaluation.image_kinds import made
from lut_fuse_core.io.dataset import PairFiles

from ..data.batches import BATCH_STREAM

_MEAN, _DEVIATION = (
    torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
)
"""Of ImageNet, which public weights expect."""

Target = TypeVar("Target")


@dataclass(frozen=True)
class PictureConfig:
    """How networks get their pictures.

    Attributes:
        width: Of their input in pixels, a multiple of 32.
        height: Likewise.
        batch: Pictures per step.
        memory_gb: Pictures up to this size are kept in memory, others are made at each use.
    """

    width: int = 640
    height: int = 480
    batch: int = 8
    memory_gb: float = 4.0

    def __post_init__(self) -> None:
        if self.width % 32 or self.height % 32 or min(self.width, self.height) < 64:
            raise InputError(
                f"pictures.width and pictures.height are {self.width} and {self.height}; they must "
                "be multiples of 32, 64 or more"
            )
        if self.batch < 1:
            raise InputError(f"pictures.batch is {self.batch}; it must be 1 or more")


@dataclass(frozen=True)
class Labeled(Generic[Target]):
    """Pairs with what is to be found in them.

    Attributes:
        files: The pairs.
        target: Name, width and height of a pair to its labels. Raises InputError.
    """

    files: tuple[PairFiles, ...]
    target: Callable[[str, tuple[int, int]], Target]


class Pictures(Generic[Target]):
    """The pictures of one kind, by index.

    Args:
        labeled: Pairs and labels.
        kind: Name of the kind of image.
        make: What makes it.
        config: Size and memory.

    Raises:
        InputError: At use, for a pair, an image or labels that cannot be used.
    """

    def __init__(
        self, labeled: Labeled[Target], kind: str, make: FuseFiles, config: PictureConfig
    ) -> None:
        self._labeled, self._kind, self._make, self._config = labeled, kind, make, config
        self._kept: dict[int, tuple[UInt8Array, Target]] = {}
        most = config.memory_gb * 1e9 / (3 * config.width * config.height)
        self._keep = len(labeled.files) <= most

    def __len__(self) -> int:
        return len(self._labeled.files)

    def __getitem__(self, index: int) -> tuple[UInt8Array, Target]:
        """A picture of the networks' size ``(h, w, 3) uint8``, RGB, and its labels."""
        if index in self._kept:
            return self._kept[index]
        files = self._labeled.files[index]
        visible, infrared = load_pair(files, file_normalizer())
        image = made(self._kind, self._make, files, visible, infrared)
        size = (self._config.width, self._config.height)
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        found = resized, self._labeled.target(files.name, (visible.shape[1], visible.shape[0]))
        if self._keep:
            self._kept[index] = found
        return found


def as_input(images: Sequence[UInt8Array]) -> Tensor:
    """Pictures as networks take them: ``(B, 3, h, w)``, ImageNet's mean and deviation taken off."""
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return (stacked - _MEAN) / _DEVIATION


@dataclass(frozen=True)
class PictureBatch(Generic[Target]):
    """Pictures of a step.

    Attributes:
        images: ``(B, 3, h, w)``, see `as_input`.
        targets: Labels of each.
        mirrored: Whether each is mirrored; its labels are not.
    """

    images: Tensor
    targets: tuple[Target, ...]
    mirrored: tuple[bool, ...]

    def to(self, device: torch.device) -> PictureBatch[Target]:
        """The batch on a device."""
        return PictureBatch(self.images.to(device), self.targets, self.mirrored)


class PictureBatches(Generic[Target]):
    """Batches by step number, half of the pictures mirrored.

    Args:
        pictures: To draw from.
        batch: Pictures per step.
        seed: Of everything random.
    """

    def __init__(self, pictures: Pictures[Target], batch: int, seed: int) -> None:
        self._pictures, self._batch, self._seed = pictures, batch, seed

    def generator(self, step: int, stream: int) -> np.random.Generator:
        """The random numbers of this step, for one purpose."""
        return np.random.default_rng((self._seed, step, stream))

    def __call__(self, step: int) -> PictureBatch[Target]:
        """The batch of this step, on the CPU."""
        rng = self.generator(step, BATCH_STREAM)
        chosen = [
            self._pictures[self._shuffled(step * self._batch + k)] for k in range(self._batch)
        ]
        mirrored = tuple(bool(rng.random() < 0.5) for _ in chosen)
        images = [
            np.ascontiguousarray(image[:, ::-1]) if turn else image
            for (image, _), turn in zip(chosen, mirrored, strict=True)
        ]
        return PictureBatch(as_input(images), tuple(target for _, target in chosen), mirrored)

    def _shuffled(self, position: int) -> int:
        epoch, place = divmod(position, len(self._pictures))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._pictures))
        return int(order[place])
