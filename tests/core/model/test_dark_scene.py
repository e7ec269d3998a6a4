"""A model may fuse dark scenes in another way, and knows them by the ambient level of the frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_files import rewrite
from random_models import DARK_LEVELS, random_model

from lut_fuse_core import ModelError, load_model, save_model
from lut_fuse_core.arrays import gray_view
from lut_fuse_core.model.export import export_model
from lut_fuse_core.model.features import ambient, ambient_of_samples, ambient_samples
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.model.scenes import place_of


@pytest.fixture
def dark() -> FusionModel:
    return random_model(3, unshuffle=2, dark=True)


def gray(level: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


@pytest.mark.parametrize("size", [(16, 16), (63, 65), (480, 640)])
def test_two_in_five_pixels_are_darker_than_the_ambient_level(size: tuple[int, int]) -> None:
    ramp = np.linspace(0, 250, size[1]).astype(np.uint8)
    assert ambient(np.broadcast_to(ramp[:, None], (*size, 3))) == pytest.approx(100, abs=9)
    for level in (0, 40, 255):
        assert ambient(gray(level, size)) == pytest.approx(level + 0.4, abs=0.01)
    green = gray(0, size)
    green[..., 1] = 100
    assert ambient(green) == pytest.approx(58.4, abs=0.01)


@pytest.mark.parametrize("size", [(16, 16), (63, 65), (480, 640)])
def test_the_library_and_numpy_measure_the_same_ambient_level(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    for image in (noise, noise[::-1], noise[:, ::-1], gray_view(noise[..., 0].copy())):
        assert ambient(image) == ambient_of_samples(ambient_samples(image))


def test_the_ambient_level_does_not_depend_on_the_layout_in_memory() -> None:
    image = np.random.default_rng(4).integers(0, 256, (97, 131, 3), np.uint8)
    wide = np.zeros((97, 262, 3), np.uint8)
    wide[:, ::2] = image
    assert ambient(wide[:, ::2]) == ambient(image)


@pytest.mark.parametrize(
    ("darkest", "brightest", "entering"), [(10, 60, 255), (40, 90, 255), (100, 250, 10)]
)
def test_what_enters_moves_the_ambient_level_but_little(
    darkest: int, brightest: int, entering: int
) -> None:
    rng = np.random.default_rng(0)
    scene = rng.integers(darkest, brightest, (480, 640, 1), np.uint8).repeat(3, 2)
    entered = scene.copy()
    entered[100:300, 100:400] = entering  # a fifth of the picture
    moved = abs(ambient(entered) - ambient(scene))
    assert moved < 0.16 * (brightest - darkest)


def test_a_scene_passes_linearly_from_one_lattice_to_the_next() -> None:
    levels = (0, 40, 50, 60, 80, 95, 100, 255)
    places = np.array([place_of(ambient(gray(level)), (40.4, 80.4, 100.4)) for level in levels])
    expected = [0, 0, 0.25, 0.5, 1, 1.75, 2, 2]
    np.testing.assert_allclose(places.sum(axis=1), expected, atol=1e-3)
    assert places[:, 1].max() < 1


def test_the_file_keeps_what_dark_scenes_need(dark: FusionModel, tmp_path: Path) -> None:
    save_model(dark, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.lattices, dark.lattices)
    assert loaded.levels == DARK_LEVELS


@pytest.mark.parametrize("levels", [None, [10**400, 10**401, 10**402], 3])
def test_a_file_that_does_not_say_when_its_lattices_serve_is_refused(
    dark: FusionModel, tmp_path: Path, levels: object
) -> None:
    save_model(dark, tmp_path / "m.safetensors")
    rewrite(tmp_path / "m.safetensors", header=lambda h: h.update(levels=levels))
    with pytest.raises(ModelError, match="damaged header"):
        load_model(tmp_path / "m.safetensors")


def test_the_parts_for_other_programs_have_all_lattices(dark: FusionModel, tmp_path: Path) -> None:
    assert tmp_path / "lattices.npy" in export_model(dark, tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "lattices.npy"), dark.lattices)
    facts = json.loads((tmp_path / "model.json").read_text())["scenes"]
    assert (tuple(facts["levels"]), facts["rank"]) == (DARK_LEVELS, 1638)


def test_levels_and_lattices_that_make_no_sense_are_refused(dark: FusionModel) -> None:
    for levels in (
        *((80.0, 40.0, 90.0), (-1.0, 40.0, 90.0), (40.0, 90.0, 300.0)),
        *((40.0, 90.0), (), (40.0, 40.000001, 90.0)),
    ):
        with pytest.raises(ModelError, match="must increase, from 0 to 255"):
            replace(dark, levels=levels)
    for lattices in (dark.lattices[:, 1:], dark.lattices[0]):
        with pytest.raises(ModelError, match=r"the lattices have shape .* the axes say \(S, 5, 4"):
            replace(dark, lattices=lattices)
    with pytest.raises(ModelError, match="2 lattices serve at"):
        replace(dark, lattices=dark.lattices[1:])
