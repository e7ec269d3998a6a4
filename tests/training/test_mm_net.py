"""MM-Net: a sensible picture before any training, bounded, and blind to what is far away."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lut_fuse_training.checkpoint import write_tensors
from lut_fuse_training.images import luma_of
from lut_fuse_training.networks.mm_net import MMNet, MMNetConfig, load_mm_net, save_mm_net

from lut_fuse_core.errors import InputError


@pytest.fixture(scope="module")
def net() -> MMNet:
    torch.manual_seed(0)
    return MMNet(MMNetConfig(width=8, detail=4)).eval()


def images(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.rand(1, 4, height, width, generator=torch.Generator().manual_seed(1))
    return noise[:, :3], noise[:, 3:]


@torch.no_grad()
def test_untrained_it_prefers_the_brighter_camera(net: MMNet) -> None:
    visible, infrared = images(48, 64)
    brightest = torch.maximum(luma_of(visible), infrared)
    assert (net(visible, infrared) - brightest).abs().mean() < 0.03


@torch.no_grad()
@pytest.mark.parametrize("size", [(16, 16), (33, 47), (41, 120)])
def test_any_size_works(net: MMNet, size: tuple[int, int]) -> None:
    assert net(*images(*size)).shape == (1, 1, *size)


@torch.no_grad()
def test_what_enters_at_one_side_does_not_change_the_other(net: MMNet) -> None:
    visible, infrared = images(32, 400)
    before = net(visible, infrared)
    visible[..., :40] = 1
    after = net(visible, infrared)
    assert (before - after)[..., :40].abs().max() > 0.05
    assert (before - after)[..., 200:].abs().max() < 1e-6


def test_it_is_small() -> None:
    assert sum(p.numel() for p in MMNet().parameters()) < 100_000


@torch.no_grad()
def test_a_saved_net_fuses_as_before(net: MMNet, tmp_path: Path) -> None:
    save_mm_net(net, tmp_path / "net.pt", {"name": "test"})
    pair = images(24, 24)
    torch.testing.assert_close(load_mm_net(tmp_path / "net.pt")(*pair), net(*pair), rtol=0, atol=0)


def test_other_files_are_refused(tmp_path: Path) -> None:
    write_tensors({"something": torch.zeros(1)}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("hello")
    for name, message in (("other.pt", "no MM-Net"), ("text.pt", "not a file"), ("x", "no file")):
        with pytest.raises(InputError, match=message):
            load_mm_net(tmp_path / name)
