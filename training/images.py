"""Image tensors: luma, gradients, rounding, panels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.model.features import ambient


def luma_of(visible: Tensor) -> Tensor:
    """BT.601 luma of ``(B, 3, H, W)`` RGB, ``(B, 1, H, W)``."""
    return 0.299 * visible[:, :1] + 0.587 * visible[:, 1:2] + 0.114 * visible[:, 2:]


def ambient_of(visible: Tensor) -> Tensor:
    """Ambient level of whole images ``(B, 3, H, W)``, ``(B,)`` in [0, 1], as `features.ambient`."""
    images = (255 * visible.detach().clamp(0, 1)).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return torch.tensor([ambient(image) / 255 for image in images], device=visible.device)


def sobel(image: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal and vertical Sobel response of ``(B, 1, H, W)``, edges repeated."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 2:] - padded[..., :-2]
    down = padded[..., 2:, :] - padded[..., :-2, :]
    horizontal = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    vertical = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return horizontal, vertical


def round_to_gray(image: Tensor) -> Tensor:
    """The image in 8-bit gray levels; the gradient passes straight through."""
    return image + ((image * 255).round() / 255 - image).detach()


def to_gray_image(fused: Tensor) -> UInt8Array:
    """Fused luma ``(1, 1, H, W)`` as ``(H, W) uint8``."""
    gray: UInt8Array = (fused[0, 0].float().clamp(0, 1) * 255).round().byte().cpu().numpy()
    return gray


def in_color(visible: Tensor, fused: Tensor) -> Tensor:
    """The visible image with its luma replaced, chroma kept: ``(B, 3, H, W)``, clipped to 0..1."""
    return (visible + fused - luma_of(visible)).clamp(0, 1)


def panel(visible: Tensor, infrared: Tensor, fused: Tensor) -> Tensor:
    """Visible, infrared and fused side by side, ``(3, H, 3 W)``, at most 360 pixels high."""
    images = torch.cat([visible, infrared.expand_as(visible), in_color(visible, fused)], 3)
    if images.shape[2] > 360:
        images = F.interpolate(images, scale_factor=360 / images.shape[2], mode="area")
    return images[0].cpu()
