"""The range of a 16-bit stream after a change of the scene, with and without times."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from lut_fuse_core.arrays import RawInfrared
from lut_fuse_core.infrared.gray_range import RangeTracker
from lut_fuse_core.infrared.normalizer import InfraredNormalizer

NOISE = 3.0
LEVEL = 29_600.0

Field = np.ndarray
Start = Callable[[Field], Iterator[Field]]


def textured() -> Field:
    rng = np.random.default_rng(5)
    field = cv2.GaussianBlur(rng.normal(0, 1, (120, 160)).astype(np.float32), (0, 0), 6)
    return LEVEL + 150 * field / field.std()


def streets(shared: Path) -> list[Field]:
    """Infrared of RoadScene as 16 bits."""
    files = sorted((shared / "data/roadscene/test/infrared").glob("*.jpg"))[::12]
    images = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files]
    assert images
    return [
        27_000 + 12 * cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA).astype(np.float32)
        for image in images
    ]


@functools.cache
def noise(number: int, shape: tuple[int, int]) -> Field:
    return np.random.default_rng(number).normal(0, NOISE, shape)


def frame(field: Field, number: int) -> RawInfrared:
    height, width = field.shape
    return np.clip(field + noise(number, (height, width)), 0, 65535).astype(np.uint16)


def blank(scene: Field) -> Iterator[Field]:
    yield np.full_like(scene, -1e6)


def closed_shutter(scene: Field) -> Iterator[Field]:
    yield np.full_like(scene, scene.mean() + 900)


def wall(scene: Field) -> Iterator[Field]:
    yield from [np.full_like(scene, scene.mean())] * 90


def wall_in_the_middle(scene: Field) -> Iterator[Field]:
    yield from [scene] * 30
    yield from wall(scene)


def fog(scene: Field) -> Iterator[Field]:
    yield from [scene.mean() + 0.5 * (scene - scene.mean())] * 60


def lifting_fog(scene: Field) -> Iterator[Field]:
    for step in range(90):
        yield scene.mean() + (0.4 + 0.6 * step / 90) * (scene - scene.mean())


def sky(scene: Field) -> Iterator[Field]:
    yield from [np.full_like(scene, scene.min() - 200)] * 60


def garbage(scene: Field) -> Iterator[Field]:
    yield np.random.default_rng(0).uniform(0, 65535, scene.shape)


STARTS = [blank, closed_shutter, wall, wall_in_the_middle, fog, lifting_fog, sky, garbage]


def width_after(start: Start, scene: Field, frames: int, rate: float | None) -> float:
    normalizer, number = InfraredNormalizer(), 0

    def show(field: Field) -> None:
        nonlocal number
        number += 1
        normalizer(frame(field, number), None if rate is None else number / rate)

    for field in start(scene):
        show(field)
    for _ in range(frames):
        show(scene)
    assert normalizer.range is not None
    return normalizer.range.width


def steady_width(scene: Field) -> float:
    return RangeTracker(1, 99, 0.95).update(frame(scene, 0)).width


@pytest.mark.parametrize(("frames", "rate"), [(30, 30.0), (9, 9.0), (9, None)])
@pytest.mark.parametrize("start", STARTS)
def test_the_range_is_right_within_a_second(start: Start, frames: int, rate: float | None) -> None:
    scene = textured()
    assert width_after(start, scene, frames, rate) == pytest.approx(steady_width(scene), rel=0.2)


@pytest.mark.parametrize("start", STARTS)
def test_the_range_is_right_within_nine_frames_of_real_streets(start: Start, shared: Path) -> None:
    for scene in streets(shared):
        assert width_after(start, scene, 9, 9.0) == pytest.approx(steady_width(scene), rel=0.2)


@pytest.mark.parametrize("counts", [1500.0, -2500.0])
@pytest.mark.parametrize("share", [0.03, 0.1, 0.25])
def test_an_object_does_not_dim_real_streets(counts: float, share: float, shared: Path) -> None:
    for scene in streets(shared):
        normalizer = InfraredNormalizer()
        for number in range(40):
            before = normalizer(frame(scene, number), number / 30).astype(float)
        columns = int(share * scene.shape[1])
        with_object = scene.copy()
        with_object[:, :columns] = np.median(scene) + counts
        for number in range(40, 100):
            after = normalizer(frame(with_object, number), number / 30)
        assert abs((after - before)[:, columns:].mean()) < 6


def test_smoothing_is_in_time_where_frames_have_times() -> None:
    scene = textured()
    slower = scene.mean() + 0.75 * (scene - scene.mean())

    def width(rate: float) -> float:
        tracker = RangeTracker(1, 99, 0.95)
        tracker.update(frame(scene, 0), 0.0)
        for number in range(1, round(rate) + 1):
            current = tracker.update(frame(slower, number), number / rate)
        return current.width

    assert width(9.0) == pytest.approx(width(30.0), rel=0.02)
    assert width(60.0) == pytest.approx(width(30.0), rel=0.02)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.4, 0.6])
def test_pixels_outside_the_view_do_not_count(share: float) -> None:
    scene = cv2.resize(textured(), (640, 480))
    rotated = cv2.getRotationMatrix2D((320, 240), 7, zoom_that_leaves(share))
    raw = cv2.warpAffine(frame(scene, 0), rotated, (640, 480))
    inside = cv2.warpAffine(np.ones(scene.shape, np.uint8), rotated, (640, 480))
    inside = cv2.erode(inside, np.ones((5, 5), np.uint8)).astype(bool)
    assert np.mean(raw == 0) == pytest.approx(share, abs=0.02)
    low, high = np.percentile(raw[inside], (1, 99))
    assert RangeTracker(1, 99, 0.95).update(raw).width == pytest.approx(high - low, rel=0.05)


@pytest.mark.parametrize("fill", [1, 16_383, 65_535])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("moves", [False, True])
def test_a_border_may_be_filled_with_any_value(fill: int, share: float, moves: bool) -> None:
    tracker, scene = RangeTracker(1, 99, 0.95), textured()
    edge = int(share * scene.shape[1])
    for number in range(30):
        raw = frame(scene, number)
        raw[:, : edge + (number % 5 if moves else 0)] = fill
        current = tracker.update(raw)
    low, high = np.percentile(raw[:, edge + 5 :], (1, 99))
    assert current.width == pytest.approx(high - low, rel=0.15)


def zoom_that_leaves(share: float) -> float:
    """Scale at which a view of 640x480, rotated by 7 degrees, leaves a share of it empty."""
    low, high = 0.2, 1.6
    for _ in range(20):
        zoom = (low + high) / 2
        matrix = cv2.getRotationMatrix2D((320, 240), 7, zoom)
        inside = cv2.warpAffine(np.ones((480, 640), np.uint8), matrix, (640, 480)).mean()
        low, high = (low, zoom) if inside > 1 - share else (zoom, high)
    return zoom


def test_a_wall_is_not_held_for_longer_than_a_shutter_at_nine_hertz() -> None:
    scene, normalizer = textured(), InfraredNormalizer()
    for number in range(20):
        normalizer(frame(scene, number), number / 9)
    taken = [
        normalizer.take(frame(np.full_like(scene, LEVEL), number), number / 9)
        for number in range(20, 50)
    ]
    assert not taken[0]
    assert all(taken[15:])


def test_a_scene_of_less_contrast_is_no_closed_shutter() -> None:
    scene, normalizer = textured(), InfraredNormalizer()
    furnace = LEVEL + 20 * (scene - LEVEL)
    for number in range(20):
        normalizer(frame(furnace, number))
    assert normalizer.take(frame(scene, 20))


def test_a_frame_outside_the_view_alone_keeps_the_range() -> None:
    tracker = RangeTracker(1, 99, 0.95)
    before = tracker.update(frame(textured(), 0))
    assert tracker.update(np.zeros((120, 160), np.uint16)) == before
