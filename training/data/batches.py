"""The batch of a step depends on seed and step number alone, so a resumed run repeats it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.model.features import ambient_of_samples, ambient_samples

from .augment import AugmentConfig, augment
from .pairs import DataConfig, Pair, PairSource, crop_pair

BATCH_STREAM, LOSS_STREAM = 0, 1
"""Purposes of random numbers: making the batch, and noise within the loss."""

UNAUGMENTED = AugmentConfig(**dict.fromkeys(AugmentConfig.__dataclass_fields__, 0.0))


@dataclass(frozen=True)
class Batch:
    """Crops of one size, float32.

    Attributes:
        visible: ``(B, 3, H, W)`` in [0, 1], RGB.
        infrared: ``(B, 1, H, W)`` in [0, 1].
        ambient: Level of the whole scene, of which these are crops, ``(B,)`` in [0, 1].
        teacher_output: Luma that a teacher made of these crops, ``(B, 1, H, W)``, if it comes from
            a folder.
    """

    visible: Tensor
    infrared: Tensor
    ambient: Tensor
    teacher_output: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        teacher_output = None if self.teacher_output is None else self.teacher_output.to(device)
        return Batch(
            self.visible.to(device),
            self.infrared.to(device),
            self.ambient.to(device),
            teacher_output,
        )


Scene = Callable[[np.random.Generator], Pair]
"""Makes one synthetic pair at least as large as a crop."""


class BatchSource:
    """Batches by step number.

    Every process of a distributed run draws other pairs of the same shuffled order. With a
    teacher's folder pairs are not augmented: its images belong to the originals.

    Args:
        pairs: To draw from.
        data: Size of crops and batches.
        augmentation: Of the pairs.
        seed: Of the shuffling and the augmentation.
        scene: Draws synthetic scenes; None without.
        rank: Number of this process.
        world: How many processes there are.
    """

    def __init__(
        self,
        pairs: PairSource,
        data: DataConfig,
        augmentation: AugmentConfig,
        seed: int,
        scene: Scene | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._pairs, self._data, self._augmentation = pairs, data, augmentation
        self._seed, self._scene, self._rank, self._world = seed, scene, rank, world
        self._pool = ThreadPoolExecutor(data.workers) if data.workers else None
        self._pending: dict[int, Future[Batch]] = {}

    def __call__(self, step: int) -> Batch:
        """The batch of this step, on the CPU; threads make those of the next steps meanwhile."""
        if self._pool is None:
            return self._make(step)
        for ahead in range(step, step + self._data.workers + 1):
            if ahead not in self._pending:
                self._pending[ahead] = self._pool.submit(self._make, ahead)
        return self._pending.pop(step).result()

    def generator(self, step: int, stream: int) -> np.random.Generator:
        """The random numbers of this step and process, for one purpose (``BATCH_STREAM``, ...)."""
        return np.random.default_rng((self._seed, self._rank, step, stream))

    def _make(self, step: int) -> Batch:
        rng = self.generator(step, BATCH_STREAM)
        first = (step * self._world + self._rank) * self._data.batch
        samples = [self._sample(first + k, rng) for k in range(self._data.batch)]
        visible, infrared, levels, teacher_output = zip(*samples, strict=True)
        return Batch(
            _stack(visible).permute(0, 3, 1, 2).contiguous(),
            _stack(infrared)[:, None],
            _stack(levels),
            None if teacher_output[0] is None else _stack(teacher_output)[:, None],
        )

    def _sample(self, position: int, rng: np.random.Generator) -> tuple[FloatArray | None, ...]:
        synthetic = self._scene is not None and rng.random() < self._data.synthetic_share
        source = (
            self._scene(rng) if synthetic and self._scene else self._pairs[self._shuffled(position)]
        )
        pair = crop_pair(source, self._data.crop, rng)
        visible, infrared = _unit(pair.visible), _unit(pair.infrared)
        scene = _unit(ambient_samples(source.visible))
        if pair.teacher_output is not None:
            return visible, infrared, _ambient(scene), _unit(pair.teacher_output)
        augmentation = UNAUGMENTED if synthetic else self._augmentation
        visible, infrared, scene = augment(visible, infrared, scene, augmentation, rng)
        return visible, infrared, _ambient(scene), None

    def _shuffled(self, position: int) -> int:
        epoch, place = divmod(position, len(self._pairs))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._pairs))
        return int(order[place])


def whole_images(pair: Pair, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """A whole pair as a batch of one: visible ``(1, 3, H, W)`` RGB and infrared ``(1, 1, H, W)``,
    float32 in [0, 1], on a device."""
    visible = torch.from_numpy(_unit(pair.visible)).permute(2, 0, 1)[None]
    infrared = torch.from_numpy(_unit(pair.infrared))[None, None]
    return visible.to(device), infrared.to(device)


def _ambient(samples: FloatArray) -> FloatArray:
    """Ambient level of a scene from its samples (`features.ambient_samples`), ``()`` in [0, 1]."""
    pixels = np.rint(255 * samples).astype(np.uint8)
    return np.array(ambient_of_samples(pixels) / 255, np.float32)


def _unit(image: npt.NDArray[Any]) -> FloatArray:
    return image.astype(np.float32) / np.float32(255)


def _stack(images: tuple[FloatArray, ...]) -> Tensor:
    return torch.from_numpy(np.stack(images))
