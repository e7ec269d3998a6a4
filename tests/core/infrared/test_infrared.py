"""Normalization of raw infrared: what a stream looks like after it, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

from lut_fuse_core.arrays import RawInfrared
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.normalizer import InfraredNormalizer, NormalizationConfig

HEIGHT, WIDTH = 120, 160


def scene(seed: int = 0, level: float = 7000, contrast: float = 150) -> RawInfrared:
    """One raw frame: a smooth warm and cold landscape plus sensor noise, 16 bits."""
    noise = np.random.default_rng(seed).normal(0, 4, (HEIGHT, WIDTH))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    landscape = np.sin(x / 17) + np.cos(y / 13) + 0.5 * np.sin((x + y) / 7)
    return (level + contrast * landscape + noise).astype(np.uint16)


def settled(normalizer: InfraredNormalizer, frames: int = 30) -> np.ndarray:
    """Run a steady stream and return the last normalized frame (a copy)."""
    for seed in range(frames):
        gray = normalizer(scene(seed))
    return gray.copy()


def test_a_16_bit_scene_spreads_over_the_gray_scale() -> None:
    gray = InfraredNormalizer()(scene())
    low, high = np.percentile(gray, (2, 98))
    assert low < 40
    assert high > 190


def test_8_bit_images_are_left_as_they_are_by_default() -> None:
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
    assert np.array_equal(InfraredNormalizer()(image), image)


@pytest.mark.parametrize("share", [0.03, 0.1, 0.25])
def test_a_hot_object_entering_does_not_dim_the_rest(share: float) -> None:
    normalizer = InfraredNormalizer()
    before = settled(normalizer)
    columns = int(WIDTH * share)
    for seed in range(100, 190):
        raw = scene(seed)
        raw[:, :columns] += 4000
        after = normalizer(raw)
    dimmed = before[:, columns:].astype(float) - after[:, columns:]
    assert abs(dimmed.mean()) < 6
    assert after[:, :columns].min() > 215, "the object itself is the brightest thing there is"


def test_a_hot_object_keeps_contrast_inside() -> None:
    normalizer = InfraredNormalizer()
    settled(normalizer)
    raw = scene(100)
    raw[20:60, 20:40] = 8000
    raw[20:60, 40:60] = 9500
    gray = normalizer(raw).astype(int)
    assert gray[40, 50] - gray[40, 30] >= 5


def test_when_the_whole_scene_warms_up_the_range_follows() -> None:
    normalizer = InfraredNormalizer()
    settled(normalizer)
    for seed in range(100, 220):
        gray = normalizer(scene(seed, level=9000)[::-1, ::-1])
    assert 90 < np.median(gray) < 150


def test_the_range_moves_smoothly() -> None:
    smooth, nervous = (
        InfraredNormalizer(NormalizationConfig(smoothing=s, shutter=False)) for s in (0.95, 0.0)
    )
    levels = []
    for normalizer in (smooth, nervous):
        settled(normalizer)
        before = normalizer(scene(50))[60, 80]
        levels.append(abs(int(normalizer(scene(51, contrast=75))[60, 80]) - int(before)))
        reference = normalizer.range
        assert reference is not None
    assert smooth.range is not None
    assert nervous.range is not None
    assert smooth.range.width > 1.5 * nervous.range.width


def test_a_fixed_range_in_degrees_maps_temperatures() -> None:
    config = NormalizationConfig(mode="range", unit="celsius", low=0, high=51, scale=0.01)
    counts = np.full((20, 20), (25.5 + 273.15) / 0.01, np.uint16)
    assert InfraredNormalizer(config)(counts)[0, 0] == pytest.approx(127.5, abs=1)


def test_a_fixed_range_gives_equal_grays_whatever_else_is_in_view() -> None:
    config = NormalizationConfig(mode="range", low=6000, high=8000)
    plain, busy = scene(), scene()
    busy[:40] = 30000
    normalizer = InfraredNormalizer(config)
    assert np.array_equal(normalizer(plain)[60:].copy(), normalizer(busy)[60:])


def test_black_hot_cameras_are_inverted() -> None:
    raw = scene()
    white = InfraredNormalizer(NormalizationConfig())(raw)
    black = InfraredNormalizer(NormalizationConfig(polarity="black_hot"))(raw)
    assert np.array_equal(black, 255 - white)
    eight = np.array([[0, 100], [200, 255]], np.uint8)
    inverted = InfraredNormalizer(NormalizationConfig(polarity="black_hot"))(eight)
    assert np.array_equal(inverted, 255 - eight)


def test_local_contrast_brings_out_faint_detail() -> None:
    raw = scene(contrast=400)
    raw[50:70:4, 60:90] += 12
    plain = InfraredNormalizer(NormalizationConfig())(raw).astype(float)
    local = InfraredNormalizer(NormalizationConfig(local_contrast=3.0))(raw).astype(float)
    detail = np.s_[50:70, 60:90]
    assert np.abs(np.diff(local[detail], axis=0)).mean() > 1.3 * (
        np.abs(np.diff(plain[detail], axis=0)).mean()
    )


def test_dead_pixels_are_learned_and_filled_from_their_neighbors() -> None:
    normalizer = InfraredNormalizer(NormalizationConfig(dead_pixels=True))
    rng = np.random.default_rng(1)
    dead = {(20, 30): 65535, (70, 90): 0, (0, 5): 20000}
    for seed in range(80):
        # The view drifts, as a driving camera's does: only defects stay where they are.
        raw = np.roll(scene(seed), seed, axis=1)
        raw[rng.integers(HEIGHT), rng.integers(WIDTH)] = 30000
        for (row, column), value in dead.items():
            raw[row, column] = value
        gray = normalizer(raw).astype(int)
    assert normalizer.dead_pixel_count == len(dead)
    for row, column in dead:
        patch = gray[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert np.ptp(patch) < 60


def test_a_frozen_frame_is_counted_once_and_does_not_feed_the_range() -> None:
    normalizer = InfraredNormalizer()
    before = settled(normalizer)
    frozen = scene(29)
    for _ in range(10):
        assert np.array_equal(normalizer(frozen), before)
    normalizer(scene(60))
    assert normalizer.shutter_counts.frozen == 1


def test_the_closed_shutter_is_not_shown() -> None:
    normalizer = InfraredNormalizer()
    before = settled(normalizer)
    rng = np.random.default_rng(0)
    for _ in range(8):
        shutter = (7400 + rng.normal(0, 4, (HEIGHT, WIDTH))).astype(np.uint16)
        assert np.array_equal(normalizer(shutter), before)
    assert normalizer.shutter_counts.blank == 1
    assert np.abs(normalizer(scene(99)).astype(int) - before).mean() < 5


def test_a_view_that_stays_blank_is_shown_in_the_end() -> None:
    normalizer = InfraredNormalizer()
    before = settled(normalizer)
    rng = np.random.default_rng(0)
    for _ in range(60):
        wall = (7400 + rng.normal(0, 4, (HEIGHT, WIDTH))).astype(np.uint16)
        gray = normalizer(wall)
    assert not np.array_equal(gray, before)


def test_a_jump_of_all_counts_does_not_flash() -> None:
    normalizer = InfraredNormalizer()
    before = settled(normalizer)
    after = normalizer(scene(30, level=7000 + 900))
    assert np.abs(after.astype(int) - before).mean() < 5
    assert normalizer.shutter_counts.jump == 1


def test_a_new_stream_starts_afresh_after_a_reset() -> None:
    normalizer = InfraredNormalizer()
    settled(normalizer)
    normalizer.reset()
    assert np.array_equal(normalizer(scene(level=20000)), InfraredNormalizer()(scene(level=20000)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "clever"}, "mode"),
        ({"low": 10.0, "high": 10.0}, "range"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"low_percentile": 99.0, "high_percentile": 1.0}, "percentiles"),
        ({"scale": 0.0}, "scale"),
        ({"local_contrast": -1.0}, "contrast"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NormalizationConfig(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(4, 4, 3), (0, 4)])
def test_images_of_another_kind_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="infrared must be"):
        InfraredNormalizer()(np.zeros(shape, np.uint16))


def test_what_changes_between_the_pixels_looked_at_is_shown() -> None:
    normalizer = InfraredNormalizer()
    still = np.full((480, 640), 90, np.uint8)
    still[::2] = 120
    normalizer(still)
    assert normalizer.shutter_counts.frozen == 0
    moved = still.copy()
    step = max(1, int(np.sqrt(still.size / 1200)))
    moved[2 * step + 1 : 3 * step, 2 * step + 1 : 3 * step] = 255
    for _ in range(3):
        assert normalizer(moved)[2 * step + 2, 2 * step + 2] == 255


def test_a_wall_is_shown_live_once_it_is_known_to_be_one() -> None:
    rng = np.random.default_rng(0)
    normalizer = InfraredNormalizer()
    for index in range(30):
        normalizer(scene(index))
    shown = [
        normalizer.take((7400 + rng.normal(0, 4, (HEIGHT, WIDTH))).astype(np.uint16))
        for _ in range(200)
    ]
    assert not any(shown[:40])
    assert all(shown[50:])


@pytest.mark.parametrize("mode", ["auto", "percentile"])
def test_a_stream_that_changes_its_depth_is_shown_from_the_first_frame(mode: str) -> None:
    normalizer = InfraredNormalizer(NormalizationConfig(mode=mode))
    for index in range(30):
        normalizer(scene(index))
    rng = np.random.default_rng(0)
    for _ in range(5):
        eight_bit = rng.integers(60, 180, (HEIGHT, WIDTH)).astype(np.uint8)
        assert normalizer.take(eight_bit)
        assert np.ptp(normalizer.normalize(eight_bit).astype(int)) > 60


def test_the_last_picture_outlives_what_the_caller_writes_over_it() -> None:
    normalizer = InfraredNormalizer()
    frames = [np.full((30, 40), level, np.uint16) for level in (3000, 3100, 3200)]
    frames[1].flags.writeable = False
    for frame in frames:
        normalizer.take(frame)
        kept = frame.copy()
        if frame.flags.writeable:
            frame[:] = 0
            assert not np.may_share_memory(normalizer.picture, frame)
        else:  # nobody writes there, so that no copy is needed
            assert np.may_share_memory(normalizer.picture, frame)
        assert np.array_equal(normalizer.picture, kept)
