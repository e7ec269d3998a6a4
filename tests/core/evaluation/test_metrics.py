"""Metrics: the published numbers to the third decimal, and what each metric says about extremes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lut_fuse_core import Fuser
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.metrics import (
    METRIC_NAMES,
    MINIMUM_SIDE,
    PairEvaluator,
    average_rule,
    evaluate_pair,
    gray_levels,
    maximum_rule,
)
from lut_fuse_core.io.dataset import find_dataset, read_infrared, read_visible

TOLERANCE = 1e-3

UInt8Image = npt.NDArray[np.uint8]


Scores = dict[str, dict[str, float]]
"""By pair, then by metric."""


@pytest.fixture(scope="module")
def measured(shared: Path) -> dict[str, Scores]:
    """Our numbers on every third test pair by method; what depends on the inputs comes once."""
    found: dict[str, Scores] = {"max": {}, "average": {}, "official_lut_fuse": {}}
    fuser = published_fuser(shared / "reference/official_lut_fuse")
    for files in find_dataset(shared / "data/roadscene/test").pairs[::3]:
        visible, infrared = read_visible(files.visible), read_infrared(files.infrared)
        gray, evaluator = gray_levels(visible), PairEvaluator(visible, infrared)
        found["max"][files.name] = evaluator.evaluate(maximum_rule(gray, infrared))
        found["average"][files.name] = evaluator.evaluate(average_rule(gray, infrared))
        if fuser is not None:
            fused = fuser.fuse(visible, infrared)
            found["official_lut_fuse"][files.name] = evaluator.evaluate(fused)
    return found


def published_fuser(folder: Path) -> Fuser | None:
    """The published model; None without PyTorch, which reading its files takes."""
    if importlib.util.find_spec("torch") is None:
        return None
    from lut_fuse_training.networks.published import import_published

    model = import_published(folder / "fine_tuned_lut.npy", folder / "generator_context.pth")
    return Fuser(model, backend="cpu", threads=1)


@pytest.fixture(scope="module")
def published(shared: Path) -> dict[str, dict[str, dict[str, float]]]:
    """The numbers of an independent evaluator, by pair and method."""
    reference = json.loads((shared / "reference/roadscene_test_metrics.json").read_text())
    per_image: dict[str, dict[str, dict[str, float]]] = reference["per_image"]
    return per_image


def deviations(
    method: str, measured: dict[str, Scores], published: dict[str, dict[str, dict[str, float]]]
) -> list[str]:
    assert len(measured[method]) == 17
    for name, found in measured[method].items():
        assert set(found) == set(published[name][method]) == set(METRIC_NAMES)
    return [
        f"{name} {method} {metric}: {found[metric]:.5f} instead of {value:.5f}"
        for name, found in measured[method].items()
        for metric, value in published[name][method].items()
        if not abs(found[metric] - value) < TOLERANCE
    ]


def test_the_baselines_reproduce_the_published_numbers(measured: Any, published: Any) -> None:
    assert deviations("max", measured, published) == []
    assert deviations("average", measured, published) == []


def test_the_published_model_reproduces_the_published_numbers(
    measured: Any, published: Any
) -> None:
    pytest.importorskip("torch", reason="reading the published model files takes PyTorch")
    assert deviations("official_lut_fuse", measured, published) == []


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[UInt8Image, UInt8Image]:
    """Two unlike gray images with structure: smooth ramps, blocks, a little noise."""
    rows, columns = np.mgrid[0:72, 0:96]
    visible = 60 + columns + 40 * ((rows // 12 + columns // 16) % 2) + rng.normal(0, 2, (72, 96))
    infrared = 200 - 2 * rows + 60 * (np.hypot(rows - 30, columns - 50) < 18)
    images = (np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (visible, infrared))
    first, second = images
    return first, second


def test_a_fused_image_equal_to_both_inputs_keeps_everything(
    pair: tuple[UInt8Image, UInt8Image],
) -> None:
    image = pair[0]
    scores = evaluate_pair(image, image, image)
    assert scores["MI"] == pytest.approx(2 * scores["EN"] * np.log(2))
    assert scores["CC"] == pytest.approx(1)
    assert scores["SSIM"] == pytest.approx(2)
    assert scores["VIF"] == pytest.approx(2)
    assert scores["Qabf"] == pytest.approx(0.9994 * 0.9879 / (1 + np.exp(-22 * 0.2)), abs=0.01)


def test_a_fused_image_equal_to_one_input_keeps_that_one_whole(
    pair: tuple[UInt8Image, UInt8Image],
) -> None:
    visible, infrared = pair
    scores = evaluate_pair(visible, infrared, fused=visible)
    assert 1 < scores["VIF"] < 2
    alone = evaluate_pair(infrared, infrared, fused=visible)
    assert scores["SSIM"] == pytest.approx(1 + alone["SSIM"] / 2)
    assert scores["MI"] > scores["EN"] * np.log(2)


def test_the_two_inputs_are_treated_alike(pair: tuple[UInt8Image, UInt8Image]) -> None:
    visible, infrared = pair
    fused = average_rule(visible, infrared)
    there, back = evaluate_pair(visible, infrared, fused), evaluate_pair(infrared, visible, fused)
    assert there == pytest.approx(back)


@pytest.mark.parametrize("seed", range(5))
def test_values_stay_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    visible, infrared, fused = rng.integers(0, 256, (3, 50, 61), np.uint8)
    scores = evaluate_pair(visible, infrared, fused)
    assert 0 <= scores["EN"] <= 8
    assert 0 <= scores["MI"] <= 2 * 8 * np.log(2)
    assert -1 <= scores["CC"] <= 1
    assert -2 <= scores["SSIM"] <= 2
    assert 0 <= scores["Qabf"] <= 1
    assert -2 <= scores["SCD"] <= 2
    assert scores["VIF"] >= 0
    assert 0 <= scores["SD"] <= 127.5


@pytest.mark.parametrize("levels", [(0, 0, 0), (90, 90, 90), (10, 200, 120), (255, 0, 255)])
def test_constant_images_give_finite_numbers(levels: tuple[int, int, int]) -> None:
    visible, infrared, fused = (np.full((48, 48), level, np.uint8) for level in levels)
    scores = evaluate_pair(visible, infrared, fused)
    assert all(np.isfinite(list(scores.values())))
    assert scores["EN"] == scores["SD"] == scores["SF"] == scores["AG"] == scores["MI"] == 0
    assert scores["VIF"] == 2, "nothing was there to lose"


def test_one_constant_input_gives_finite_numbers(pair: tuple[UInt8Image, UInt8Image]) -> None:
    dark = np.zeros_like(pair[0])
    for visible, infrared in ((pair[0], dark), (dark, pair[0])):
        assert all(np.isfinite(list(evaluate_pair(visible, infrared, pair[1]).values())))


def test_blur_loses_fidelity_edges_and_activity(pair: tuple[UInt8Image, UInt8Image]) -> None:
    visible, infrared = pair
    sharp = maximum_rule(visible, infrared)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2.5)
    before, after = (evaluate_pair(visible, infrared, image) for image in (sharp, blurred))
    for metric in ("MI", "SSIM", "Qabf", "VIF", "SF", "AG"):
        assert after[metric] < before[metric], metric


def test_known_values_on_a_checkerboard() -> None:
    board = (np.indices((48, 48)).sum(axis=0) % 2 * 100).astype(np.uint8)
    scores = evaluate_pair(board, board, board)
    assert scores["EN"] == pytest.approx(1)
    assert scores["MI"] == pytest.approx(2 * np.log(2))
    assert scores["SD"] == pytest.approx(50)
    assert scores["SF"] == pytest.approx(100 * np.sqrt(2))


def test_color_images_are_measured_by_their_luma(pair: tuple[UInt8Image, UInt8Image]) -> None:
    visible, infrared = pair
    rgb = np.repeat(visible[..., None], 3, axis=2)
    assert evaluate_pair(rgb, infrared, rgb) == evaluate_pair(visible, infrared, visible)


def test_images_of_different_sizes_are_refused_with_both_sizes() -> None:
    image, other = np.zeros((48, 64), np.uint8), np.zeros((64, 80), np.uint8)
    with pytest.raises(InputError, match=r"80x64.*64x48"):
        evaluate_pair(image, other, image)
    with pytest.raises(InputError, match="fused image is 80x64"):
        evaluate_pair(image, image, other)


def test_images_below_the_minimum_are_refused_and_at_it_measured(rng: np.random.Generator) -> None:
    side = MINIMUM_SIDE
    image = rng.integers(0, 256, (side, side), np.uint8)
    assert evaluate_pair(image, image, image)["VIF"] == pytest.approx(2)
    with pytest.raises(InputError, match="too small"):
        evaluate_pair(*[image[:, :-1]] * 3)


def test_other_types_are_refused() -> None:
    image = np.zeros((48, 64), np.uint8)
    with pytest.raises(InputError, match="float32"):
        evaluate_pair(image, image, image.astype(np.float32))  # type: ignore[arg-type]
