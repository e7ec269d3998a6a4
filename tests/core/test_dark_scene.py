"""A model may fuse dark scenes in another way, and knows them by the ambient level of the frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_models import random_model

from lut_fuse_core import Fuser, ModelError, load_model, save_model
from lut_fuse_core.backends.gpu_source import plan_kernels
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.features import ambient, darkness
from lut_fuse_core.model import DarkScene, FusionModel
from lut_fuse_core.model_export import export_model

BACKENDS = ("reference", "cpu", "native")


@pytest.fixture
def dark() -> FusionModel:
    return random_model(3, unshuffle=2, dark=True)


def grey(level: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def a_scene(top: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    visible = rng.integers(0, top, (70, 90, 3), np.uint8)
    return visible, rng.integers(0, 256, (70, 90), np.uint8)


@pytest.mark.parametrize("size", [(16, 16), (63, 65), (480, 640)])
def test_two_in_five_pixels_are_darker_than_the_ambient_level(size: tuple[int, int]) -> None:
    ramp = np.linspace(0, 250, size[1]).astype(np.uint8)
    assert ambient(np.broadcast_to(ramp[:, None], (*size, 3))) == pytest.approx(100, abs=9)
    for level in (0, 40, 255):
        assert ambient(grey(level, size)) == pytest.approx(level + 0.4, abs=0.01)
    green = grey(0, size)
    green[..., 1] = 100
    assert ambient(green) == pytest.approx(58.4, abs=0.01)


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


def test_a_scene_turns_dark_linearly_from_one_level_to_another() -> None:
    scene = DarkScene(np.zeros((2, 2, 2, 2), np.float32), 40.4, 80.4)
    shares = [darkness(grey(level), scene) for level in (0, 40, 50, 60, 80, 255)]
    assert shares == pytest.approx([1, 1, 0.75, 0.5, 0, 0], abs=1e-3)
    assert darkness(grey(0), None) == 0.0


def test_bright_and_dark_scenes_get_the_lattice_that_is_theirs(dark: FusionModel) -> None:
    assert dark.dark is not None
    dark = replace(dark, dark=DarkScene(dark.dark.lattice, 20.0, 90.0))
    assert dark.dark is not None
    plain = {
        "bright": replace(dark, dark=None),
        "dark": replace(dark, lattice=dark.dark.lattice, dark=None),
    }
    for backend in BACKENDS:
        for name, top in (("bright", 256), ("dark", 20)):
            pair = a_scene(top)
            if name == "bright":
                pair = (pair[0] | np.uint8(128), pair[1])
            expected = Fuser(plain[name], backend).fuse(*pair)
            np.testing.assert_array_equal(Fuser(dark, backend).fuse(*pair), expected)


@pytest.mark.parametrize("backend", ["cpu", "native"])
@pytest.mark.parametrize("name", ["random", "default"])
def test_what_was_fused_before_does_not_show(dark: FusionModel, name: str, backend: str) -> None:
    if name == "default":  # whose look-up is the packed one
        dark = load_model("default")
    fuser, reference = Fuser(dark, backend), Fuser(dark, "reference")
    for seed, top in enumerate((20, 250, 120, 121, 20, 130)):
        pair = a_scene(top, seed)
        difference = fuser.fuse(*pair).astype(int) - reference.fuse(*pair)
        assert np.abs(difference).max() <= 1


def test_a_lamp_that_enters_a_night_changes_nothing_beside_it(dark: FusionModel) -> None:
    visible, infrared = a_scene(20)
    entered = visible.copy()
    entered[:20, :20] = 255  # so many that the ambient level goes from 10 to 16
    for backend in BACKENDS:
        before, after = (Fuser(dark, backend).fuse(v, infrared) for v in (visible, entered))
        np.testing.assert_array_equal(before[40:, 40:], after[40:, 40:])


def test_the_file_keeps_what_dark_scenes_need(dark: FusionModel, tmp_path: Path) -> None:
    assert dark.dark is not None
    save_model(dark, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors").dark
    assert loaded is not None
    np.testing.assert_array_equal(loaded.lattice, dark.dark.lattice)
    assert (loaded.low, loaded.high) == (dark.dark.low, dark.dark.high)


def test_a_program_that_knows_no_dark_scenes_refuses_only_models_that_have_them(
    dark: FusionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model, name in ((dark, "dark"), (replace(dark, dark=None), "plain")):
        save_model(model, tmp_path / f"{name}.safetensors")
    monkeypatch.setattr("lut_fuse_core.model_file.FORMAT_VERSION", 1)
    load_model(tmp_path / "plain.safetensors")
    with pytest.raises(ModelError, match="upgrade"):
        load_model(tmp_path / "dark.safetensors")


def test_a_file_whose_levels_mean_something_else_is_refused(
    dark: FusionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("lut_fuse_core.model_file.FORMAT_VERSION", 2)
        save_model(dark, tmp_path / "old.safetensors")
    with pytest.raises(ModelError, match="train it again"):
        load_model(tmp_path / "old.safetensors")


def test_the_parts_for_other_programs_have_both_lattices(dark: FusionModel, tmp_path: Path) -> None:
    assert dark.dark is not None
    assert tmp_path / "dark_lattice.npy" in export_model(dark, tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "dark_lattice.npy"), dark.dark.lattice)
    facts = json.loads((tmp_path / "model.json").read_text())["dark"]
    assert (facts["low"], facts["high"], facts["rank"]) == (20.0, 200.0, 1638)
    plain = export_model(replace(dark, dark=None), tmp_path / "plain")
    assert "dark_lattice.npy" not in {path.name for path in plain}


def test_a_texture_is_refused(dark: FusionModel) -> None:
    with pytest.raises(BackendUnavailableError, match="mixed anew"):
        plan_kernels(dark, "fp16", lattice="texture")


def test_levels_and_lattices_that_make_no_sense_are_refused(dark: FusionModel) -> None:
    assert dark.dark is not None
    for low, high in ((80.0, 40.0), (-1.0, 40.0), (40.0, 300.0)):
        with pytest.raises(ModelError, match="must increase, from 0 to 255"):
            DarkScene(dark.lattice, low, high)
    with pytest.raises(ModelError, match="lattice for dark scenes has shape"):
        replace(dark, dark=replace(dark.dark, lattice=dark.lattice[1:]))
