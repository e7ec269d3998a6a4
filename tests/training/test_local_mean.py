"""The encoder that is built: exact inside, at edges and in corners."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lut_fuse_training.networks.local_mean import STEEPNESS, local_mean_encoder, mean_of

from lut_fuse_core.model.context import encoder_input, run_blocks


def context_of(mean: np.ndarray) -> np.ndarray:
    """What the encoder is to answer to a local mean, both in gray levels."""
    return 255 / (1 + np.exp(-STEEPNESS * (mean / 255 - 0.5)))


@pytest.mark.parametrize(("pool", "unshuffle", "blurs"), [(4, 2, 3), (1, 1, 1), (7, 2, 2)])
def test_the_context_is_the_mean_of_infrared_inside_the_picture(
    pool: int, unshuffle: int, blurs: int, rng: np.random.Generator
) -> None:
    stride = pool * unshuffle
    coarse = rng.uniform(0, 255, (9, 12)).round()
    infrared = np.kron(coarse, np.ones((stride, stride))).astype(np.uint8)
    visible = rng.integers(0, 256, (*infrared.shape, 3), np.uint8)
    encoder = local_mean_encoder(pool, unshuffle, blurs)
    context = run_blocks(encoder, encoder_input(encoder, visible, infrared))
    share = cv2.blur(np.ones_like(coarse), (3, 3), borderType=cv2.BORDER_CONSTANT)
    for _ in range(blurs):
        coarse = cv2.blur(coarse, (3, 3), borderType=cv2.BORDER_CONSTANT) / share
    np.testing.assert_allclose(mean_of(context), coarse, atol=0.05)


def test_an_even_picture_has_an_even_context() -> None:
    for level in (0, 90, 255):
        encoder = local_mean_encoder()
        infrared = np.full((64, 96), level, np.uint8)
        planes = encoder_input(encoder, np.zeros((64, 96, 3), np.uint8), infrared)
        context = run_blocks(encoder, planes)
        np.testing.assert_allclose(context, context_of(np.float32(level)), atol=0.05)


def test_means_and_contexts_are_inverse_to_each_other() -> None:
    levels = np.linspace(0, 255, 52, dtype=np.float32)
    np.testing.assert_allclose(mean_of(context_of(levels)), levels, atol=0.01)
    assert mean_of(np.float32(0)) == pytest.approx(0, abs=0.01)
    assert mean_of(np.float32(255)) == pytest.approx(255, abs=0.01)
