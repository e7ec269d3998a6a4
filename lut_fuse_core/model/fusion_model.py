"""The model: one MM-LUT (4-D lattice plus context encoder) and everything needed to run it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import ModelError
from lut_fuse_core.model.encoder import ContextEncoder
from lut_fuse_core.model.scenes import Place, increasing_levels, place_of

AXIS_NAMES = ("luma", "infrared", "gradient", "context")
MAX_NODES_PER_AXIS = 64

LARGEST_LEVEL, LEAST_STEP = 1e6, 1e-3
"""Gray levels: of the end of an axis, and from one node to the next. Far beyond what is sensible,
and far inside what float32 can count."""

LARGEST_ACTIVATION = 1e18
"""Its square, in a frame's variance, is still finite in float32."""


@dataclass(frozen=True)
class Axis:
    """One axis of the lattice; features beyond its range take the value at its end.

    Attributes:
        name: One of `AXIS_NAMES`.
        nodes: Number of equally spaced nodes.
        low: Gray levels at the first node.
        high: Gray levels at the last node.

    Raises:
        ModelError: For numbers that make no axis.
    """

    name: str
    nodes: int
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.name not in AXIS_NAMES:
            raise ModelError(f"lattice axis '{self.name}' is not one of {', '.join(AXIS_NAMES)}")
        # A bool is an int to Python, and 9.0 nodes reach the native library as no number at all.
        if type(self.nodes) is not int or not 2 <= self.nodes <= MAX_NODES_PER_AXIS:
            raise ModelError(
                f"the {self.name} axis has {self.nodes!r} nodes; it needs a whole number of them, "
                f"from 2 to {MAX_NODES_PER_AXIS}"
            )
        if not -LARGEST_LEVEL <= self.low < self.high <= LARGEST_LEVEL or self.step < LEAST_STEP:
            raise ModelError(
                f"the {self.name} axis runs from {self.low} to {self.high}; it must increase, by "
                f"{LEAST_STEP} or more from node to node, within {LARGEST_LEVEL:.0e} gray levels"
            )

    @property
    def step(self) -> float:
        """Distance between two nodes in gray levels (the paper's T, equation 3)."""
        return (self.high - self.low) / (self.nodes - 1)


@dataclass(frozen=True)
class GradientSpec:
    """How the visible gradient is computed from the luma (Sobel, 3x3).

    Attributes:
        norm: ``l2`` for the magnitude, ``l1`` for the sum of absolute derivatives.
        border: ``zero`` pads the luma with black (as published), ``replicate`` repeats the edge.
        scaling: ``fixed`` multiplies by ``scale``, so that equal neighborhoods give equal values in
            every frame; ``frame`` maps each frame's own minimum and maximum to 0 and 255
            (published).
        scale: Gray levels of the gradient axis per Sobel response in gray levels (``fixed`` only).

    Raises:
        ModelError: For settings that do not exist or a scale that is not positive.
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


@dataclass(frozen=True, eq=False)
class FusionModel:
    """A complete, validated fusion model.

    Attributes:
        lattices: ``(S, luma, infrared, gradient, context) float32``, that of the darkest scenes
            first: fused luma in [0, 1] at each node (published lattices exceed that range;
            clipping comes last, on RGB).
        axes: The four axes in that order.
        gradient: How the gradient is computed.
        encoder: Computes the context.
        provenance: JSON-serializable facts on where the model comes from (``name``, ``license``,
            ...).
        levels: ``(S,)``, gray levels from 0 to 255, increasing: the ambient level at which each
            lattice serves alone, see `lut_fuse_core.model.scenes`. With one lattice it makes no
            difference.

    Raises:
        ModelError: If the parts do not fit together, hold a number that is not finite, or could
            compute one.
    """

    lattices: FloatArray
    axes: tuple[Axis, Axis, Axis, Axis]
    gradient: GradientSpec
    encoder: ContextEncoder
    provenance: dict[str, Any] = field(default_factory=dict)
    levels: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        if tuple(axis.name for axis in self.axes) != AXIS_NAMES:
            raise ModelError(f"the lattice axes must be {', '.join(AXIS_NAMES)}, in this order")
        if self.lattices.ndim != 5 or self.lattices.shape[1:] != self.nodes:
            raise ModelError(
                f"the lattices have shape {self.lattices.shape}; the axes say (S, "
                f"{', '.join(map(str, self.nodes))})"
            )
        if len(self.lattices) != len(self.levels) or not increasing_levels(self.levels):
            raise ModelError(
                f"{len(self.lattices)} lattices serve at the ambient levels {list(self.levels)}; "
                "each needs one, and they must increase, from 0 to 255"
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
                "again, with lower learning rates"
            )

    @property
    def time_stable(self) -> bool:
        """Whether equal neighborhoods give equal fused pixels in all frames of one ambient level,
        the only thing that is then taken from a frame as a whole."""
        return self.gradient.scaling == "fixed" and not self.encoder.per_frame

    @property
    def name(self) -> str:
        """The model's name from its provenance, or ``unnamed``."""
        return str(self.provenance.get("name", "unnamed"))

    @property
    def nodes(self) -> tuple[int, ...]:
        """Nodes along the four axes."""
        return tuple(axis.nodes for axis in self.axes)

    @property
    def sees_luma_only(self) -> bool:
        """Whether the colors of the visible image change nothing in what is added to it."""
        return self.encoder.inputs == "luma_infrared"

    @property
    def knows_scenes(self) -> bool:
        """Whether the ambient level of a scene makes a difference."""
        return len(self.lattices) > 1

    def place(self, ambient: float) -> Place:
        """Where a scene is between the lattices, see `scenes.place_of`.

        Args:
            ambient: Its ambient level in gray levels.

        Returns:
            Number of a lattice and the share of the next one; ``(0, 0.0)`` with one lattice.
        """
        return place_of(ambient, self.levels) if self.knows_scenes else (0, 0.0)

    def lattice_at(self, place: Place) -> FloatArray:
        """The lattice that serves the scenes at this place.

        Args:
            place: What `place` says.

        Returns:
            ``(luma, infrared, gradient, context) float32``: fused luma in [0, 1]; a view of
            `lattices` where the share is 0.
        """
        index, share = place
        if share == 0.0:
            return self.lattices[index]
        darker, next_one = self.lattices[index : index + 2]
        return darker + np.float32(share) * (next_one - darker)

    def tensors(self) -> dict[str, FloatArray]:
        """All arrays by their name in the model file."""
        named = {"lattices": self.lattices}
        for index, block in enumerate(self.encoder.blocks):
            for part in ("weight", "bias", "gain", "offset"):
                array = getattr(block, part)
                if array is not None:
                    named[f"encoder.{index}.{part}"] = array
        return named
