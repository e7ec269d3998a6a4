"""What a student is compared with while it learns: what it started from, and a rival."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from torch import Tensor

from lut_fuse_core.errors import InputError

from ..data.batches import Batch
from ..losses.quality_terms import Start
from ..networks.mm_lut import MMLut
from ..networks.teachers import Teacher, open_teacher
from ..run.options import RunOptions
from .distil_config import DistilConfig

FuseBatch = Callable[[Teacher, Batch], Tensor]
"""What a method makes of a batch, luma ``(B, 1, H, W)`` in [0, 1]."""


class Comparison:
    """The methods that the configuration names.

    Args:
        config: Of the distillation.
        options: Device and precision.

    Raises:
        InputError: If one cannot be had, or where it is not said with what to compare; nothing else
            has been read by then.
    """

    def __init__(self, config: DistilConfig, options: RunOptions) -> None:
        self._loss = loss = config.loss
        if loss.relative and not (config.start_from or loss.relative_to):
            raise InputError("loss.relative compares with the start; say which by --from")
        if (loss.relative_to or loss.rival) and not loss.relative:
            raise InputError("loss.relative_to and loss.rival need loss.relative: true")
        if not loss.relative and loss.darker:
            raise InputError("loss.darker needs loss.relative: true")
        self._before = _method(loss.relative_to, options) if loss.relative_to else None
        self._rival = _method(loss.rival, options) if loss.rival else None

    def begin(self, student: MMLut) -> None:
        """Compare with the student as it is now, unless another method is named for that."""
        if self._loss.relative and self._before is None:
            self._before = deepcopy(student).requires_grad_(False)

    def start(self, batch: Batch, fuse: FuseBatch) -> Start | None:
        """What to compare this batch with; None for nothing."""
        if self._before is None:
            return None
        return Start(
            fuse(self._before, batch),
            [(batch.ambient < group.level, group.targets) for group in self._loss.darker],
            None if self._rival is None else fuse(self._rival, batch),
            self._loss.lead,
        )


def _method(path: str, options: RunOptions) -> Teacher:
    """A method that fuses any crop.

    Raises:
        InputError: For a folder of images.
    """
    network = open_teacher(path, options.device).network
    if network is None:
        raise InputError(f"{path} is a folder; what is compared with must be able to fuse any crop")
    return network
