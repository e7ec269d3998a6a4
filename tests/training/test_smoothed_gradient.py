"""Blurred gradients of lattices: neighbors move alike, and the loss still falls."""

from __future__ import annotations

import torch
from lut_fuse_training.losses.smoothed_gradient import smoothed_gradient

SHAPE = (2, 5, 5, 3, 4)


def test_a_blurred_gradient_still_leads_downhill() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        gradient = torch.randn(SHAPE, generator=generator)
        assert (smoothed_gradient(gradient, 0.15) * gradient).sum() > 0


def test_what_one_node_is_asked_for_its_neighbors_do_a_little() -> None:
    gradient = torch.zeros(SHAPE)
    gradient[1, 2, 2, 1, 2] = 1
    blurred = smoothed_gradient(gradient, 0.2)
    assert blurred[0].abs().max() == 0, "lattices are apart"
    assert blurred[1].argmax() == gradient[1].argmax()
    assert blurred[1, 2, 2, 1, 2] > blurred[1, 3, 2, 1, 2] > blurred[1, 4, 2, 1, 2] > 0


def test_hardly_any_blur_changes_nothing() -> None:
    gradient = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(smoothed_gradient(gradient, 1e-3), gradient)
