"""Pixels in which an infrared frame holds nothing: the visible image is shown there."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.infrared.view import outside_view
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import RegistrationConfig

HEIGHT, WIDTH = 96, 128


def counts() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(0).normal(0, 3, x.shape)
    return (29_000 + 3 * y + 2 * x + noise).astype(np.uint16)


def photo() -> np.ndarray:
    return np.random.default_rng(1).integers(60, 180, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def bordered(kind: str) -> np.ndarray:
    frame = counts() if kind == "zeros" else (counts() / 100 - 273.15).astype(np.float32)
    frame[:, :40] = 0 if kind == "zeros" else np.nan
    return frame


@pytest.mark.parametrize("transform", [None, np.eye(3), np.diag([1.0, 0.9, 1.0])])
@pytest.mark.parametrize("kind", ["zeros", "NaN"])
def test_what_infrared_does_not_see_is_the_visible_image(kind, transform) -> None:
    registration = RegistrationConfig(
        None if transform is None else Homography.from_array(transform), feather=0.0
    )
    pipeline = FusionPipeline(PipelineConfig(backend="reference", registration=registration))
    for _ in range(2):
        fused = pipeline.process(photo(), bordered(kind))
        assert np.array_equal(fused[:, :39], photo()[:, :39])
        assert (fused[:80, 42:] != photo()[:80, 42:]).any(axis=2).mean() > 0.5


@pytest.mark.parametrize("kind", ["zeros", "NaN"])
def test_infrared_fades_out_toward_what_it_does_not_see(kind) -> None:
    """The seam would show as an edge that is in neither image."""
    flat = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    steps = []
    for feather in (0.0, 24.0):
        registration = RegistrationConfig(feather=feather)
        pipeline = FusionPipeline(PipelineConfig(backend="reference", registration=registration))
        fused = pipeline.process(flat, bordered(kind)).astype(int).mean(axis=(0, 2))
        steps.append(np.abs(np.diff(fused))[36:46].max())
    assert steps[0] > 5
    assert steps[1] < steps[0] / 3


def test_a_border_that_goes_is_seen_again() -> None:
    pipeline = FusionPipeline(PipelineConfig(backend="reference"))
    pipeline.process(photo(), bordered("zeros"))
    fused = pipeline.process(photo(), counts())
    assert (fused[:, :39] != photo()[:, :39]).any(axis=2).mean() > 0.5


def test_dead_pixels_and_scales_that_begin_at_zero_are_seen() -> None:
    dead = counts()
    dead[::17, ::19] = 0
    assert outside_view(dead) is None
    dark = np.maximum(counts().astype(int) - 29_200, 0).astype(np.uint16) * 200
    assert (dark == 0).mean() > 0.2
    assert outside_view(dark) is None
    assert outside_view(np.zeros((20, 20), np.uint8)) is None


def test_a_frame_of_nothing_leaves_the_visible_image() -> None:
    pipeline = FusionPipeline(PipelineConfig(backend="reference"))
    fused = pipeline.process(photo(), np.zeros((HEIGHT, WIDTH), np.uint16))
    assert np.array_equal(fused, photo())
