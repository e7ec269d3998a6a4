"""MM-Net, the teacher: a small network that decides per pixel between the cameras.

Why this design. What a fusion must decide is mostly a question of scene (is this a person in the
dark, a lamp's glare, a facade by day?), which takes a wide view but little resolution; what it must
preserve is detail, which takes full resolution but hardly any view. So nearly all of the network
works at half to an eighth of the resolution, a U shape with one stem per camera whose features gate
each other (each camera judges how far the other can be believed here), while one shallow branch
sees the full image. The output is not an image but a decision around the rule every fusion starts
from: a soft choice of the brighter camera, shifted by a learned preference, plus a bounded
correction. Training hence starts at a sensible picture, the slope of the output with respect to the
inputs is bounded (noise is not amplified at will), and chroma never enters. There is no
normalization over the frame, so what enters at one side of the view does not change the other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lut_fuse_core.errors import InputError

from ..checkpoint import read_tensors, write_tensors
from ..config import from_plain
from ..images import luma_of


@dataclass(frozen=True)
class MMNetConfig:
    """Structure of MM-Net.

    Attributes:
        width: Channels at half resolution; 1.5 and 2 times as many at a quarter and an eighth.
        detail: Channels of the full-resolution branch.
        sharpness: How hard the choice of the brighter camera is at the start (per unit of gray).
        correction: Largest correction added to the choice, in units of gray.
    """

    width: int = 16
    detail: int = 8
    sharpness: float = 12.0
    correction: float = 0.25

    def __post_init__(self) -> None:
        if self.width < 1 or self.detail < 1:
            raise InputError("network.width and network.detail must be 1 or more")


class MMNet(nn.Module):
    """``forward(visible, infrared)``: ``(B, 3, H, W)`` RGB and ``(B, 1, H, W)`` in [0, 1].

    Any size: the image is continued to a multiple of 8 by repeating its edge.

    Args:
        config: Its structure; None for the defaults.

    Returns:
        The fused luma ``(B, 1, H, W)``, within [-correction, 1 + correction], not clipped.
    """

    def __init__(self, config: MMNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MMNetConfig()
        half, quarter, eighth = config.width, config.width * 3 // 2, config.width * 2
        self.visible_stem, self.infrared_stem = _conv(4, half), _conv(4, half)
        self.visible_gate = nn.Conv2d(2 * half, half, 1)
        self.infrared_gate = nn.Conv2d(2 * half, half, 1)
        self.merge = _conv(2 * half, half)
        self.down_quarter = nn.Sequential(_conv(half, quarter, stride=2), _Residual(quarter))
        self.down_eighth = nn.Sequential(
            _conv(quarter, eighth, stride=2), _Residual(eighth, 2), _Residual(eighth, 4)
        )
        self.up_quarter = _conv(eighth + quarter, quarter)
        self.up_half = _conv(quarter + half, half)
        self.to_full = nn.Conv2d(half, 4 * config.detail, 1)
        self.detail = _conv(2, config.detail)
        self.head = nn.Sequential(
            _conv(2 * config.detail, 2 * config.detail),
            nn.Conv2d(2 * config.detail, 2, 3, padding=1),
        )
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Fused luma of a batch of pairs."""
        height, width = infrared.shape[-2:]
        margin = (0, -width % 8, 0, -height % 8)
        luma = F.pad(luma_of(visible), margin, mode="replicate")
        infrared = F.pad(infrared, margin, mode="replicate")
        full = F.pixel_shuffle(self.to_full(self.scene(luma, infrared)), 2)
        detail = self.detail(torch.cat([luma, infrared], 1))
        preference, correction = self.head(torch.cat([full, detail], 1)).float().chunk(2, 1)
        difference = luma - infrared
        share = torch.sigmoid(self.config.sharpness * difference + 4 * preference)
        fused = infrared + share * difference + self.config.correction * torch.tanh(correction)
        return fused[..., :height, :width]

    def scene(self, luma: Tensor, infrared: Tensor) -> Tensor:
        """Features of what is where, at half resolution: ``(B, width, H/2, W/2)``."""
        seen = self.visible_stem(F.pixel_unshuffle(luma, 2))
        felt = self.infrared_stem(F.pixel_unshuffle(infrared, 2))
        both = torch.cat([seen, felt], 1)
        seen = seen * 2 * torch.sigmoid(self.visible_gate(both))
        felt = felt * 2 * torch.sigmoid(self.infrared_gate(both))
        half = self.merge(torch.cat([seen, felt], 1))
        quarter = self.down_quarter(half)
        eighth = self.down_eighth(quarter)
        quarter = self.up_quarter(torch.cat([_double(eighth), quarter], 1))
        return self.up_half(torch.cat([_double(quarter), half], 1))


def save_mm_net(net: MMNet, path: str | Path, provenance: dict[str, Any]) -> None:
    """Write a trained MM-Net; a file is replaced only once the new one is complete."""
    state = {name: tensor.detach().cpu() for name, tensor in net.state_dict().items()}
    write_tensors({"mm_net": asdict(net.config), "state": state, "provenance": provenance}, path)


def load_mm_net(path: str | Path) -> MMNet:
    """Read a trained MM-Net.

    Raises:
        InputError: If the file is none.
    """
    content = read_tensors(path)
    if "mm_net" not in content:
        raise InputError(f"{path} holds no MM-Net; give the mm_net.pt of a 'teacher' run")
    try:
        net = MMNet(from_plain(MMNetConfig, content["mm_net"]))
        net.load_state_dict(content["state"])
    except (InputError, KeyError, RuntimeError):
        raise InputError(
            f"{path} is an MM-Net of another version of this program; train it again"
        ) from None
    return net.eval()


def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.LeakyReLU(0.1))


def _double(image: Tensor) -> Tensor:
    return F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)


class _Residual(nn.Module):
    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.first(features), 0.1)
        return F.leaky_relu(features + self.second(hidden), 0.1)
