"""Infrared pictures in false colors, and what is taken for their intensities."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_encodings import to_gray
from lut_fuse_core.io.palettes import intensities, palettes

OPENCV = [name for name in dir(cv2) if name.startswith("COLORMAP_")]
CYCLIC = {"COLORMAP_HSV", "COLORMAP_TWILIGHT", "COLORMAP_TWILIGHT_SHIFTED"}


def scene() -> np.ndarray:
    """``(240, 320) uint8``: all gray levels, a warm body, some noise."""
    rng = np.random.default_rng(3)
    field = cv2.GaussianBlur(rng.normal(0, 1, (240, 320)).astype(np.float32), (0, 0), 14)
    field = 110 + 45 * field / field.std()
    field[100:180, 200:240] = 235
    return np.clip(field + rng.normal(0, 1, field.shape), 0, 255).astype(np.uint8)


def colored(gray: np.ndarray, palette: str) -> np.ndarray:
    for known in palettes():
        if known.name == palette:
            return known.colors.round().astype(np.uint8)[gray]
    return cv2.cvtColor(cv2.applyColorMap(gray, getattr(cv2, palette)), cv2.COLOR_BGR2RGB)


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


@pytest.mark.parametrize("palette", [palette.name for palette in palettes()])
def test_the_scalar_comes_back_from_a_palette(palette: str) -> None:
    gray = scene()
    found = intensities(colored(gray, palette)).astype(int)
    assert np.abs(found - gray).max() <= 3


@pytest.mark.parametrize("quality", [95, 75])
@pytest.mark.parametrize("palette", ["jet", "turbo", "rainbow", "inferno", "hot", "iron"])
def test_the_scalar_comes_back_from_jpeg(palette: str, quality: int) -> None:
    gray = scene()
    found = intensities(through_jpeg(colored(gray, palette), quality)).astype(int)
    assert np.corrcoef(found.ravel(), gray.ravel())[0, 1] > 0.98
    assert np.abs(found - gray)[110:170, 210:230].mean() < 8


@pytest.mark.parametrize("palette", OPENCV)
def test_a_palette_is_read_in_order_or_refused(palette: str) -> None:
    gray = scene()
    try:
        found = intensities(colored(gray, palette))
    except InputError:
        assert palette in CYCLIC
    else:
        assert np.corrcoef(found.ravel(), gray.ravel())[0, 1] > 0.95


def test_a_part_of_a_palette_is_enough() -> None:
    cold = scene() // 3
    found = intensities(colored(cold, "jet")).astype(int)
    assert np.abs(found - cold).max() <= 2


def test_a_scale_bar_does_not_matter() -> None:
    gray = scene()
    image = colored(gray, "turbo")
    image[:, :12] = (255, 255, 255)
    assert np.abs(intensities(image).astype(int) - gray)[:, 12:].max() <= 2


def test_gray_in_three_channels_is_its_luma() -> None:
    gray = scene()
    assert np.array_equal(intensities(np.dstack([gray] * 3)), gray)
    tinted = np.dstack([gray, gray, np.minimum(gray, 248) + 7]).astype(np.uint8)
    assert np.abs(intensities(tinted).astype(int) - gray).max() <= 2


def test_a_palette_unknown_to_us_that_grows_brighter_is_its_luma() -> None:
    gray = scene()
    ramp = np.arange(256)
    sepia = np.stack([np.minimum(255, 1.3 * ramp), ramp, 0.55 * ramp], axis=1).astype(np.uint8)
    found = intensities(sepia[gray])
    assert np.corrcoef(found.ravel(), gray.ravel())[0, 1] > 0.99


def test_a_photograph_is_refused_with_what_to_do() -> None:
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (120, 160, 3)).astype(np.float32), (0, 0), 5)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    with pytest.raises(InputError, match=r"no known palette.*gray.*swapped"):
        intensities(image)


@pytest.mark.parametrize("order", ["rgb", "bgr", "rgba", "bgra"])
def test_a_topic_in_false_colors_is_read_alike(order: str) -> None:
    gray = scene()
    image = colored(gray, "jet")
    samples = image if order.startswith("rgb") else image[..., ::-1]
    if order.endswith("a"):
        samples = np.dstack([samples, np.full(gray.shape, 255, np.uint8)])
    assert np.abs(to_gray(np.ascontiguousarray(samples), order).astype(int) - gray).max() <= 2
