"""Training pairs: what is unusable is reported, and the split is stable."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from lut_fuse_training.data.pairs import (
    DataConfig,
    Pair,
    crop_pair,
    in_validation,
    read_pairs,
    to_gray,
)

from lut_fuse_core.errors import InputError
from tests.training.conftest import HEIGHT, NAMES, WIDTH, write_pair

SPLIT = DataConfig(validation_share=0.3)


def names(source: object) -> set[str]:
    return {source[k].name for k in range(len(source))}  # type: ignore[index, arg-type]


def test_every_pair_is_in_one_split(pairs_folder: Path) -> None:
    sets = read_pairs(pairs_folder, SPLIT, quiet=True)
    training, validation = names(sets.training), names(sets.validation)
    assert training | validation == set(NAMES)
    assert validation
    assert not training & validation


def test_the_split_depends_on_the_name_alone() -> None:
    chosen = [name for name in (f"FLIR_{k:05}" for k in range(1000)) if in_validation(name, 0.1)]
    assert 70 < len(chosen) < 130
    assert all(in_validation(name, 0.2) for name in chosen)


def test_bad_pairs_are_reported_and_left_out(tmp_path: Path) -> None:
    for seed, name in enumerate(NAMES[:4]):
        write_pair(tmp_path, name, seed)
    write_pair(tmp_path, "lonely", 9)
    (tmp_path / "infrared" / "lonely.png").unlink()
    (tmp_path / "visible" / f"{NAMES[0]}.png").write_bytes(b"not an image")
    cv2.imwrite(str(tmp_path / "infrared" / f"{NAMES[1]}.png"), np.zeros((9, 9), np.uint8))
    sets = read_pairs(tmp_path, DataConfig(validation_share=0), quiet=True)
    assert names(sets.training) == set(NAMES[2:4])
    reasons = {bad.name: bad.reason for bad in sets.bad}
    assert "partner" in reasons["lonely"]
    assert "not a" in reasons[NAMES[0]]
    assert "registered" in reasons[NAMES[1]]


def test_no_usable_pair_is_an_error_that_says_why(tmp_path: Path) -> None:
    write_pair(tmp_path, "only", 0)
    (tmp_path / "visible" / "only.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"no usable pair.*only\.png"):
        read_pairs(tmp_path, SPLIT, quiet=True)


def test_pairs_that_do_not_fit_into_memory_are_read_at_each_use(pairs_folder: Path) -> None:
    small = read_pairs(pairs_folder, SPLIT, quiet=True).training
    large = read_pairs(pairs_folder, DataConfig(memory_gb=1e-9, validation_share=0.3), quiet=True)
    assert small[0] is small[0]
    assert large.training[0] is not large.training[0]
    np.testing.assert_array_equal(small[1].visible, large.training[1].visible)


def test_a_data_set_with_splits_trains_on_its_training_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_pair(tmp_path / "inner", split, 0)
        for kind in ("visible", "infrared"):
            target = tmp_path / kind / split
            target.mkdir(parents=True)
            (tmp_path / "inner" / kind / f"{split}.png").rename(target / f"{split}.png")
    sets = read_pairs(tmp_path, DataConfig(validation_share=0), quiet=True)
    assert names(sets.training) == {"train"}


def test_a_crop_larger_than_the_image_is_continued_by_reflection(rng: np.random.Generator) -> None:
    visible = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    pair = Pair("p", visible, visible[..., 0])
    crop = crop_pair(pair, 100, rng)
    assert crop.visible.shape == (100, 100, 3)
    np.testing.assert_array_equal(crop.visible[..., 0], crop.infrared)
    np.testing.assert_array_equal(crop.infrared[HEIGHT], crop.infrared[HEIGHT - 2])


def test_all_images_of_a_pair_are_cut_alike(rng: np.random.Generator) -> None:
    gray = rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    pair = Pair("p", np.repeat(gray[..., None], 3, 2), gray, gray)
    for _ in range(4):
        crop = crop_pair(pair, 32, rng)
        assert crop.teacher_output is not None
        np.testing.assert_array_equal(crop.teacher_output, crop.infrared)
        np.testing.assert_array_equal(crop.teacher_output, crop.visible[..., 1])


def test_sixteen_bit_infrared_is_stretched(rng: np.random.Generator) -> None:
    counts = rng.integers(7000, 7400, (HEIGHT, WIDTH)).astype(np.uint16)
    gray = to_gray(counts)
    assert gray.dtype == np.uint8
    assert np.ptp(gray) > 150
