"""The MM-LUT as a PyTorch module, numerically the core's reference, differentiable throughout."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import InputError
from lut_fuse_core.model.encoder import INPUT_CHANNELS, ContextEncoder, ConvBlock, EncoderInput
from lut_fuse_core.model.fusion_model import Axis, FusionModel, GradientSpec
from lut_fuse_core.model.scenes import increasing_levels

from ..images import ambient_of, luma_of, sobel

NIGHT_LUMA = 25 / 255
"""Of a road at night: what `MMLut.begin_dark` leaves at its infrared."""


@dataclass(frozen=True)
class MMLutConfig:
    """Structure of an MM-LUT.

    Attributes:
        nodes: Nodes on the luma, infrared, gradient and context axis.
        gradient_range: Gray levels at which the gradient axis ends.
        gradient_norm: ``l1`` or ``l2``, of the two derivatives.
        dark: Ambient levels, in gray levels, at which a lattice serves alone, increasing; the last
            one is that of bright scenes, see `lut_fuse_core.model.scenes`. None for a model of one
            lattice.
        width: Channels of the context encoder.
        blocks: Of the context encoder.
        pool: See `ContextEncoder`.
        unshuffle: See `ContextEncoder`.
        slope: See `ContextEncoder`.
        skip: See `ContextEncoder`.
        inputs: See `ContextEncoder`.
    """

    nodes: tuple[int, int, int, int] = (17, 17, 5, 5)
    gradient_range: float = 64.0
    gradient_norm: str = "l1"
    dark: tuple[float, ...] | None = None
    width: int = 16
    blocks: int = 5
    pool: int = 4
    unshuffle: int = 2
    slope: float = 0.2
    skip: bool = True
    inputs: EncoderInput = "luma_infrared"

    def __post_init__(self) -> None:
        if min(self.nodes) < 2:
            raise InputError(f"student.nodes is {list(self.nodes)}; every axis needs 2 or more")
        if min(self.width, self.pool, self.unshuffle) < 1 or self.blocks < 2:
            raise InputError(
                "student.width, pool and unshuffle must be 1 or more, student.blocks 2 or more"
            )
        if self.dark is not None and not (len(self.dark) > 1 and increasing_levels(self.dark)):
            raise InputError(
                f"student.dark is {list(self.dark)}; it takes two or more levels that increase, "
                "from 0 to 255"
            )

    def axes(self) -> tuple[Axis, Axis, Axis, Axis]:
        """The lattice axes, in the core's order."""
        luma, infrared, gradient, context = self.nodes
        return (
            Axis("luma", luma, 0.0, 255.0),
            Axis("infrared", infrared, 0.0, 255.0),
            Axis("gradient", gradient, 0.0, self.gradient_range),
            Axis("context", context, 0.0, 255.0),
        )


class MMLut(nn.Module):
    """Learnable lattice and context encoder (paper, section 3.2).

    ``forward(visible, infrared, ambient)`` takes ``(B, 3, H, W)`` RGB and ``(B, 1, H, W)``, float
    in [0, 1], and returns the fused luma ``(B, 1, H, W)``, not clipped. The ambient levels are
    those of the scenes that the images are cut from, ``(B,)`` in [0, 1]; None if they are whole.

    Args:
        config: Its structure.
    """

    def __init__(self, config: MMLutConfig) -> None:
        super().__init__()
        self.config = config
        self.axes = config.axes()
        self.gradient_spec = GradientSpec(norm=config.gradient_norm)  # type: ignore[arg-type]
        self.lattice = nn.Parameter(_initial_lattice(self.axes))
        if config.dark:
            darker = [_initial_lattice(self.axes) for _ in config.dark[:-1]]
            self.dark_lattices = nn.Parameter(torch.stack(darker))
        channels = INPUT_CHANNELS[config.inputs] * config.unshuffle**2
        widths = [channels, *[config.width] * (config.blocks - 1), 1]
        self.blocks = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths)
        )

    @property
    def lattices(self) -> list[Tensor]:
        """All lattices, from that of the darkest scenes to that of bright ones."""
        return [*self.dark_lattices, self.lattice] if self.config.dark else [self.lattice]

    def lattice_parameters(self) -> list[nn.Parameter]:
        """What learns of them."""
        return [self.lattice, self.dark_lattices] if self.config.dark else [self.lattice]

    def forward(self, visible: Tensor, infrared: Tensor, ambient: Tensor | None = None) -> Tensor:
        """Fused luma of a batch of pairs."""
        ambient = ambient_of(visible) if ambient is None else ambient
        return self.look_up(*self._features(visible, infrared), ambient)

    def slope(self, visible: Tensor, infrared: Tensor, ambient: Tensor) -> Tensor:
        """How much the fused luma changes with the ambient level alone, ``(B,)``: mean of its
        absolute change, in gray levels per gray level. Needs a student with dark scenes.
        """
        features = self._features(visible, infrared)
        _, low, high = self._neighbors(ambient)
        darker, brighter = (self.look_up(*features, level / 255) for level in (low, high))
        apart = 255 * (brighter - darker).abs().mean((1, 2, 3))
        assert self.config.dark
        first, *_, last = self.config.dark
        inside = (255 * ambient > first) & (255 * ambient < last)
        return apart / (high - low) * inside

    def _neighbors(self, ambient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The two lattices nearest to scenes of these levels: number of the darker one, from the
        darkest, and the levels of both in gray levels, each ``(B,)``."""
        levels = torch.tensor(self.config.dark, device=ambient.device)
        index = torch.bucketize(255 * ambient, levels[1:-1], right=True)
        return index, levels[index], levels[index + 1]

    def _features(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        luma = luma_of(visible)
        return luma, infrared, self.gradient(luma), self.context(visible, infrared)

    def look_up(
        self, luma: Tensor, infrared: Tensor, gradient: Tensor, context: Tensor, ambient: Tensor
    ) -> Tensor:
        """Interpolate the lattice at four features, each ``(B, 1, H, W)`` in [0, 1] gray, in scenes
        of the ambient levels ``(B,)`` in [0, 1]."""
        features = (luma, infrared, gradient, context)
        strides = self.lattice.stride()
        base: Any = 0
        fractions = []
        for feature, axis, stride in zip(features, self.axes, strides, strict=True):
            position = (feature * 255.0 - axis.low) / axis.step
            position = position.clamp(0.0, axis.nodes - 1.0)
            # What is not a number must end as a loss that is none, not as an index.
            index = position.detach().floor().clamp(max=axis.nodes - 2).nan_to_num()
            fractions.append(position - index)
            base = base + index.long() * stride
        flat = self.lattice.reshape(-1)
        if self.config.dark:
            index, low, high = self._neighbors(ambient)
            share = ((255 * ambient - low) / (high - low)).clamp(0, 1).to(flat)
            stacked = torch.stack(self.lattices).flatten(1)
            scene = torch.arange(len(luma), device=luma.device) * flat.numel()
            flat = torch.lerp(stacked[index], stacked[index + 1], share[:, None]).reshape(-1)
            base = base + scene[:, None, None, None]
        fused: Any = 0.0
        for corner in product((0, 1), repeat=4):
            offset = sum(c * stride for c, stride in zip(corner, strides, strict=True))
            weight: Any = 1.0
            for fraction, upper in zip(fractions, corner, strict=True):
                weight = weight * (fraction if upper else 1.0 - fraction)
            fused = fused + weight * flat[base + offset]
        return fused

    def gradient(self, luma: Tensor) -> Tensor:
        """Sobel gradient of the luma, ``(B, 1, H, W)``, scaled as the core's `GradientSpec`."""
        horizontal, vertical = sobel(luma)
        if self.gradient_spec.norm == "l1":
            magnitude = horizontal.abs() + vertical.abs()
        else:
            magnitude = (horizontal**2 + vertical**2 + 1e-12).sqrt()
        return magnitude * self.gradient_spec.scale

    def context(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Context map at full resolution, ``(B, 1, H, W)`` in [0, 1]."""
        config = self.config
        planes = visible if config.inputs == "rgb_infrared" else luma_of(visible)
        planes = torch.cat([planes, infrared], dim=1)
        height, width = planes.shape[-2:]
        stride = config.pool * config.unshuffle
        planes = F.pad(planes, (0, -width % stride, 0, -height % stride), mode="replicate")
        hidden = F.pixel_unshuffle(F.avg_pool2d(planes, config.pool), config.unshuffle)
        hidden = first = F.leaky_relu(self.blocks[0](hidden), config.slope)
        for block in self.blocks[1:-1]:
            hidden = F.leaky_relu(block(hidden), config.slope)
        if config.skip:
            hidden = hidden + first
        coarse = torch.sigmoid(self.blocks[-1](hidden).float())
        if stride == 1:
            return coarse
        full = F.interpolate(coarse, scale_factor=stride, mode="bilinear", align_corners=False)
        return full[..., :height, :width]

    @classmethod
    def of(cls, model: FusionModel) -> MMLut:
        """The module that a model was exported from.

        Args:
            model: As `to_model` makes it.

        Raises:
            InputError: For a model that is exported from no such module, as the published one.
        """
        luma, infrared, gradient, context = model.axes
        encoder = model.encoder
        config = MMLutConfig(
            nodes=(luma.nodes, infrared.nodes, gradient.nodes, context.nodes),
            gradient_range=gradient.high,
            gradient_norm=model.gradient.norm,
            dark=model.levels if model.knows_scenes else None,
            width=len(encoder.blocks[0].weight),
            blocks=len(encoder.blocks),
            pool=encoder.pool,
            unshuffle=encoder.unshuffle,
            slope=encoder.slope,
            skip=encoder.skip,
            inputs=encoder.inputs,
        )
        module = cls(config)
        module.take(model)
        return module

    @torch.no_grad()
    def take(self, model: FusionModel) -> None:
        """Continue from an exported model: its lattices and encoder become these weights. The
        ambient levels stay this module's, which must reach from the model's first to its last; it
        gets what serves there in the model.

        Raises:
            InputError: If its structure is another than this module's configuration.
        """
        here = self.to_model({})
        same = (model.axes, model.gradient, _shape(model)) == (
            here.axes,
            here.gradient,
            _shape(here),
        )
        if not same:
            name = model.provenance.get("name", "to start from")
            raise InputError(
                f"the model '{name}' has another lattice or encoder than 'student' describes; "
                "start from one with the same axes, pool, unshuffle, width and inputs"
            )
        if model.knows_scenes:
            (first, *_, last), levels = model.levels, self.config.dark
            if not levels or first < levels[0] or levels[-1] < last:
                raise InputError(
                    f"the model to start from has lattices at levels {list(model.levels)}; "
                    "student.dark must reach from the first of these to the last"
                )
        self.lattice.copy_(torch.from_numpy(model.lattices[-1]))
        if self.config.dark:
            levels = self.config.dark[:-1]
            served = [model.lattice_at(model.place(level)) for level in levels]
            self.dark_lattices.copy_(torch.from_numpy(np.stack(served)))
        for module, block in zip(self.blocks, model.encoder.blocks, strict=True):
            assert isinstance(module, nn.Conv2d)
            assert module.bias is not None
            module.weight.copy_(torch.from_numpy(block.weight))
            module.bias.copy_(torch.from_numpy(block.bias))

    @torch.no_grad()
    def begin_dark(self, share: float) -> None:
        """Begin the lattice for the darkest scenes as a rule: the brighter of luma and infrared,
        infrared with a share of what the luma differs from `NIGHT_LUMA`, so that markings show
        through.

        Raises:
            InputError: If the student has no such lattice.
        """
        if not self.config.dark:
            raise InputError("dark_rule is for students of several lattices; set student.dark")
        luma, infrared, _, _ = _nodes(self.axes)
        through = infrared + share * (luma - NIGHT_LUMA)
        self.dark_lattices[0] = torch.maximum(luma, through).clamp(0, 1)

    def to_model(self, provenance: dict[str, Any], levels: int | None = 255) -> FusionModel:
        """The core's model.

        Args:
            provenance: Written into it.
            levels: The lattice is rounded to steps of 1/levels; None does not round it.
        """
        blocks = tuple(_conv_block(block) for block in self.blocks)
        config = self.config
        return FusionModel(
            lattices=_in_levels(torch.stack(self.lattices), levels),
            axes=self.axes,
            gradient=self.gradient_spec,
            encoder=ContextEncoder(
                blocks=blocks,
                inputs=config.inputs,
                pool=config.pool,
                unshuffle=config.unshuffle,
                slope=config.slope,
                skip=config.skip,
            ),
            levels=tuple(config.dark or (0.0,)),
            provenance=provenance,
        )


def _shape(model: FusionModel) -> tuple[Any, ...]:
    """What tells encoders of different structure apart."""
    encoder = {key: value for key, value in asdict(model.encoder).items() if key != "blocks"}
    return encoder, [(block.weight.shape, block.gain is None) for block in model.encoder.blocks]


def _in_levels(lattice: Tensor, levels: int | None) -> FloatArray:
    inside = lattice.detach().float().cpu().clamp(0.0, 1.0).numpy()
    if levels is not None:
        inside = np.rint(inside * levels) / np.float32(levels)
    return inside.astype(np.float32)


def _conv_block(convolution: nn.Module) -> ConvBlock:
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    weight, bias = (
        t.detach().float().cpu().numpy() for t in (convolution.weight, convolution.bias)
    )
    return ConvBlock(weight, bias)


def _initial_lattice(axes: tuple[Axis, ...]) -> Tensor:
    """Between the mean and the maximum of luma and infrared, the maximum gaining with context."""
    luma, infrared, _, context = _nodes(axes)
    mean = (luma + infrared) / 2
    return mean + (torch.maximum(luma, infrared) - mean) * context


def _nodes(axes: tuple[Axis, ...]) -> tuple[Tensor, ...]:
    """Features at every node of a lattice, each of its shape, gray levels in [0, 1]."""
    ends = (torch.linspace(axis.low, axis.high, axis.nodes) / 255.0 for axis in axes)
    return torch.meshgrid(*ends, indexing="ij")
