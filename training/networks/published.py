"""The published LUT-Fuse: reading its model files, and its inference as a PyTorch program.

The inference follows the authors' program operation by operation, because it is what speed is
measured against; the reader turns the two published files into a model of ours.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.backends.base import check_pair
from lut_fuse_core.backends.fuse_options import FULL, FuseOptions
from lut_fuse_core.errors import InputError, ModelError
from lut_fuse_core.model.encoder import ContextEncoder, ConvBlock
from lut_fuse_core.model.fusion_model import Axis, FusionModel, GradientSpec

BIN = 16.0
"""Gray levels per lattice node in the published model (the paper's T)."""

_CONVOLUTIONS = ("input_layer.0", "mid_layer.0", "mid_layer.3", "mid_layer.6", "output_layer.1")
_NORMALIZATIONS = ("input_layer.2", "mid_layer.2", "mid_layer.5", "mid_layer.8", None)


def read_files(
    lattice_path: str | Path, encoder_path: str | Path
) -> tuple[Tensor, dict[str, Tensor]]:
    """The published lattice ``(luma, gradient, context, infrared)`` and the encoder's state dict.

    Args:
        lattice_path: ``fine_tuned_lut.npy``.
        encoder_path: ``generator_context.pth``.

    Raises:
        ModelError: If a file is missing, is not of that kind, or has other tensors.
    """
    try:
        lattice = np.load(lattice_path, allow_pickle=False)
        state = torch.load(encoder_path, weights_only=True, map_location="cpu")
    except FileNotFoundError as error:
        raise ModelError(f"no file {error.filename}; give the published .npy and .pth") from None
    except (ValueError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        cause = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(
            f"{lattice_path} and {encoder_path} are not the published lattice and encoder ({cause})"
        ) from None
    if not isinstance(lattice, np.ndarray) or not isinstance(state, dict):
        raise ModelError(f"{lattice_path} holds no array, or {encoder_path} no tensors by name")
    if lattice.ndim != 5 or lattice.shape[4] != 1:
        raise ModelError(f"{lattice_path} has shape {lattice.shape}; a 4-D lattice was expected")
    layers = [*_CONVOLUTIONS, *(name for name in _NORMALIZATIONS if name is not None)]
    tensors = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    missing = [name for name in tensors if name not in state]
    if missing:
        raise ModelError(f"{encoder_path} lacks the tensors {', '.join(missing)}")
    return torch.from_numpy(lattice[..., 0].astype(np.float32)), state


def import_published(lattice_path: str | Path, encoder_path: str | Path) -> FusionModel:
    """A model of ours from the two published files, with the published per-frame behavior.

    Raises:
        ModelError: As `read_files` does.
    """
    lattice, state = read_files(lattice_path, encoder_path)
    blocks = []
    for convolution, normalization in zip(_CONVOLUTIONS, _NORMALIZATIONS, strict=True):
        tensors = [state[f"{convolution}.weight"], state[f"{convolution}.bias"]]
        if normalization is not None:
            tensors += [state[f"{normalization}.weight"], state[f"{normalization}.bias"]]
        blocks.append(ConvBlock(*(tensor.float().numpy() for tensor in tensors)))
    values = np.ascontiguousarray(lattice.numpy().transpose(0, 3, 1, 2))
    return FusionModel(
        lattices=values[None],
        axes=(
            Axis("luma", values.shape[0], 0.0, BIN * (values.shape[0] - 1)),
            Axis("infrared", values.shape[1], 0.0, BIN * (values.shape[1] - 1)),
            Axis("gradient", values.shape[2], 0.0, BIN * (values.shape[2] - 1)),
            Axis("context", values.shape[3], 0.0, BIN * (values.shape[3] - 1)),
        ),
        gradient=GradientSpec(norm="l2", border="zero", scaling="frame"),
        encoder=ContextEncoder(
            blocks=tuple(blocks), inputs="rgb_infrared", input_scale=1.0, slope=0.2, skip=True
        ),
        provenance={
            "name": "published",
            "source": "LUT-Fuse (ICCV 2025), model files by the paper's authors",
            "files": [Path(lattice_path).name, Path(encoder_path).name],
        },
    )


class PublishedMethod(nn.Module):
    """The published inference: every operation of the authors' program, in their order.

    Nothing is made faster than it was published, so that time measured here is the method's:
    instance normalization and the gradient's range come from the frame, the context is computed at
    full resolution, and the 16 corners are fetched by 16 advanced indexings.

    Args:
        lattice: ``(luma, gradient, context, infrared) float32``.
        state: The encoder's state dict, as `read_files` returns them.
    """

    def __init__(self, lattice: Tensor, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.lattice = nn.Parameter(lattice.unsqueeze(-1), requires_grad=False)
        self.encoder = _Encoder()
        self.encoder.load_state_dict(state)
        self.eval()

    @classmethod
    def from_files(cls, lattice_path: str | Path, encoder_path: str | Path) -> PublishedMethod:
        """The method with the published files.

        Raises:
            ModelError: As `read_files` does.
        """
        return cls(*read_files(lattice_path, encoder_path))

    @classmethod
    def with_random_weights(cls, seed: int = 0) -> PublishedMethod:
        """The method with random numbers in the published shapes: it costs the same time."""
        torch.manual_seed(seed)
        return cls(torch.rand(16, 16, 16, 16), _Encoder().state_dict())

    @torch.no_grad()
    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Fuse pairs.

        Args:
            visible: ``(N, 3, H, W) float32``, RGB.
            infrared: ``(N, 1, H, W) float32``; gray levels.

        Returns:
            ``(N, 3, H, W) float32``, RGB, 0 to 1 but not clipped.
        """
        context = self.encoder(torch.cat((visible, infrared), dim=1))
        ycbcr = _to_ycbcr(visible / 255.0)
        positions = (
            ycbcr[:, 0] * 255.0 / BIN,
            (_frame_gradient(ycbcr[:, :1]) * 255.0 / BIN).squeeze(1),
            (context * 255.0 / BIN).squeeze(1),
            (infrared / BIN)[:, 0],
        )
        fused = self._interpolate(positions).permute(0, 3, 1, 2)
        return _to_rgb(torch.cat([fused, ycbcr[:, 1:]], dim=1))

    def _interpolate(self, positions: tuple[Tensor, ...]) -> Tensor:
        lower = [torch.floor(position).long() for position in positions]
        upper = [
            torch.clamp(index + 1, 0, nodes - 1)
            for index, nodes in zip(lower, self.lattice.shape, strict=False)
        ]
        fractions = [(p - i).unsqueeze(-1) for p, i in zip(positions, lower, strict=True)]

        def along(axis: int, corner: tuple[Tensor, ...]) -> Tensor:
            if axis == len(positions):
                return self.lattice[corner]
            start = along(axis + 1, (*corner, lower[axis]))
            end = along(axis + 1, (*corner, upper[axis]))
            return start * (1 - fractions[axis]) + end * fractions[axis]

        return along(0, ())


class PublishedBackend:
    """The published method behind the interface of our backends, to time them side by side.

    Args:
        files: The published lattice and encoder, or None for random numbers of the same shapes.
        threads: Of PyTorch.
    """

    name = "published"

    def __init__(self, files: tuple[str | Path, str | Path] | None, threads: int) -> None:
        method = PublishedMethod.from_files(*files) if files else None
        self.method = method or PublishedMethod.with_random_weights()
        self.threads = threads

    def fuse(
        self, visible: UInt8Array, infrared: UInt8Array, options: FuseOptions = FULL
    ) -> UInt8Array:
        """Fuse one pair; see `Backend.fuse`.

        Raises:
            InputError: For a strength or a mask; it has no use for an ambient level.
        """
        check_pair(visible, infrared, options)
        if options.strength != 1.0 or options.mask is not None:
            raise InputError("the published method knows neither strength nor a mask")
        torch.set_num_threads(self.threads)
        fused = self.method(
            torch.from_numpy(np.ascontiguousarray(visible)).permute(2, 0, 1)[None].float(),
            torch.from_numpy(np.ascontiguousarray(infrared))[None, None].float(),
        )
        levels = fused[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
        if options.out is None:
            return levels.contiguous().numpy()
        options.out[...] = levels.numpy()
        return options.out


class _Encoder(nn.Module):
    """The published context encoder, with the published names of its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(*_block(4))
        self.mid_layer = nn.Sequential(*_block(16), *_block(16), *_block(16))
        self.output_layer = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(16, 1, 3, 1, 1), nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        first = self.input_layer(images)
        hidden = self.mid_layer(first)
        hidden += first
        return self.output_layer(hidden)


def _block(channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, 16, 3, stride=1, padding=1),
        nn.LeakyReLU(0.2),
        nn.InstanceNorm2d(16, affine=True),
    ]


def _to_ycbcr(rgb: Tensor) -> Tensor:
    """BT.601 full range; rgb and result ``(N, 3, H, W)`` in 0..1."""
    red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    return torch.stack(
        (
            0.0 + red * 0.299 + green * 0.587 + blue * 0.114,
            0.5 - red * 0.168736 - green * 0.331264 + blue * 0.5,
            0.5 + red * 0.5 - green * 0.418688 - blue * 0.081312,
        ),
        dim=1,
    )


def _to_rgb(ycbcr: Tensor) -> Tensor:
    luma, blue, red = ycbcr[:, 0], ycbcr[:, 1], ycbcr[:, 2]
    return torch.stack(
        (
            luma + (red - 0.5) * 1.402,
            luma - (blue - 0.5) * 0.344136 - (red - 0.5) * 0.714136,
            luma + (blue - 0.5) * 1.772,
        ),
        dim=1,
    )


def _frame_gradient(luma: Tensor) -> Tensor:
    """Sobel magnitude mapped to 0..1 by the frame's own least and greatest value."""
    across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])[None, None]
    x = nn.functional.conv2d(luma, across.to(luma.device), padding=1)
    y = nn.functional.conv2d(luma, across.mT.contiguous().to(luma.device), padding=1)
    magnitude = torch.sqrt(x**2 + y**2)
    low = magnitude.min(dim=-1, keepdim=True).values.min(dim=-2, keepdim=True).values
    high = magnitude.max(dim=-1, keepdim=True).values.max(dim=-2, keepdim=True).values
    return (magnitude - low) / (high - low + 1e-8)
