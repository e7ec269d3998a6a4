"""The published LUT-Fuse: reading its model files, and its inference as a PyTorch program.

The inference follows the authors' program operation by operation, because it is what speed is
measured against; the reader turns the two published files into a model of ours.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lut_fuse_core.errors import ModelError
from lut_fuse_core.model import Axis, ContextEncoder, ConvBlock, FusionModel, GradientSpec

BIN = 16.0
"""Grey levels per lattice node in the published model (the paper's T)."""

_CONVOLUTIONS = ("input_layer.0", "mid_layer.0", "mid_layer.3", "mid_layer.6", "output_layer.1")
_NORMALISATIONS = ("input_layer.2", "mid_layer.2", "mid_layer.5", "mid_layer.8", None)


def read_files(lattice_path: str | Path, encoder_path: str | Path) -> tuple[Tensor, dict]:
    """The published lattice ``(luma, gradient, context, infrared)`` and the encoder's state dict.

    lattice_path: ``fine_tuned_lut.npy``; encoder_path: ``generator_context.pth``.

    Raises ModelError if a file is missing, is not of that kind, or has other tensors.
    """
    try:
        lattice = np.load(lattice_path, allow_pickle=False)
        state = torch.load(encoder_path, weights_only=True, map_location="cpu")
    except FileNotFoundError as error:
        raise ModelError(f"no file {error.filename}; give the published .npy and .pth") from None
    except (ValueError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"{lattice_path} and {encoder_path} are not the published lattice and encoder "
            f"({str(error).splitlines()[0]})"
        ) from None
    if lattice.ndim != 5 or lattice.shape[4] != 1:
        raise ModelError(f"{lattice_path} has shape {lattice.shape}; a 4-D lattice was expected")
    missing = [f"{name}.weight" for name in _CONVOLUTIONS if f"{name}.weight" not in state]
    if missing:
        raise ModelError(f"{encoder_path} lacks the tensors {', '.join(missing)}")
    return torch.from_numpy(lattice[..., 0].astype(np.float32)), state


def import_published(lattice_path: str | Path, encoder_path: str | Path) -> FusionModel:
    """A model of ours from the two published files, with the published per-frame behaviour.

    Raises ModelError as `read_files` does.
    """
    lattice, state = read_files(lattice_path, encoder_path)
    blocks = []
    for convolution, normalisation in zip(_CONVOLUTIONS, _NORMALISATIONS, strict=True):
        tensors = [state[f"{convolution}.weight"], state[f"{convolution}.bias"]]
        if normalisation is not None:
            tensors += [state[f"{normalisation}.weight"], state[f"{normalisation}.bias"]]
        blocks.append(ConvBlock(*(tensor.float().numpy() for tensor in tensors)))
    values = np.ascontiguousarray(lattice.numpy().transpose(0, 3, 1, 2))
    return FusionModel(
        lattice=values,
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
