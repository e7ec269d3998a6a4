"""Metrics are computed block by block; the blocks must not show, not even in the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.evaluation.metrics import blocks, evaluate_pair


@pytest.mark.parametrize("shape", [(41, 41), (97, 131), (240, 320)])
def test_every_digit_is_the_same_whatever_the_size_of_the_blocks(rng, monkeypatch, shape):
    visible, infrared, fused = rng.integers(0, 256, (3, *shape), dtype=np.uint8)
    found = []
    for pixels in (1, 1000, blocks.BLOCK, 10**9):
        monkeypatch.setattr(blocks, "BLOCK", pixels)
        found.append(evaluate_pair(visible, infrared, fused))
    assert all(scores == found[0] for scores in found)


@pytest.mark.parametrize("shape", [(1, 1), (5, 100_000), (480, 640)])
def test_blocks_are_all_rows_once(shape):
    rows = np.zeros(shape[0], int)
    for block in blocks.row_blocks(shape):
        rows[block] += 1
    assert (rows == 1).all()
