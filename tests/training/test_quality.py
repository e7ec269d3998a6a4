"""The differentiable quality measures follow the metrics they stand for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from lut_fuse_training.losses import differentiable_metrics as metrics

from lut_fuse_core.evaluation.metrics import evaluate_pair


def picture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (96, 112), np.uint8)
    smooth = cv2.GaussianBlur(noise, (9, 9), 2).astype(np.float32)
    return cv2.normalize(smooth, None, 5, 250, cv2.NORM_MINMAX).astype(np.uint8)


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image)[None, None].float() / 255


@pytest.fixture(scope="module")
def triple() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    visible, infrared = picture(0), picture(1)
    return visible, infrared, np.maximum(visible, infrared)


def measures(v: torch.Tensor, i: torch.Tensor, f: torch.Tensor) -> dict[str, torch.Tensor]:
    return {
        "CC": metrics.correlation_coefficient(f, v, i),
        "SCD": metrics.sum_of_correlated_differences(f, v, i),
        "SSIM": metrics.ssim(f, v) + metrics.ssim(f, i),
        "Qabf": metrics.edge_preservation(f, v, i),
        "VIF": metrics.visual_information_fidelity(f, v)
        + metrics.visual_information_fidelity(f, i),
    }


def test_they_agree_with_the_metrics(
    triple: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    found = measures(*(tensor(image) for image in triple))
    expected = evaluate_pair(*triple)
    # The evaluator's Qabf takes the image's border for an edge and does not wrap angles.
    tolerance = {"CC": 1e-3, "SCD": 1e-3, "SSIM": 0.02, "Qabf": 0.05, "VIF": 0.02}
    for name, value in found.items():
        assert abs(float(value) - expected[name]) < tolerance[name], name


def test_soft_histograms_rank_as_hard_ones(
    triple: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    visible, infrared, fused = triple
    flat = (0.2 * fused.astype(np.float32) + 80).astype(np.uint8)
    assert metrics.entropy(tensor(fused)) > metrics.entropy(tensor(flat))
    assert metrics.mutual_information(tensor(fused), tensor(infrared)) > 3 * (
        metrics.mutual_information(tensor(visible), tensor(infrared))
    )


@pytest.mark.parametrize("name", ["CC", "SCD", "SSIM", "Qabf", "VIF"])
def test_following_the_gradient_improves_them(
    name: str, triple: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    visible, infrared = tensor(triple[0]), tensor(triple[1])
    fused = ((visible + infrared) / 2).requires_grad_()
    before = measures(visible, infrared, fused)[name].sum()
    (slope,) = torch.autograd.grad(before, fused)
    assert torch.isfinite(slope).all()
    step = fused.detach() + 0.002 * slope / slope.abs().mean()
    assert measures(visible, infrared, step)[name].sum() > before


@pytest.mark.parametrize("name", ["entropy", "mutual_information"])
def test_an_image_that_is_no_number_gives_none(name: str) -> None:
    broken = torch.full((1, 1, 32, 32), torch.nan)
    others = () if name == "entropy" else (torch.rand(1, 1, 32, 32),)
    assert getattr(metrics, name)(broken, *others).isnan().all()
