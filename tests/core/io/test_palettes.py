"""Infrared pictures in false colors, and what is taken for their intensities."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_encodings import to_gray
from lut_fuse_core.io.known_palettes import palettes
from lut_fuse_core.io.palettes import intensities

OPENCV = [name for name in dir(cv2) if name.startswith("COLORMAP_")]
CYCLIC = {"COLORMAP_HSV", "COLORMAP_TWILIGHT", "COLORMAP_TWILIGHT_SHIFTED"}


@functools.cache
def scene() -> np.ndarray:
    """``(240, 320) uint8``: all gray levels, a warm body, some noise."""
    rng = np.random.default_rng(3)
    field = cv2.GaussianBlur(rng.normal(0, 1, (240, 320)).astype(np.float32), (0, 0), 14)
    field = 110 + 45 * field / field.std()
    field[100:180, 200:240] = 235
    drawn = np.clip(field + rng.normal(0, 1, field.shape), 0, 255).astype(np.uint8)
    drawn.flags.writeable = False
    return drawn


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


@pytest.mark.parametrize("quality", [None, 80])
@pytest.mark.parametrize("radius", [6, 15])
@pytest.mark.parametrize("palette", ["rainbow", "jet", "turbo", "autumn", "COLORMAP_TWILIGHT"])
def test_a_small_warm_body_tells_palettes_apart(palette, radius, quality) -> None:
    """A ground from red to yellow is a part of rainbow and of autumn; the body is only in one."""
    ground = scene() // 6
    gray = cv2.circle(ground.copy(), (150, 120), radius, 190, -1)
    picture = colored(gray, palette)
    try:
        found = intensities(picture if quality is None else through_jpeg(picture, quality))
    except InputError:
        assert palette in CYCLIC
    else:
        inside = cv2.circle(np.zeros_like(gray), (150, 120), radius - 3, 1, -1) > 0
        assert found[inside].min() > 100
        assert np.median(found) < 40


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


@pytest.mark.parametrize("palette", ["iron", "inferno", "jet"])
def test_marks_of_the_hottest_and_the_coldest_pixel_do_not_matter(palette: str) -> None:
    picture = colored(scene(), palette)
    for (x, y), color in (((60, 50), (255, 0, 0)), ((250, 200), (0, 0, 255))):
        corners = np.array([[x - 6, y - 6], [x + 6, y - 6], [x, y + 5]])
        cv2.fillPoly(picture, [corners], color)
    found = intensities(picture)
    assert np.corrcoef(found.ravel(), scene().ravel())[0, 1] > 0.98


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


RAMP = np.arange(256)
GRAY = np.stack([RAMP] * 3, axis=1)


def between(*colors: tuple[int, int, int]) -> np.ndarray:
    """A palette of colors at even distances, ``(256, 3) uint8``."""
    at = np.linspace(0, 255, len(colors))
    return np.stack([np.interp(RAMP, at, each) for each in np.transpose(colors)], 1).astype("u1")


UNORDERED = {
    "gray, the hottest in red": np.where(RAMP[:, None] > 200, (255, 0, 0), GRAY).astype("u1"),
    "gray, both ends in color": np.select(
        [RAMP[:, None] < 20, RAMP[:, None] > 230], [(0, 0, 255), (255, 0, 0)], GRAY
    ).astype("u1"),
    "blue to red over gray": between((59, 76, 192), (221, 221, 221), (180, 4, 38)),
    "blue to red over white": between((0, 0, 77), (0, 0, 255), (255, 255, 255), (255, 0, 0)),
    "rainbow of pastels": between(
        (94, 79, 162),
        (102, 194, 165),
        (230, 245, 152),
        (254, 224, 139),
        (244, 109, 67),
        (158, 1, 66),
    ),
    "twilight_shifted": colored(RAMP[None].astype("u1"), "COLORMAP_TWILIGHT_SHIFTED")[0],
}


@pytest.mark.parametrize("quality", [None, 60])
@pytest.mark.parametrize("palette", UNORDERED)
@pytest.mark.parametrize("size", [0.04, 0.2])
def test_a_warm_body_in_a_darker_color_than_its_ground_is_no_gray(palette, size, quality) -> None:
    y, x = np.mgrid[:240, :320]
    noise = np.random.default_rng(1).normal(0, 2, x.shape)
    ground = 60 + 60 * y / 240 + 20 * np.sin(x / 25) + noise
    body = ((x - 208) / (320 * size)) ** 2 + ((y - 144) / (720 * size)) ** 2 < 1
    image = UNORDERED[palette][np.where(body, 240, ground).clip(0, 255).astype(np.uint8)]
    with pytest.raises(InputError, match="no known palette"):
        intensities(image if quality is None else through_jpeg(image, quality))


@pytest.mark.parametrize(
    "palette",
    [
        between(
            (0, 0, 0), (120, 10, 60), (210, 40, 30), (250, 140, 10), (255, 230, 80), (255,) * 3
        ),
        between(
            (0, 0, 0), (20, 40, 130), (100, 20, 120), (200, 30, 60), (240, 110, 10), (255,) * 3
        ),
        between((0, 0, 0), (0, 0, 255)),
    ],
    ids=["glowbow", "lava", "blue"],
)
@pytest.mark.parametrize("quality", [None, 60])
def test_other_palettes_that_grow_brighter_are_their_luma(palette, quality) -> None:
    gray = scene()
    image = palette[gray]
    found = intensities(image if quality is None else through_jpeg(image, quality))
    assert np.corrcoef(found.ravel(), gray.ravel())[0, 1] > 0.9


def test_a_part_of_a_palette_in_reverse_may_be_another_palette() -> None:
    """Dark red to yellow is the upper end of turbo, or a palette that begins there."""
    fire = between(
        (0, 0, 0), (80, 0, 0), (170, 20, 0), (255, 90, 0), (255, 200, 0), (255, 255, 160)
    )
    gray = scene()
    warm = np.where(gray > 230, 235, 60 + gray // 4).astype(np.uint8)
    with pytest.raises(InputError, match="no known palette"):
        intensities(fire[warm])


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


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (4, 4), (64, 64)])
@pytest.mark.parametrize("level", [None, 128])
def test_tiny_images_and_those_of_one_color_print_no_warnings_of_numpy(
    shape: tuple[int, int], level: int | None
) -> None:
    gray = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    if level is not None:
        gray[:] = level
    assert intensities(colored(gray, "jet")).shape == shape
