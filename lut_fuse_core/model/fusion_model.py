"""The model: one MM-LUT (4-D lattice plus context encoder) and everything needed to run it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lut_fuse_core.errors import ModelError

FloatArray = npt.NDArray[np.float32]

AXIS_NAMES = ("luma", "infrared", "gradient", "context")
MAX_NODES_PER_AXIS = 64
MAX_ENCODER_CHANNELS = 256
MAX_CONTEXT_STRIDE = 64

LARGEST_LEVEL, LEAST_STEP = 1e6, 1e-3
"""Grey levels: of the end of an axis, and from one node to the next. Far beyond what is sensible,
and far inside what float32 can count."""

LARGEST_ACTIVATION = 1e18
"""Its square, in a frame's variance, is still finite in float32."""

EncoderInput = Literal["rgb_infrared", "luma_infrared"]
INPUT_CHANNELS: dict[str, int] = {"rgb_infrared": 4, "luma_infrared": 2}


@dataclass(frozen=True)
class Axis:
    """One axis of the lattice: ``nodes`` equally spaced nodes from ``low`` to ``high`` grey levels.

    Features beyond the range take the value at its end.
    """

    name: str
    nodes: int
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.name not in AXIS_NAMES:
            raise ModelError(f"lattice axis '{self.name}' is not one of {', '.join(AXIS_NAMES)}")
        if not 2 <= self.nodes <= MAX_NODES_PER_AXIS:
            raise ModelError(
                f"the {self.name} axis has {self.nodes} nodes; it needs 2 to {MAX_NODES_PER_AXIS}"
            )
        if not -LARGEST_LEVEL <= self.low < self.high <= LARGEST_LEVEL or self.step < LEAST_STEP:
            raise ModelError(
                f"the {self.name} axis runs from {self.low} to {self.high}; it must increase, by "
                f"{LEAST_STEP} or more from node to node, within {LARGEST_LEVEL:.0e} grey levels"
            )

    @property
    def step(self) -> float:
        """Distance between two nodes in grey levels (the paper's T, equation 3)."""
        return (self.high - self.low) / (self.nodes - 1)


@dataclass(frozen=True)
class GradientSpec:
    """How the visible gradient is computed from the luma (Sobel, 3x3).

    norm: ``l2`` for the magnitude, ``l1`` for the sum of absolute derivatives.
    border: ``zero`` pads the luma with black (as published), ``replicate`` repeats the edge.
    scaling: ``fixed`` multiplies by ``scale``, so that equal neighbourhoods give equal values in
        every frame; ``frame`` maps each frame's own minimum and maximum to 0 and 255 (published).
    scale: grey levels of the gradient axis per Sobel response in grey levels (``fixed`` only).
    """

    norm: Literal["l1", "l2"] = "l1"
    border: Literal["zero", "replicate"] = "replicate"
    scaling: Literal["fixed", "frame"] = "fixed"
    scale: float = 0.25

    def __post_init__(self) -> None:
        for value, allowed in (
            (self.norm, ("l1", "l2")),
            (self.border, ("zero", "replicate")),
            (self.scaling, ("fixed", "frame")),
        ):
            if value not in allowed:
                raise ModelError(f"gradient setting '{value}' is not one of {', '.join(allowed)}")
        if not 0 < self.scale <= LARGEST_LEVEL:
            raise ModelError(
                f"the gradient scale must be positive, up to {LARGEST_LEVEL:.0e}, not {self.scale}"
            )


@dataclass(frozen=True)
class DarkScenes:
    """What a model does differently where the whole scene is not bright.

    A lit wall by night has the levels of a wall in shadow by day, but asks for another fusion. So a
    model may have further lattices; the ambient level of the frame (`features.ambient`) tells which
    one serves.

    lattices: ``(scenes, luma, infrared, gradient, context) float32``, each like
        `FusionModel.lattice`, the one for the darkest scenes first.
    levels: ambient levels, in grey levels, increasing, one more than lattices. Each lattice serves
        alone at its level, the first below it, too; at the last level and above the model's own
        lattice does; in between a mixture of two neighbours, linear in the level.
    """

    lattices: FloatArray
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        if not increasing_levels(self.levels):
            raise ModelError(
                f"scenes are dark at levels {list(self.levels)}; it takes two or more that "
                "increase, from 0 to 255"
            )
        if len(self.lattices) != len(self.levels) - 1:
            raise ModelError(
                f"there are {len(self.lattices)} lattices for dark scenes at {len(self.levels)} "
                "levels; it takes one less than levels, for the last is that of bright scenes"
            )

    def place(self, ambient: float) -> tuple[int, float]:
        """Where a scene of this ambient level is: the number of the last lattice whose level it
        reaches, or else of the first, and the share of the next one, below 1. The number of
        lattices stands for the model's own.
        """
        if ambient <= self.levels[0]:
            return 0, 0.0
        if ambient >= self.levels[-1]:
            return len(self.lattices), 0.0
        index = bisect_right(self.levels, ambient) - 1
        low, high = self.levels[index : index + 2]
        return index, (ambient - low) / (high - low)


def increasing_levels(levels: Sequence[float]) -> bool:
    """Whether these are two or more grey levels, from 0 to 255, each above the one before (also in
    float32)."""
    inside = len(levels) > 1 and all(0 <= level <= 255 for level in levels)
    return inside and all(np.float32(a) < np.float32(b) for a, b in pairwise(levels))


@dataclass(frozen=True)
class ConvBlock:
    """One 3x3 convolution with zero padding: weight ``(out, in, 3, 3)``, bias ``(out,)``, float32.

    gain, offset: the affine part ``(out,)`` of the instance normalisation that follows, or None.
    input_range: magnitude that what it convolves hardly exceeds on real pairs, which int8 needs;
        None if it was not measured.
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
    """The context encoder: five 3x3 convolutions from the image pair to one context value (CSE).

    The input channels (``rgb_infrared`` or ``luma_infrared``, grey levels times ``input_scale``)
    are averaged over ``pool`` x ``pool`` pixels, then ``unshuffle`` x ``unshuffle`` neighbours
    become channels. All blocks but the last end in LeakyReLU(``slope``), followed by instance
    normalisation where the block carries a gain. With ``skip`` the first block's output is added
    to the last but one's. The last block ends in a sigmoid, scaled to 0..255 grey levels.
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
            if not isinstance(value, kind):
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
        """Whether the encoder normalises with each frame's own statistics (as published)."""
        return any(block.gain is not None for block in self.blocks)


@dataclass(frozen=True)
class FusionModel:
    """A complete, validated fusion model.

    lattice: ``(luma, infrared, gradient, context) float32``, fused luma in [0, 1] at each node
        (published lattices exceed that range; clipping comes last, on RGB).
    axes: the four axes in that order.
    dark: what differs in scenes that are not bright; None for nothing.
    provenance: JSON-serialisable facts on where the model comes from (``name``, ``license``, ...).

    Raises ModelError if the parts do not fit together, hold a number that is not finite, or could
    compute one.
    """

    lattice: FloatArray
    axes: tuple[Axis, Axis, Axis, Axis]
    gradient: GradientSpec
    encoder: ContextEncoder
    provenance: dict[str, Any] = field(default_factory=dict)
    dark: DarkScenes | None = None

    def __post_init__(self) -> None:
        if tuple(axis.name for axis in self.axes) != AXIS_NAMES:
            raise ModelError(f"the lattice axes must be {', '.join(AXIS_NAMES)}, in this order")
        expected = tuple(axis.nodes for axis in self.axes)
        if self.lattice.shape != expected:
            raise ModelError(f"the lattice has shape {self.lattice.shape}; its axes say {expected}")
        if self.dark is not None and self.dark.lattices.shape[1:] != expected:
            raise ModelError(
                f"a lattice for dark scenes has shape {self.dark.lattices.shape[1:]}, "
                f"not {expected}"
            )
        for name, tensor in self.tensors().items():
            if tensor.dtype != np.float32:
                raise ModelError(f"tensor '{name}' is {tensor.dtype}; it must be float32")
            if not np.isfinite(tensor).all():
                raise ModelError(
                    f"tensor '{name}' holds numbers that are not finite; export the model again"
                )
        if self.encoder.largest_activation > LARGEST_ACTIVATION:
            raise ModelError(
                "the encoder's weights are so large that its context may overflow; train the model "
                "anew, with lower learning rates"
            )

    @property
    def time_stable(self) -> bool:
        """Whether equal neighbourhoods give equal fused pixels in every frame as dark as this one:
        nothing but its ambient level (`DarkScenes`) is taken from the whole frame."""
        return self.gradient.scaling == "fixed" and not self.encoder.per_frame

    @property
    def name(self) -> str:
        """The model's name from its provenance, or ``unnamed``."""
        return str(self.provenance.get("name", "unnamed"))

    def place(self, ambient: float) -> tuple[int, float]:
        """Where a scene of this ambient level is between the lattices, see `DarkScenes.place`."""
        return (0, 0.0) if self.dark is None else self.dark.place(ambient)

    def lattice_at(self, place: tuple[int, float]) -> FloatArray:
        """The lattice that serves the scenes at this place.

        Returns ``(luma, infrared, gradient, context) float32``, as `lattice`.
        """
        index, share = place
        lattices = self.lattices
        if share == 0.0:
            return lattices[index]
        return lattices[index] + np.float32(share) * (lattices[index + 1] - lattices[index])

    @property
    def lattices(self) -> list[FloatArray]:
        """All lattices, from that of the darkest scenes to `lattice`."""
        return [self.lattice] if self.dark is None else [*self.dark.lattices, self.lattice]

    def tensors(self) -> dict[str, FloatArray]:
        """All arrays by their name in the model file."""
        named = {"lattice": self.lattice}
        if self.dark is not None:
            named["dark.lattices"] = self.dark.lattices
        for index, block in enumerate(self.encoder.blocks):
            for part in ("weight", "bias", "gain", "offset"):
                array = getattr(block, part)
                if array is not None:
                    named[f"encoder.{index}.{part}"] = array
        return named
