"""Surfaces of likeness: a block's peak lies where the block belongs, whatever the gray levels."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from lut_fuse_core.calibration.blocks import Blocks, correlate_blocks
from lut_fuse_core.calibration.from_pairs import _disagreements
from lut_fuse_core.calibration.mutual_information import inform_blocks
from lut_fuse_core.calibration.views import Views, bring_together
from lut_fuse_core.registration.edge_channels import ChannelSettings

SIZE = HEIGHT, SIDE = (96, 112)
"""Of both images; enough for a hundred blocks."""

SHIFT = np.array([3, -2])
"""Columns and rows by which the infrared image is moved."""

RADIUS = 6


def texture() -> np.ndarray:
    noise = np.random.default_rng(5).normal(size=SIZE).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 5)
    return (127 + 100 * smooth / np.abs(smooth).max()).astype(np.float32)


def moved(image: np.ndarray) -> np.ndarray:
    return np.roll(image, SHIFT[::-1], axis=(0, 1))


def edges(views: Views) -> Blocks:
    return correlate_blocks(views, RADIUS, ChannelSettings())


def information(views: Views) -> Blocks:
    return inform_blocks(views, RADIUS)


def peaks(blocks: Blocks) -> np.ndarray:
    flat = blocks.surfaces.reshape(len(blocks), -1).argmax(axis=1)
    rows, columns = np.divmod(flat, 2 * RADIUS + 1)
    return np.stack([columns, rows], axis=1) - RADIUS


@pytest.mark.parametrize("measure", [edges, information])
@pytest.mark.parametrize(
    "levels",
    [lambda image: image, lambda image: 255 - image, lambda image: np.abs(image - 120) * 2],
    ids=["equal", "inverted", "folded"],
)
def test_blocks_peak_where_they_belong(
    measure: Callable[[Views], Blocks], levels: Callable[[np.ndarray], np.ndarray]
) -> None:
    visible = texture()
    infrared = moved(levels(visible)).astype(np.float32)
    blocks = measure(bring_together([(visible, infrared)], np.eye(3), SIDE))
    assert len(blocks) > 50
    right = (np.abs(peaks(blocks) - SHIFT) <= 1).all(axis=1)
    assert right.mean() > 0.9


@pytest.mark.parametrize("measure", [edges, information])
def test_images_without_anything_in_common_have_no_peak(
    measure: Callable[[Views], Blocks],
) -> None:
    visible = texture()
    alike = measure(bring_together([(visible, moved(visible))], np.eye(3), SIDE))
    strange = measure(
        bring_together([(visible, np.ascontiguousarray(visible[::-1, ::-1]))], np.eye(3), SIDE)
    )
    assert strange.surfaces.mean(axis=0).max() < 0.5 * alike.surfaces.mean(axis=0).max()


def test_a_flat_image_informs_about_nothing() -> None:
    flat = np.full(SIZE, 90, np.float32)
    blocks = inform_blocks(bring_together([(texture(), flat)], np.eye(3), SIDE), RADIUS)
    assert np.isfinite(blocks.surfaces).all()
    assert blocks.surfaces.max() < 0.05


def test_only_blocks_that_the_visible_image_fills_are_compared() -> None:
    visible = texture()
    right_half = np.array([[1.0, 0, -SIDE / 2], [0, 1, 0], [0, 0, 1]])
    views = bring_together([(visible, visible)], right_half, SIDE)
    assert inform_blocks(views, RADIUS).centers[:, 0].min() > SIDE / 2
    assert edges(views).centers[:, 0].min() > SIDE / 2


def test_a_view_of_a_single_column_of_blocks_still_has_two_halves() -> None:
    visible = texture()
    views = bring_together([(visible[:, :22].copy(), visible)], np.eye(3), SIDE)
    found, told = edges(views), information(views)
    assert len(np.unique(told.centers[:, 0])) == 1
    assert np.isfinite(_disagreements(found, told, views, np.eye(3), visible.shape)).all()
