"""What is done on the small grid of the rig's watch is what OpenCV would do."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.registration.watch import small_images
from lut_fuse_core.registration.watch.small_images import (
    blurred,
    inner,
    products,
    sampled,
    shrunk,
    window_sums,
)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.fixture(params=["library", "portable"])
def _everywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "portable":

        def missing() -> None:
            raise BackendUnavailableError("not built")

        monkeypatch.setattr(small_images, "load_library", missing)


@pytest.mark.usefixtures("_everywhere")
@pytest.mark.parametrize("shape", [(480, 640, 3), (481, 643), (60, 80), (17, 33, 3)])
@pytest.mark.parametrize("size", [(128, 96), (16, 16)])
def test_an_image_made_smaller_holds_the_means_of_areas(
    shape: tuple[int, ...], size: tuple[int, int]
) -> None:
    image = 255 * noise(*shape)
    wanted = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(shrunk(image, size), wanted, atol=1e-3)


@pytest.mark.usefixtures("_everywhere")
def test_an_image_of_bytes_may_be_mirrored() -> None:
    image = (256 * noise(97, 131, 3)).astype(np.uint8)[:, ::-1]
    wanted = cv2.resize(image.astype(np.float32), (40, 30), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(shrunk(image, (40, 30)), wanted, atol=0.501)


@pytest.mark.usefixtures("_everywhere")
@pytest.mark.parametrize("shape", [(96, 128), (72, 128, 4), (16, 128, 4), (128, 16)])
@pytest.mark.parametrize("sigma", [0.8, 6.0])
def test_a_blur_goes_on_beyond_the_border_as_in_a_mirror(
    shape: tuple[int, ...], sigma: float
) -> None:
    image = noise(*shape)
    np.testing.assert_allclose(
        blurred(image, sigma), cv2.GaussianBlur(image, (0, 0), sigma), atol=1e-5
    )


def test_values_between_pixels_are_interpolated_and_the_border_goes_on() -> None:
    image, x, y = noise(60, 80), 90 * noise(96, 128, seed=1) - 5, 70 * noise(96, 128, seed=2) - 5
    wanted = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(sampled(image, x, y), wanted, atol=0.04)
    assert np.isfinite(sampled(image, np.full_like(x, np.nan), y)).all()


def test_a_mask_loses_what_is_near_its_holes_but_nothing_at_the_border() -> None:
    mask = noise(40, 50) > 0.01
    wanted = cv2.erode(mask.astype(np.float32), np.ones((5, 5), np.uint8), borderValue=1.0)
    np.testing.assert_array_equal(inner(mask), wanted > 0)


def test_sums_over_squares() -> None:
    values = noise(50, 61)
    assert window_sums(values, 24).shape == (27, 38)
    assert window_sums(values, 24)[5, 7] == pytest.approx(values[5:29, 7:31].sum(), rel=1e-5)


def test_products_with_a_template() -> None:
    window, template = noise(40, 40, 4), noise(24, 24, 4, seed=1)
    wanted = cv2.matchTemplate(window, template, cv2.TM_CCORR)
    np.testing.assert_allclose(products(window, template), wanted, rtol=1e-4)
