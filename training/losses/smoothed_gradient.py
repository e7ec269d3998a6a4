"""Gradients of lattices, blurred from node to node, so that little data moves neighbors alike."""

from __future__ import annotations

import torch
from torch import Tensor


def smoothed_gradient(gradient: Tensor, share: float) -> Tensor:
    """A lattice's gradient, blurred along its four axes.

    What a few labeled pictures ask of a node is partly chance; what they ask of a neighborhood
    holds for other pictures. The blur is symmetric and positive, so the loss still falls along it.

    Args:
        gradient: ``(..., luma, infrared, gradient, context)``, one lattice or several.
        share: Standard deviation of the blur, as a share of each axis' length.

    Returns:
        Of the same shape.
    """
    for dim in range(-4, 0):
        places = torch.linspace(0, 1, gradient.shape[dim], device=gradient.device)
        near = torch.exp(-0.5 * ((places[:, None] - places[None]) / share) ** 2)
        reach = near.sum(0).sqrt()
        weights = near / reach[:, None] / reach[None]
        gradient = (gradient.movedim(dim, -1) @ weights).movedim(-1, dim)
    return gradient
