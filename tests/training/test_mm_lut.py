"""The differentiable MM-LUT computes what the core's reference computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lut_fuse_training.networks.mm_lut import MMLut, MMLutConfig

from lut_fuse_core.backends.reference import fuse_float
from lut_fuse_core.errors import InputError
from lut_fuse_core.model.features import luma

STRUCTURES = {
    "stride 8": MMLutConfig(),
    "full resolution": MMLutConfig(nodes=(9, 7, 3, 4), pool=1, unshuffle=1, width=4, skip=False),
    "color input": MMLutConfig(inputs="rgb_infrared", pool=2, unshuffle=2, width=4),
    "pool only, magnitude": MMLutConfig(pool=4, unshuffle=1, width=4, gradient_norm="l2"),
    "dark scenes": MMLutConfig(dark=(20.0, 90.0, 200.0)),
}


def randomized(config: MMLutConfig) -> MMLut:
    torch.manual_seed(0)
    module = MMLut(config)
    for lattice in module.lattices:
        lattice.data.uniform_()
    return module


@pytest.mark.parametrize("config", STRUCTURES.values(), ids=STRUCTURES.keys())
def test_it_equals_the_reference_on_odd_sizes(
    config: MMLutConfig, rng: np.random.Generator
) -> None:
    module = randomized(config)
    for brightest in (256, 128, 30):
        visible = rng.integers(0, brightest, (37, 43, 3), np.uint8)
        infrared = rng.integers(0, 256, (37, 43), np.uint8)
        with torch.no_grad():
            fused = module(
                torch.from_numpy(visible).permute(2, 0, 1)[None].float() / 255,
                torch.from_numpy(infrared)[None, None].float() / 255,
            )[0, 0].numpy()
        change = fuse_float(module.to_model({}, levels=None), visible, infrared) - visible
        np.testing.assert_allclose(fused * 255, luma(visible) + change[..., 0], atol=0.02)


def test_crops_are_fused_as_parts_of_the_scene_they_are_cut_from() -> None:
    module = randomized(MMLutConfig(dark=(20.0, 90.0, 110.0)))
    images = torch.rand(1, 4, 48, 48).expand(5, -1, -1, -1)
    ambient = torch.tensor([10.0, 55.0, 90.0, 105.0, 120.0]) / 255
    with torch.no_grad():
        dark, twilight, dim, later, bright = module(images[:, :3], images[:, 3:], ambient)
    torch.testing.assert_close(twilight, (dark + dim) / 2)
    torch.testing.assert_close(later, dim / 4 + bright * 3 / 4)
    for one, other in ((dark, dim), (dim, bright)):
        assert (one - other).abs().mean() > 0.05


def test_the_slope_is_what_the_ambient_level_alone_changes() -> None:
    module = randomized(MMLutConfig(dark=(20.0, 90.0, 110.0)))
    images = torch.rand(1, 4, 48, 48).expand(4, -1, -1, -1)
    ambient = torch.tensor([10.0, 50.0, 100.0, 120.0]) / 255
    with torch.no_grad():
        slope = module.slope(images[:, :3], images[:, 3:], ambient)
        before, after = (module(images[:, :3], images[:, 3:], ambient + s / 255) for s in (0, 1))
    change = 255 * (after - before).abs().mean((1, 2, 3))
    torch.testing.assert_close(slope, change, atol=1e-4, rtol=0.01)
    assert (slope > 0.1).tolist() == [False, True, True, False]


def test_the_lattice_of_dark_scenes_can_begin_as_a_rule() -> None:
    module = randomized(MMLutConfig(nodes=(52, 52, 2, 2), dark=(20.0, 50.0, 90.0)))
    module.begin_dark(0.2)
    # Nodes are 5 gray levels apart.
    levels = np.rint(module.to_model({}).lattices[0, ..., 0, 1] * 255)
    assert levels[200 // 5, 100 // 5] == 200  # luma is brighter
    assert levels[25 // 5, 130 // 5] == 130  # a road at night: infrared
    assert levels[75 // 5, 130 // 5] == 140  # and its markings
    with pytest.raises(InputError, match=r"student\.dark"):
        MMLut(MMLutConfig()).begin_dark(0.2)


def test_a_student_goes_on_from_a_model_that_knew_no_dark_scenes_but_not_the_other_way() -> None:
    plain, dark = MMLutConfig(), MMLutConfig(dark=(20.0, 90.0))
    before = randomized(plain).to_model({}, levels=None)
    module = MMLut(dark)
    module.take(before)
    for lattice in module.lattices:
        np.testing.assert_array_equal(lattice.detach(), before.lattices[0])
    again = MMLut(dark)
    again.take(randomized(dark).to_model({}, levels=None))
    assert not torch.equal(*again.lattices)
    for levels in ((90.0, 20.0), (20.0,), ()):
        with pytest.raises(InputError, match="that increase"):
            MMLutConfig(dark=levels)
    for other in (plain, MMLutConfig(dark=(30.0, 90.0)), MMLutConfig(dark=(20.0, 80.0))):
        with pytest.raises(InputError, match="must reach from the first of these to the last"):
            MMLut(other).take(randomized(dark).to_model({}))


def test_a_student_of_more_lattices_gets_what_serves_at_their_levels() -> None:
    before = randomized(MMLutConfig(dark=(20.0, 90.0))).to_model({}, levels=None)
    module = MMLut(MMLutConfig(dark=(20.0, 55.0, 90.0)))
    module.take(before)
    dark, twilight, bright = (lattice.detach() for lattice in module.lattices)
    torch.testing.assert_close(twilight, (dark + bright) / 2)
    after = module.to_model({}, levels=None)
    np.testing.assert_array_equal(after.lattices[-1], before.lattices[-1])
    rng = np.random.default_rng(0)
    visible = rng.integers(0, 256, (37, 43, 3), np.uint8)
    infrared = rng.integers(0, 256, (37, 43), np.uint8)
    for part in (visible // 4, visible // 2, visible):
        fused = (fuse_float(model, part, infrared) for model in (before, after))
        np.testing.assert_allclose(*fused, atol=1e-3)


def test_every_weight_gets_a_gradient(rng: np.random.Generator) -> None:
    module = randomized(MMLutConfig(dark=(20.0, 60.0, 90.0)))
    images = torch.rand(2, 4, 48, 48)
    ambient = torch.tensor([40.0, 75.0]) / 255
    module(images[:, :3], images[:, 3:], ambient).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    for part in module.dark_lattices.grad:
        assert part.abs().sum() > 0


def test_it_starts_monotone_between_mean_and_maximum() -> None:
    lattice = MMLut(MMLutConfig()).lattice.detach()
    assert (lattice.diff(dim=0) >= -1e-6).all()
    assert (lattice.diff(dim=1) >= -1e-6).all()
    assert (lattice.diff(dim=3) >= -1e-6).all()


def test_an_exported_lattice_holds_8_bit_values() -> None:
    module = randomized(MMLutConfig())
    module.lattice.data.mul_(1.2)
    lattice = module.to_model({}).lattices
    np.testing.assert_allclose(lattice * 255, np.rint(lattice * 255), atol=1e-3)
    assert lattice.max() <= 1
