"""Batches and augmentation: repeatable, within range, and like what happens to cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lut_fuse_training.data import augment
from lut_fuse_training.data.augment import AugmentConfig
from lut_fuse_training.data.batches import BatchSource
from lut_fuse_training.data.pairs import DataConfig, Pair, read_pairs

DATA = DataConfig(crop=48, batch=2, validation_share=0.0)
ALWAYS = AugmentConfig(**dict.fromkeys(AugmentConfig.__dataclass_fields__, 1.0))


def augment_nothing(**but: float) -> AugmentConfig:
    return AugmentConfig(**{**dict.fromkeys(AugmentConfig.__dataclass_fields__, 0.0), **but})


@pytest.fixture(scope="module")
def source(pairs_folder: Path) -> BatchSource:
    return BatchSource(read_pairs(pairs_folder, DATA, quiet=True).training, DATA, ALWAYS, seed=1)


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    image = rng.uniform(0.2, 0.8, (48, 48, 4)).astype(np.float32)
    return image[..., :3], image[..., 3]


def test_a_step_always_has_the_same_batch(source: BatchSource) -> None:
    first, again, other = source(5), source(5), source(6)
    torch.testing.assert_close(first.visible, again.visible, rtol=0, atol=0)
    assert not torch.equal(first.visible, other.visible)


def test_threads_that_work_ahead_change_nothing(source: BatchSource, pairs_folder: Path) -> None:
    data = DataConfig(crop=48, batch=2, validation_share=0.0, workers=2)
    ahead = BatchSource(read_pairs(pairs_folder, data, quiet=True).training, data, ALWAYS, seed=1)
    for step in (3, 4, 5):
        assert torch.equal(ahead(step).visible, source(step).visible)


def test_augmented_images_stay_within_range(source: BatchSource) -> None:
    for step in range(6):
        batch = source(step)
        assert batch.visible.shape == (2, 3, 48, 48)
        assert batch.infrared.shape == (2, 1, 48, 48)
        for image in (batch.visible, batch.infrared):
            assert image.dtype == torch.float32
            assert 0 <= image.min() <= image.max() <= 1


def test_every_pair_comes_once_before_any_comes_again(pairs_folder: Path) -> None:
    pairs = read_pairs(pairs_folder, DATA, quiet=True).training
    drawn: list[str] = []

    class Noting:
        def __len__(self) -> int:
            return len(pairs)

        def __getitem__(self, index: int) -> Pair:
            drawn.append(pairs[index].name)
            return pairs[index]

    for rank in (0, 1):
        shares = BatchSource(Noting(), DATA, AugmentConfig(), 0, rank=rank, world=2)  # type: ignore[arg-type]
        for step in range(len(pairs) // 4):
            shares(step)
    assert sorted(drawn) == sorted(pairs[k].name for k in range(len(pairs)))


def test_crops_know_how_bright_the_scene_around_them_is() -> None:
    most = np.zeros((144, 144), np.uint8)
    most[:, 48:] = 200
    pair = Pair("most", most[..., None].repeat(3, 2), most)
    data = DataConfig(crop=48, batch=8)

    class Always:
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> Pair:
            return pair

    unchanged = BatchSource(Always(), data, augment_nothing(), 0)(0)  # type: ignore[arg-type]
    torch.testing.assert_close(unchanged.ambient, torch.full((8,), 200 / 255), atol=1 / 255, rtol=0)
    assert len({float(crop.mean()) for crop in unchanged.visible}) > 1
    at_night = BatchSource(Always(), data, augment_nothing(night=1.0), 0)(0)  # type: ignore[arg-type]
    lit = at_night.visible.amax((1, 2, 3))
    seen = lit > 0  # crops of the black part show nothing of the light
    torch.testing.assert_close(at_night.ambient[seen], lit[seen], atol=1 / 255, rtol=0)
    assert (at_night.ambient[~seen] > 0).all()


def test_a_share_of_the_batch_is_synthetic(pairs_folder: Path) -> None:
    pairs = read_pairs(pairs_folder, DATA, quiet=True).training
    white = Pair("s", np.full((64, 64, 3), 255, np.uint8), np.full((64, 64), 255, np.uint8))
    data = DataConfig(crop=48, batch=4, synthetic_share=0.5)
    batches = BatchSource(pairs, data, AugmentConfig(), 0, scene=lambda rng: white)
    count = sum(float(image.min()) == 1.0 for k in range(20) for image in batches(k).visible)
    assert 20 < count < 60


def test_night_is_dark_and_reversal_reverses(
    pair: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> None:
    visible, infrared = pair
    assert all(augment.night(rng)(visible).mean() < 0.6 * visible.mean() for _ in range(10))
    np.testing.assert_allclose(augment.reversal(infrared) + infrared, 1, atol=1e-6)


def test_zoom_softens_the_edges_of_both_images_alike(rng: np.random.Generator) -> None:
    step = np.zeros((48, 48), np.float32)
    step[:, 24:] = 1
    columns = np.linspace(0, 1, 48, dtype=np.float32)[None].repeat(48, 0)
    for _ in range(10):
        visible, infrared = augment.zoom(step[..., None].repeat(3, 2), columns, rng)
        assert visible.shape == (48, 48, 3)
        assert visible.min() >= 0
        assert visible.max() <= 1
        # The same window for both: the step is where infrared passes the middle.
        if 0.1 < visible[0, :, 0].mean() < 0.9:
            left = int((visible[0, :, 0] < 0.5).sum())
            np.testing.assert_allclose(infrared[0, left - 1 : left + 1].mean(), 0.5, atol=0.03)
        assert np.diff(infrared[0]).max() <= 1 / 47 + 1e-3


def test_cold_ground_is_dark_in_infrared_and_a_dim_street_keeps_its_texture(
    rng: np.random.Generator,
) -> None:
    infrared = np.full((48, 48), 0.25, np.float32)
    infrared[12:36, 12:36] = 0.95
    visible = rng.uniform(0.3, 0.6, (48, 48, 3)).astype(np.float32)
    for _ in range(10):
        dim, warm = augment.dim(rng)(visible), augment.cold(infrared, rng)
        assert warm[:4, :4].max() < 0.17
        assert warm[24, 24] > 0.7
        assert 0.05 < dim.mean() / visible.mean() < 0.65
        assert np.corrcoef(dim.ravel(), visible.ravel())[0, 1] > 0.95


def test_glare_only_adds_light_and_nearly_saturates(
    pair: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> None:
    visible, _ = pair
    lit = augment.glare(visible, rng)
    assert (lit >= visible).all()
    assert lit.max() > 1


def test_flat_infrared_shows_warm_bodies_and_little_else(rng: np.random.Generator) -> None:
    infrared = np.full((48, 48), 0.3, np.float32)
    infrared[:, ::2] += 0.05
    infrared[16:40, 16:40] = 0.98
    for _ in range(10):
        flat = augment.infrared_flat(infrared, rng)
        assert flat[28, 28] > 0.85
        assert flat[:8, :8].mean() < 0.3
        assert flat[:8, :8].std() < infrared[:8, :8].std()


def test_visible_noise_grows_in_the_dark() -> None:
    def deviation(level: float) -> float:
        flat = np.full((64, 64, 3), level, np.float32)
        samples = [augment.visible_noise(flat, np.random.default_rng(k)).std() for k in range(20)]
        return float(np.mean(samples)) / np.sqrt(0.15 + level)

    assert deviation(0.05) > 1.5 * deviation(0.7)


def test_misalignment_moves_infrared_by_at_most_two_pixels(rng: np.random.Generator) -> None:
    point = np.zeros((33, 33), np.float32)
    point[16, 16] = 1
    for _ in range(10):
        moved = augment.misalignment(point, rng)
        rows, columns = np.nonzero(moved > 0.01)
        assert np.abs(rows - 16).max() <= 3
        assert np.abs(columns - 16).max() <= 3


def test_without_probabilities_nothing_happens(
    pair: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> None:
    scene = rng.random((64, 3), np.float32)
    unchanged = augment.augment(*pair, scene, augment_nothing(), rng)
    for before, after in zip((*pair, scene), unchanged, strict=True):
        np.testing.assert_array_equal(before, after)
