"""What a frame needs on the GPU, and the stage that computes its context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from lut_fuse_core.arrays import UInt8Array


@dataclass(frozen=True)
class Work:
    """What one graph does.

    Attributes:
        infrared: ``given`` registered, in 8 bits; the held ``raw`` frame; or ``kept``, what became
            of the held frame.
        masked: Whether a mask is given.
        strength: Share of the fused image in the output, 0 to 1.
        copies: With the transfers from and to the host.
    """

    infrared: Literal["given", "raw", "kept"] = "given"
    masked: bool = False
    strength: float = 1.0
    copies: bool = True


@dataclass
class GpuFrame:
    """Buffers of one image size.

    Attributes:
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        rows: Of the encoder's grid.
        columns: Of the encoder's grid.
        host: Pinned arrays by name.
        device: Arrays by name: CuPy's, or the pinned host memory itself where frames are read in
            place.
        context: ``(rows, columns) float32`` on the device.
        graphs: Captured CUDA graphs.
    """

    height: int
    width: int
    rows: int
    columns: int
    host: dict[str, UInt8Array]
    device: dict[str, Any]
    context: Any
    graphs: dict[Work, Any] = field(default_factory=dict)

    @property
    def image_arguments(self) -> tuple[Any, ...]:
        """The visible image, its height and width, as all kernels take them."""
        return self.device["visible"], np.int32(self.height), np.int32(self.width)

    @property
    def grid_arguments(self) -> tuple[Any, ...]:
        """Rows and columns of the context."""
        return np.int32(self.rows), np.int32(self.columns)


@dataclass(frozen=True)
class InfraredSource:
    """Where a kernel finds infrared.

    Attributes:
        arguments: The kernel's arguments for infrared.
        raw: Whether it is the variant that reads a raw frame.
    """

    arguments: tuple[Any, ...]
    raw: bool = False

    def variant(self, kernel: str) -> str:
        """The name of the kernel that takes these arguments."""
        return f"sensor_{kernel}" if self.raw else kernel


class ContextStage(Protocol):
    """Computes the context of a frame. generation: changes with what is executed for it."""

    generation: int

    def prepare(self, frame: GpuFrame) -> None:
        """Allocate and build what a new image size needs."""
        ...

    def launch(self, frame: GpuFrame, infrared: InfraredSource, stream: Any) -> None:
        """Put the work from both images to the context on a stream, without waiting."""
        ...
