"""Temperatures and counts of other types than 8 and 16 bits unsigned."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig
from lut_fuse_core.infrared.quantity import CountConverter
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline


def degrees() -> np.ndarray:
    """``(120, 160) float32``: a scene of 5 to 35 degrees Celsius with a warm body."""
    rng = np.random.default_rng(1)
    field = cv2.GaussianBlur(rng.normal(0, 1, (120, 160)).astype(np.float32), (0, 0), 8)
    field = 20 + 5 * field / field.std()
    field[40:80, 60:90] = 36.5
    return field.astype(np.float32)


ENCODINGS = {
    "Celsius, float32": degrees,
    "Celsius, float64": lambda: degrees().astype(np.float64),
    "kelvin, float32": lambda: degrees() + np.float32(273.15),
    "kelvin, big-endian": lambda: (degrees() + 273.15).astype(">f4"),
    "0.01 K, uint32": lambda: np.rint((degrees() + 273.15) * 100).astype(np.uint32),
    "0.001 K, uint32": lambda: np.rint((degrees() + 273.15) * 1000).astype(np.uint32),
    "0.01 degrees, int16": lambda: np.rint(degrees() * 100).astype(np.int16),
    "0.01 K, big-endian uint16": lambda: np.rint((degrees() + 273.15) * 100).astype(">u2"),
    "counts, float32": lambda: np.rint((degrees() + 273.15) * 100).astype(np.float32),
    "intensities, float32": lambda: (degrees() / 50).astype(np.float32),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_scene_looks_the_same_whatever_its_numbers_are(encoding: str) -> None:
    reference = np.rint((degrees() + 273.15) * 100).astype(np.uint16)
    expected = InfraredNormalizer()(reference).astype(int)
    assert np.abs(InfraredNormalizer()(ENCODINGS[encoding]()).astype(int) - expected).max() <= 1


FILLED = {
    "Celsius, -9999": (lambda: degrees(), -9999.0),
    "Celsius, 0 K": (lambda: degrees(), -273.15),
    "kelvin, 1e20": (lambda: degrees() + np.float32(273.15), 1e20),
    "int16, its least": (lambda: np.rint(degrees() * 100).astype(np.int16), -32768),
    "uint32, its largest": (lambda: np.rint((degrees() + 273.15) * 1000).astype("u4"), 2**32 - 1),
}


@pytest.mark.parametrize("kind", FILLED)
@pytest.mark.parametrize("share", [0.02, 0.6])
def test_numbers_that_stand_for_no_data_are_not_seen(kind: str, share: float) -> None:
    make, value = FILLED[kind]
    image = make()
    edge = round(share * image.shape[1])
    image[:, :edge] = value
    converter = CountConverter()
    counts = converter(image)
    assert not counts[:, :edge].any()
    celsius = (counts[:, edge:] - converter.scale.bias) / converter.scale.gain
    assert np.ptp(celsius) > 10
    plain = InfraredNormalizer()(make()[:, edge:]).astype(int)
    assert np.abs(InfraredNormalizer()(image)[:, edge:].astype(int) - plain).mean() < 3


@pytest.mark.filterwarnings("error")
def test_nan_of_any_kind_is_not_seen_and_no_warning() -> None:
    image = degrees()
    image.view(np.uint32)[:10] = 0x7F800001  # a signaling NaN
    assert not CountConverter()(image)[:10].any()


def test_a_hot_body_at_the_end_of_the_range_is_seen() -> None:
    image = degrees()
    image[40:80, 60:90] = 150.0  # all a camera can say
    assert CountConverter()(image)[40:80, 60:90].all()


def test_counts_in_float64_are_read() -> None:
    """NumPy holds float64 equal to None."""
    counts = degrees().astype(np.float64) * 100 + 5000.5
    reference = InfraredNormalizer()(np.rint(counts).astype(np.uint16)).astype(int)
    assert np.abs(InfraredNormalizer()(counts).astype(int) - reference).max() <= 2


def test_a_furnace_in_degrees_keeps_its_fractions() -> None:
    hot = degrees() + np.float32(1200)
    expected = InfraredNormalizer()(np.rint(hot * 10).astype(np.uint16)).astype(int)
    assert np.abs(InfraredNormalizer()(hot).astype(int) - expected).max() <= 2


@pytest.mark.parametrize("offset", [0.0, 273.15])
def test_temperatures_keep_a_hundredth_of_a_kelvin(offset: float) -> None:
    converter = CountConverter()
    counts = converter(degrees() + np.float32(offset))
    kelvin = (counts - converter.scale.bias) / converter.scale.gain - offset
    assert np.abs(kelvin - degrees()).max() <= 0.0051


@pytest.mark.parametrize("hottest", [370.0, 900.0, 2500.0])
def test_hot_things_are_told_apart(hottest: float) -> None:
    image = degrees()
    image[:20] = hottest - 1
    image[20:40] = hottest
    counts = CountConverter()(image).astype(int)
    assert counts[30, 0] - counts[10, 0] >= 10


def test_a_flame_makes_the_steps_coarse_once_and_for_all() -> None:
    converter, flame = CountConverter(), degrees()
    flame[0, 0] = 1200
    fine, first, second = converter(degrees()), converter(flame), converter(degrees())
    assert fine.max() > 5 * first[1:].max()
    assert abs(int(first[50, 70]) - int(second[50, 70])) <= 1


def test_pixels_that_are_not_numbers_are_not_seen() -> None:
    image = degrees()
    plain = InfraredNormalizer()(image).astype(int)
    image[:, :60] = np.nan
    image[:4] = np.inf
    counts = CountConverter()(image)
    assert not counts[:, :60].any()
    assert counts[4:, 60:].all()
    with_gap = InfraredNormalizer()(image).astype(int)
    assert np.abs(with_gap - plain)[4:, 60:].mean() < 12


def test_zeros_around_a_rectified_view_are_not_seen() -> None:
    image = degrees() + np.float32(273.15)
    image[:, :90] = 0
    counts = CountConverter()(image)
    assert not counts[:, :90].any()
    assert counts[:, 90:].min() > 27000


def test_freezing_scenes_have_zeros_that_are_seen() -> None:
    image = np.round(degrees() - 20, 1)
    assert (image == 0).any()
    assert CountConverter()(image).all()


def test_the_user_has_the_last_word() -> None:
    image = np.full((20, 20), 250.5, np.float32)
    image[10:] = 300.5
    config = NormalizationConfig(mode="range", unit="celsius", low=200, high=400)
    as_celsius = InfraredNormalizer(NormalizationConfig(**{**vars(config), "quantity": "celsius"}))
    as_kelvin = InfraredNormalizer(NormalizationConfig(**{**vars(config), "quantity": "kelvin"}))
    assert as_celsius(image)[15, 0] == pytest.approx(128, abs=1)
    assert as_kelvin(image)[15, 0] == 0


def test_a_fixed_range_is_in_the_numbers_that_come() -> None:
    config = NormalizationConfig(mode="range", low=0.0, high=40.0)
    gray = InfraredNormalizer(config)(degrees())
    assert gray[50, 70] == pytest.approx(255 * 36.5 / 40, abs=1)


@pytest.mark.parametrize("offset", [0.0, 273.15])
def test_a_fixed_range_in_degrees_needs_no_radiometry_for_temperatures(offset: float) -> None:
    config = NormalizationConfig(mode="range", unit="celsius", low=0.0, high=40.0)
    gray = InfraredNormalizer(config)(degrees() + np.float32(offset))
    assert gray[50, 70] == pytest.approx(255 * 36.5 / 40, abs=1)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), bool), np.zeros((4, 4), complex), np.zeros((2, 4, 4), np.float32)]
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="infrared must be"):
        InfraredNormalizer()(image)


def test_nothing_but_unseen_pixels_is_no_error() -> None:
    assert not CountConverter()(np.full((20, 20), np.nan, np.float32)).any()


def test_the_pipeline_fuses_temperatures_like_counts() -> None:
    visible = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    config = PipelineConfig(backend="reference")
    counts = np.rint((degrees() + 273.15) * 100).astype(np.uint16)
    expected = FusionPipeline(config).process(visible, counts).astype(int)
    fused = FusionPipeline(config).process(visible, degrees()).astype(int)
    assert np.abs(fused - expected).mean() < 1
