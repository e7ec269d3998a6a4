"""The baseline that the paper's Table 5 compares with: a teacher sampled into a lattice, unlearned.

Every node's value is what the teacher answers to a synthetic patch that has this node's features:
uniform infrared, and luma rising such that its middle has the node's luma and gradient. A patch has
no scene, so the context axis cannot be sampled; it stays without effect, and dark scenes are like
others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lut_fuse_core.model.fusion_model import FusionModel

from ..networks.mm_lut import MMLut, MMLutConfig
from ..networks.teachers import Teacher
from .distil import hold_context

PATCH = 48
SOBEL_OF_UNIT_SLOPE = 8.0
"""Sobel response of a ramp that rises by one per pixel."""


@torch.no_grad()
def quantize(
    teacher: Teacher, config: MMLutConfig, provenance: dict[str, Any], device: str = "cpu"
) -> FusionModel:
    """Sample a teacher at every node of a lattice."""
    student = MMLut(replace(config, dark=None))
    hold_context(student)
    luma_axis, infrared_axis, gradient_axis, _ = student.axes
    lumas, infrareds, gradients = (
        torch.linspace(axis.low, axis.high, axis.nodes) / 255
        for axis in (luma_axis, infrared_axis, gradient_axis)
    )
    slope_scale = SOBEL_OF_UNIT_SLOPE * student.gradient_spec.scale
    for g, gradient in enumerate(gradients):
        for i, infrared in enumerate(infrareds):
            patches = _ramps(lumas, float(gradient) / slope_scale)
            visible = patches.expand(-1, 3, -1, -1).to(device)
            uniform = torch.full_like(patches, float(infrared)).to(device)
            answer = teacher(visible, uniform)[:, 0, PATCH // 2, PATCH // 2].cpu()
            student.lattice[:, i, g, :] = answer[:, None]
    return student.to_model(provenance)


def _ramps(middles: Tensor, slope: float) -> Tensor:
    """Patches ``(N, 1, PATCH, PATCH)`` that rise to the right through a middle value each."""
    columns = (torch.arange(PATCH) - PATCH // 2).float() * slope
    ramps = (middles[:, None] + columns[None]).clamp(0, 1)
    return ramps[:, None, None, :].expand(-1, 1, PATCH, -1).contiguous()
