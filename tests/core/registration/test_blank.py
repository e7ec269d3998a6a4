"""When a camera counts as one that shows no picture."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.registration.blank import blank_camera, blank_or_unlit_camera

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (480, 640, 3), np.uint8)
COUNTS = RNG.integers(7000, 7100, (480, 640)).astype(np.uint16)


@pytest.mark.parametrize("level", [0, 120, 255])
def test_an_image_that_is_the_same_everywhere_is_blank_whatever_its_level(level: int) -> None:
    flat = np.full_like(PICTURE, level)
    assert blank_camera(flat, COUNTS) == "visible"
    assert blank_camera(PICTURE, np.full_like(COUNTS, 7000 + level)) == "infrared"
    assert blank_camera(PICTURE, COUNTS) == ""


def test_noise_and_single_bright_pixels_are_no_picture() -> None:
    flat = np.clip(RNG.normal(90, 1, PICTURE.shape), 0, 255).astype(np.uint8)
    flat[0, 0] = 255
    dead = np.full_like(COUNTS, 7000)
    dead[8, 8] = 16383
    assert blank_camera(flat, COUNTS) == "visible"
    assert blank_camera(PICTURE, dead) == "infrared"


def test_a_dark_image_with_noise_is_unlit_but_not_blank() -> None:
    dark = RNG.integers(0, 12, PICTURE.shape).astype(np.uint8)
    assert blank_or_unlit_camera(dark, COUNTS) == "visible"
    assert blank_camera(dark, COUNTS) == ""
    assert blank_or_unlit_camera(PICTURE, COUNTS) == ""
    assert blank_or_unlit_camera(PICTURE, np.full_like(COUNTS, 7000)) == "infrared"
