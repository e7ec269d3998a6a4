"""The C++ library and NumPy find the same metrics."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.evaluation.metrics import BASELINES, PairEvaluator, gray_levels, native, pair
from lut_fuse_core.evaluation.metrics.portable import PortableEvaluator
from lut_fuse_core.io.dataset import find_dataset, read_infrared, read_visible
from lut_fuse_core.native.bindings import instruction_sets, load_library

UInt8Image = npt.NDArray[np.uint8]

AGREEMENT = dict.fromkeys(("MI", "EN", "CC", "SSIM", "SCD", "SD", "SF", "AG"), 1e-9)
# NumPy's exponential in single precision is up to two units of the last place off, on average 0.07.
AGREEMENT["Qabf"] = 5e-8
# Next to even areas, saturated sky for example, it divides by variances that are rounding errors of
# second moments: the same formula in extended precision is as far from NumPy.
AGREEMENT["VIF"] = 1e-8


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    try:
        return load_library()
    except BackendUnavailableError as reason:
        pytest.skip(str(reason))


def random(*shape: int) -> list[UInt8Image]:
    return list(np.random.default_rng(sum(shape)).integers(0, 256, (3, *shape), np.uint8))


def half_saturated() -> list[UInt8Image]:
    images = random(97, 131)
    for image, level in zip(images, (255, 0, 255), strict=True):
        image[:, :70] = level
    return images


def ramps() -> list[UInt8Image]:
    rows, columns = np.mgrid[0:60, 0:300]
    return [each.astype(np.uint8) for each in (columns // 2, rows * 4, (columns + rows) // 2)]


CASES = {
    "the smallest": random(41, 41),
    "odd sizes": random(43, 57),
    "one window in a row": random(200, 41),
    "one window in a column": random(41, 301),
    "wider than two blocks": random(64, 291),
    "half saturated": half_saturated(),
    "ramps": ramps(),
    "black": [np.zeros((48, 64), np.uint8)] * 3,
    "white": [np.full((48, 64), 255, np.uint8)] * 3,
    "one source without structure": [np.full((48, 64), 255, np.uint8), *random(48, 64)[1:]],
    "one bright pixel": [np.pad(np.full((1, 1), 255, np.uint8), 24)] * 3,
    "equal to a source": [random(48, 64)[0], random(48, 64)[1], random(48, 64)[1]],
    "negative": [random(48, 64)[0], 255 - random(48, 64)[0], random(48, 64)[0]],
}


def assert_alike(found: dict[str, float], expected: dict[str, float]) -> None:
    assert set(found) == set(expected)
    for name, tolerance in AGREEMENT.items():
        assert found[name] == pytest.approx(expected[name], rel=tolerance, abs=1e-10), name


@pytest.mark.parametrize("case", CASES)
def test_every_instruction_set_finds_what_numpy_finds(library: ctypes.CDLL, case: str) -> None:
    infrared, visible, fused = map(np.ascontiguousarray, CASES[case])
    expected = PortableEvaluator(infrared, visible).evaluate(fused)
    for instructions in instruction_sets():
        [found] = native.evaluate(library, infrared, visible, [fused], instructions)
        assert_alike(found, expected)


def test_real_pairs_and_all_images_at_once(library: ctypes.CDLL, shared: Path) -> None:
    for files in find_dataset(shared / "data/roadscene/test").pairs[::17]:
        visible, infrared = gray_levels(read_visible(files.visible)), read_infrared(files.infrared)
        fused = [rule(visible, infrared) for rule in BASELINES.values()]
        portable = PortableEvaluator(infrared, visible)
        evaluator = PairEvaluator(visible, infrared)
        for image, found in zip(fused, evaluator.evaluate_all(fused), strict=True):
            assert_alike(found, portable.evaluate(image))
            assert found == evaluator.evaluate(image)


def test_without_the_library_numpy_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> ctypes.CDLL:
        raise BackendUnavailableError("its library was not built")

    monkeypatch.setattr(pair, "load_library", missing)
    infrared, visible, fused = random(48, 64)
    expected = PortableEvaluator(infrared, visible).evaluate(fused)
    assert PairEvaluator(visible, infrared).evaluate(fused) == expected
