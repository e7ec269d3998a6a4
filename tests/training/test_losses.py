"""The loss terms are nothing where the picture is right and something where it is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lut_fuse_training.images import round_to_gray
from lut_fuse_training.losses.lattice_terms import lattice_terms, steepness_term
from lut_fuse_training.losses.quality_terms import (
    QualityTargets,
    QualityWeights,
    Start,
    quality_terms,
)
from lut_fuse_training.losses.term import Term, total
from lut_fuse_training.losses.terms import (
    FusionWeights,
    distillation_terms,
    fusion_terms,
    markings_term,
    stability_term,
    twilight_term,
)
from lut_fuse_training.networks.mm_lut import MMLut, MMLutConfig

EVENLY = FusionWeights(1.0, 1.0, 1.0)


def images(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.rand(2, 2, 48, 48, generator=torch.Generator().manual_seed(seed))
    return noise[:, :1], noise[:, 1:]


def test_a_student_equal_to_its_teacher_has_no_distillation_loss() -> None:
    teacher_output, other = images()
    exact = total(distillation_terms(teacher_output, teacher_output, 1.0, 1.0))
    wrong = total(distillation_terms(other, teacher_output, 1.0, 1.0))
    assert abs(float(exact)) < 1e-5
    assert wrong > 0.3


def test_the_brightest_picture_has_no_intensity_loss() -> None:
    luma, infrared = images()
    brightest = fusion_terms(torch.maximum(luma, infrared), luma, infrared, EVENLY)
    darkest = fusion_terms(torch.minimum(luma, infrared), luma, infrared, EVENLY)
    assert brightest["brightness"].value == 0
    assert darkest["brightness"].value > 0.2


def test_a_blurred_picture_loses_gradient() -> None:
    luma, _ = images()
    blurred = torch.nn.functional.avg_pool2d(luma, 5, 1, 2)
    sharp_term = fusion_terms(luma, luma, luma, EVENLY)["gradient"].value
    blurred_term = fusion_terms(blurred, luma, luma, EVENLY)["gradient"].value
    assert sharp_term == 0
    assert blurred_term > 0.5


def test_terms_without_weight_are_not_computed() -> None:
    luma, infrared = images()
    terms = quality_terms(luma, luma, infrared, QualityWeights(mi=1.0, vif=0.5))
    assert set(terms) == {"mi", "vif"}
    assert terms["mi"].weight == -1.0


def test_rounding_gives_gray_levels_and_passes_the_gradient() -> None:
    image = torch.rand(1, 1, 8, 8, requires_grad=True)
    rounded = round_to_gray(image)
    torch.testing.assert_close(rounded * 255, (rounded * 255).round())
    rounded.sum().backward()
    torch.testing.assert_close(image.grad, torch.ones_like(image))


def test_stability_punishes_only_amplified_noise() -> None:
    visible, infrared = torch.full((2, 3, 48, 48), 0.5), torch.full((2, 1, 48, 48), 0.5)

    def term(gain: float) -> float:
        def fuse(v: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
            return gain * i

        rng = np.random.default_rng(0)
        terms = stability_term(fuse, gain * infrared, visible, infrared, 1.0, limit=0.85, rng=rng)
        return float(terms["stability"].value)

    assert term(0.8) == 0
    assert term(2.0) > 1


def test_markings_that_only_the_visible_camera_sees_should_show_in_part() -> None:
    stripes = (torch.arange(64) // 16 % 2 * 0.3 + 0.1).expand(1, 1, 64, 64)
    warm = torch.full((1, 1, 64, 64), 0.6)

    def shortfall(fused: torch.Tensor, infrared: torch.Tensor = warm) -> float:
        return float(markings_term(fused, stripes, infrared, 1.0, 0.25)["markings"].value)

    faint, clear = (warm + share * stripes for share in (0.1, 0.3))
    assert shortfall(warm) > shortfall(faint) > shortfall(clear) == 0
    assert shortfall(warm - 0.3 * stripes) > shortfall(warm)  # of the wrong sign
    assert shortfall(warm, warm - stripes) == 0  # infrared has contrast of its own there
    assert markings_term(warm, stripes, warm, 0.0, 0.25) == {}


def test_noise_is_no_marking() -> None:
    noise = 0.2 + 0.01 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    warm = torch.full((1, 1, 64, 64), 0.6)
    assert markings_term(warm, noise, warm, 1.0, 0.25)["markings"].value < 1e-6


def test_the_ambient_level_may_change_the_picture_only_up_to_a_limit() -> None:
    def excess(*slope: float) -> float:
        return float(twilight_term(torch.tensor(slope), 1.0, 0.1)["twilight"].value)

    assert excess(0.1, 0.05) == pytest.approx(0, abs=1e-6)
    assert excess(0.1, 0.3) == pytest.approx(0.2 / 2)


def test_a_straight_lattice_costs_nothing_and_a_kink_or_a_fall_does() -> None:
    module = MMLut(MMLutConfig(nodes=(9, 9, 3, 3)))
    ramp = torch.linspace(0, 1, 9)
    lattice = ((ramp[:, None] + ramp[None]) / 2)[:, :, None, None].expand(9, 9, 3, 3).clone()
    straight = lattice_terms([lattice], 1.0, 1.0)
    assert total(straight) < 1e-8
    lattice[4, 4] += 0.3
    bumpy = lattice_terms([lattice], 1.0, 1.0)
    assert bumpy["smoothness"].value > 0.1
    assert bumpy["monotonicity"].value > 1e-4
    assert lattice_terms(module.lattices, 1.0, 1.0)["monotonicity"].value < 1e-6


def test_only_steps_between_nodes_beyond_a_limit_are_steep() -> None:
    lattice = torch.zeros(5, 5, 3, 3)
    lattice[3:] = 60 / 255
    lattice[..., 2] += 50 / 255

    def excess(*steepest: float) -> float:
        term = steepness_term([lattice, lattice], 1.0, steepest)["steepness"]
        return float(term.value) * 255

    assert excess(60, 0, 0, 50) == pytest.approx(0, abs=1e-3)
    assert excess(50, 0, 0, 50) == pytest.approx(2 * 10 * 5 * 3 * 3, rel=1e-3)
    assert excess(60, 0, 0, 45) == pytest.approx(2 * 5 * 5 * 5 * 3, rel=1e-3)
    assert steepness_term([lattice], 0.0, (1, 1, 1, 1)) == {}


def test_a_measure_beyond_its_target_earns_nothing_more() -> None:
    weak, good, better = (
        Term(torch.tensor(value), weight=-2.0, target=0.5) for value in (0.3, 0.5, 0.9)
    )
    assert total({"qabf": weak}) > total({"qabf": good})
    assert total({"qabf": good}) == total({"qabf": better})


def test_a_relative_target_holds_what_was_there_before_without_asking_for_more() -> None:
    luma, infrared = images()
    weights, targets = QualityWeights(cc=1.0), QualityTargets(cc=0.0)
    # The mean correlates best with both, the visible image least, and most of it lies between.
    best, middle, worst = (share * luma + (1 - share) * infrared for share in (0.5, 0.8, 1.0))
    for picture, is_worse in ((best, False), (worst, True)):
        fused = picture.clone().requires_grad_()
        start = Start(middle)
        terms = quality_terms(fused, luma, infrared, weights, targets, start)
        total(terms).backward()
        assert fused.grad is not None
        assert bool(fused.grad.any()) == is_worse


def test_what_one_image_gains_over_the_start_does_not_pay_for_what_another_loses() -> None:
    luma, infrared = images()
    weights, targets = QualityWeights(cc=1.0), QualityTargets(cc=0.0)
    best, middle, worst = (share * luma + (1 - share) * infrared for share in (0.5, 0.8, 1.0))
    start = Start(middle)
    held = quality_terms(middle, luma, infrared, weights, targets, start)
    mixed = torch.cat([best[:1], worst[1:]])
    traded = quality_terms(mixed, luma, infrared, weights, targets, start)
    assert total(traded) > total(held)


def test_darker_images_have_targets_of_their_own() -> None:
    luma, infrared = images()
    luma = torch.cat([luma[:1], 0.2 * luma[:1], 0.1 * luma[:1]])
    infrared = infrared[:1].repeat(3, 1, 1, 1)
    weights, targets = QualityWeights(cc=1.0), QualityTargets(cc=0.0)
    before, better = (share * luma + (1 - share) * infrared for share in (0.8, 0.7))
    dim, dark = torch.tensor([False, True, True]), torch.tensor([False, False, True])
    wanted, given = QualityTargets(cc=0.2), QualityTargets(cc=-0.1, mi=0.1)
    start = Start(before, ((dim, wanted), (dark, given)))
    fused = better.clone().requires_grad_()
    terms = quality_terms(fused, luma, infrared, weights, targets, start)
    total(terms).backward()
    assert fused.grad is not None
    assert [bool(image.any()) for image in fused.grad] == [False, True, False]


def test_a_rival_is_to_be_beaten_on_every_image_by_a_share() -> None:
    luma, infrared = images()
    weights, targets = QualityWeights(cc=1.0), QualityTargets(cc=-0.1)
    mixes = (share * luma + (1 - share) * infrared for share in (0.55, 0.7, 0.9))
    best, student, worst = mixes
    rival = torch.cat([best[:1], worst[1:]])  # ahead on the first image only
    for lead, images_pulled in ((0.0, [True, False]), (1.0, [True, True])):
        start = Start(student, rival=rival, lead=lead)
        fused = student.clone().requires_grad_()
        terms = quality_terms(fused, luma, infrared, weights, targets, start)
        total(terms).backward()
        assert fused.grad is not None
        assert [bool(image.any()) for image in fused.grad] == images_pulled
