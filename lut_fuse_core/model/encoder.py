"""The context encoder: its layers and what makes them valid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import ModelError

MAX_ENCODER_CHANNELS = 256
"""Outputs of one convolution."""

MAX_CONTEXT_STRIDE = 64
"""Pixels a side of the square that one context value stands for."""

EncoderInput = Literal["rgb_infrared", "luma_infrared"]

INPUT_CHANNELS: dict[str, int] = {"rgb_infrared": 4, "luma_infrared": 2}


@dataclass(frozen=True)
class ConvBlock:
    """One 3x3 convolution with zero padding.

    Attributes:
        weight: ``(out, in, 3, 3) float32``.
        bias: ``(out,) float32``.
        gain: Factors ``(out,)`` of the instance normalization that follows; None without one.
        offset: Its summands ``(out,)``; None without one.
        input_range: Magnitude that what it convolves hardly exceeds on real pairs, which int8
            needs; None if it was not measured.

    Raises:
        ModelError: For shapes that do not fit together, a gain without an offset or the other way
            round, or a range that is not positive.
    """

    weight: FloatArray
    bias: FloatArray
    gain: FloatArray | None = None
    offset: FloatArray | None = None
    input_range: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        weight = self.weight
        if weight.ndim != 4 or weight.shape[2:] != (3, 3):
            raise ModelError(
                f"an encoder weight has shape {weight.shape}; it needs (out, in, 3, 3)"
            )
        for vector in (self.bias, self.gain, self.offset):
            if vector is not None and vector.shape != (weight.shape[0],):
                raise ModelError(
                    f"an encoder vector has shape {vector.shape}; it needs ({weight.shape[0]},)"
                )
        if (self.gain is None) != (self.offset is None):
            raise ModelError("an encoder block has a gain or an offset but not both")
        if self.input_range is not None and not 0 < self.input_range < np.inf:
            raise ModelError(
                f"an encoder block's input range is {self.input_range}; it must be positive"
            )


@dataclass(frozen=True)
class ContextEncoder:
    """The context encoder: 3x3 convolutions from the image pair to one context value (CSE).

    The input channels (``rgb_infrared`` or ``luma_infrared``, gray levels times ``input_scale``)
    are averaged over ``pool`` x ``pool`` pixels, then ``unshuffle`` x ``unshuffle`` neighbors
    become channels. All blocks but the last end in LeakyReLU(``slope``), followed by instance
    normalization where the block carries a gain. With ``skip`` the first block's output is added
    to the last but one's. The last block ends in a sigmoid, scaled to 0..255 gray levels.

    Attributes:
        blocks: The convolutions, in order; two or more, five as published.
        inputs: What the channels are.
        input_scale: Factor on gray levels.
        pool: Side of the squares that are averaged, in pixels.
        unshuffle: Side of the squares that become channels, in averaged pixels.
        slope: Of LeakyReLU below 0.
        skip: Whether the first block's output is added to the last but one's.

    Raises:
        ModelError: For settings that do not exist, or blocks that do not fit together.
    """

    blocks: tuple[ConvBlock, ...]
    inputs: EncoderInput = "luma_infrared"
    input_scale: float = 1.0 / 255.0
    pool: int = 1
    unshuffle: int = 1
    slope: float = 0.2
    skip: bool = True

    def __post_init__(self) -> None:
        if self.inputs not in INPUT_CHANNELS:
            raise ModelError(
                f"encoder input '{self.inputs}' is not one of {', '.join(INPUT_CHANNELS)}"
            )
        for name, value, kind in (
            ("pool", self.pool, int),
            ("unshuffle", self.unshuffle, int),
            ("skip", self.skip, bool),
        ):
            if type(value) is not kind:  # a bool is an int to isinstance
                raise ModelError(f"the encoder's {name} is {value!r}, not of type {kind.__name__}")
        if self.pool < 1 or self.unshuffle < 1 or self.stride > MAX_CONTEXT_STRIDE:
            raise ModelError(
                f"the context stride {self.stride} is outside 1 to {MAX_CONTEXT_STRIDE}"
            )
        if len(self.blocks) < 2:
            raise ModelError(
                f"the context encoder has {len(self.blocks)} blocks; it needs 2 or more"
            )
        channels = INPUT_CHANNELS[self.inputs] * self.unshuffle**2
        for block in self.blocks:
            if block.weight.shape[1] != channels:
                raise ModelError(
                    f"an encoder block takes {block.weight.shape[1]} channels but gets {channels}"
                )
            channels = block.weight.shape[0]
            if channels > MAX_ENCODER_CHANNELS:
                raise ModelError(
                    f"an encoder block has {channels} channels; {MAX_ENCODER_CHANNELS} is the limit"
                )
        if channels != 1:
            raise ModelError(f"the context encoder ends in {channels} channels; it needs 1")
        first, last_hidden = self.blocks[0], self.blocks[-2]
        if self.skip and first.weight.shape[0] != last_hidden.weight.shape[0]:
            raise ModelError("the encoder's skip connection joins blocks of different widths")
        if not (np.isfinite(self.slope) and np.isfinite(self.input_scale)):
            raise ModelError("the encoder's slope or input scale is not a finite number")

    @property
    def stride(self) -> int:
        """Side in pixels of the square that one context value stands for."""
        return self.pool * self.unshuffle

    @property
    def largest_activation(self) -> float:
        """Bound of the magnitude of anything that any pair can lead to."""
        bound = largest = 255 * abs(self.input_scale)
        outputs: list[float] = []
        for block in self.blocks:
            if self.skip and len(outputs) == len(self.blocks) - 1:
                bound += outputs[0]
            reach = np.abs(block.weight.astype(np.float64)).sum(axis=(1, 2, 3))
            bound = float((reach * bound + np.abs(block.bias)).max()) * max(1.0, abs(self.slope))
            largest = max(largest, bound)
            if block.gain is not None and block.offset is not None:
                # No value is more deviations from its frame's mean than the root of their number.
                bound = float((2.0**16 * np.abs(block.gain) + np.abs(block.offset)).max())
            outputs.append(bound)
        return largest

    @property
    def ranges_known(self) -> bool:
        """Whether the range of every convolution's input was measured."""
        return all(block.input_range is not None for block in self.blocks)

    @property
    def per_frame(self) -> bool:
        """Whether the encoder normalizes with each frame's own statistics (as published)."""
        return any(block.gain is not None for block in self.blocks)
