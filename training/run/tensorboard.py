"""TensorBoard, if it is installed: curves of all terms and panels of fused validation pairs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from torch import Tensor


class Board:
    """Writes to ``out/tensorboard``; without TensorBoard it says so once and writes nothing.

    Args:
        out: Output folder of the run.
        active: False writes nothing.
        quiet: Whether to keep silent about a missing TensorBoard.
    """

    def __init__(self, out: Path, active: bool = True, quiet: bool = False) -> None:
        self._writer: Any = None
        if not active:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            if not quiet:
                print(
                    "no TensorBoard here, so no curves and panels; 'pip install tensorboard'",
                    file=sys.stderr,
                )
            return
        self._writer = SummaryWriter(str(out / "tensorboard"))

    @property
    def active(self) -> bool:
        """Whether panels are wanted."""
        return self._writer is not None

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Points of curves, by name."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def panel(self, step: int, name: str, image: Tensor) -> None:
        """A picture ``(3, H, W)``, float, 0 to 1."""
        if self._writer is not None:
            self._writer.add_image(name, image.clamp(0, 1), step)

    def close(self) -> None:
        """Write what is pending."""
        if self._writer is not None:
            self._writer.close()
