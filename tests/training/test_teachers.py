"""Foreign teachers: TorchScript and ONNX files that take RGB or luma and return luma or RGB."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lut_fuse_training.images import luma_of
from lut_fuse_training.networks.mm_lut import MMLut, MMLutConfig
from lut_fuse_training.networks.teachers import open_teacher
from lut_fuse_training.recipes.quantize import quantize
from torch import Tensor, nn

from lut_fuse_core import save_model
from lut_fuse_core.errors import InputError
from lut_fuse_core.model.encoder import ContextEncoder, ConvBlock
from lut_fuse_core.model.file import model_path
from lut_fuse_core.model.onnx_encoder import encoder_to_onnx


class Colorful(nn.Module):
    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        return torch.maximum(visible, infrared.expand(-1, 3, -1, -1))


class Gray(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 1, 1, bias=False)
        nn.init.constant_(self.layer.weight, 0.5)

    def forward(self, luma: Tensor, infrared: Tensor) -> Tensor:
        return self.layer(torch.cat([luma, infrared], 1))


class Halving(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(4, 2, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(2, 1, 2, stride=2)

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        return infrared + self.up(self.down(torch.cat([visible, infrared], 1)))


class Wrong(nn.Module):
    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        return infrared[..., ::2]


def scripted(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    noise = torch.rand(2, 4, 40, 48, generator=torch.Generator().manual_seed(0))
    return noise[:, :3], noise[:, 3:]


def test_torchscript_that_takes_and_returns_rgb(
    tmp_path: Path, pair: tuple[Tensor, Tensor]
) -> None:
    network = open_teacher(scripted(Colorful(), tmp_path / "t.pt"), "cpu").network
    assert network is not None
    expected = luma_of(torch.maximum(pair[0], pair[1].expand(-1, 3, -1, -1)))
    torch.testing.assert_close(network(*pair), expected)


def test_torchscript_that_takes_luma(tmp_path: Path, pair: tuple[Tensor, Tensor]) -> None:
    network = open_teacher(scripted(Gray(), tmp_path / "t.pt"), "cpu").network
    assert network is not None
    torch.testing.assert_close(network(*pair), (luma_of(pair[0]) + pair[1]) / 2)


def test_a_network_that_takes_even_sizes_only_fuses_any(tmp_path: Path) -> None:
    module = Halving()
    network = open_teacher(scripted(module, tmp_path / "t.pt"), "cpu").network
    assert network is not None
    visible, infrared = torch.rand(1, 3, 121, 95), torch.rand(1, 1, 121, 95)
    fused = network(visible, infrared)
    assert fused.shape == infrared.shape
    expected = module(visible[..., :64, :64], infrared[..., :64, :64])
    torch.testing.assert_close(fused[..., :60, :60], expected[..., :60, :60])


def test_a_network_that_returns_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not fuse"):
        open_teacher(scripted(Wrong(), tmp_path / "t.pt"), "cpu")


def test_an_onnx_model_with_one_input_is_refused(tmp_path: Path) -> None:
    import numpy as np

    blocks = tuple(
        ConvBlock(np.zeros((o, i, 3, 3), np.float32), np.zeros(o, np.float32))
        for i, o in ((2, 2), (2, 1))
    )
    (tmp_path / "t.onnx").write_bytes(encoder_to_onnx(ContextEncoder(blocks)))
    with pytest.raises(InputError, match="takes 1 inputs"):
        open_teacher(tmp_path / "t.onnx", "cpu")


def test_an_onnx_teacher_fuses(tmp_path: Path, pair: tuple[Tensor, Tensor]) -> None:
    onnx = pytest.importorskip("onnx")
    kinds = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", channels, "h", "w"])
        for name, channels in (("visible", 3), ("infrared", 1), ("fused", 3))
    ]
    node = onnx.helper.make_node("Max", ["visible", "infrared"], ["fused"])
    graph = onnx.helper.make_graph([node], "g", kinds[:2], kinds[2:])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "t.onnx")
    network = open_teacher(tmp_path / "t.onnx", "cpu").network
    assert network is not None
    expected = luma_of(torch.maximum(pair[0], pair[1].expand(-1, 3, -1, -1)))
    torch.testing.assert_close(network(*pair), expected)


def test_a_model_file_teaches_what_the_core_makes_of_it(
    tmp_path: Path, pair: tuple[Tensor, Tensor]
) -> None:
    visible, infrared = ((image * 255).round() / 255 for image in pair)
    student = MMLut(MMLutConfig(nodes=(5, 5, 3, 3), width=4, gradient_norm="l2"))
    save_model(student.to_model({}), tmp_path / "model.safetensors")
    network = open_teacher(tmp_path / "model.safetensors", "cpu").network
    assert network is not None
    expected = (visible + student(visible, infrared) - luma_of(visible)).clamp(0, 1)
    torch.testing.assert_close(network(visible, infrared), luma_of(expected), atol=0.006, rtol=0)


def test_the_bundled_model_teaches_under_its_name(pair: tuple[Tensor, Tensor]) -> None:
    networks = [open_teacher(name, "cpu").network for name in ("default", model_path("default"))]
    assert networks[0] is not None
    assert networks[1] is not None
    torch.testing.assert_close(networks[0](*pair), networks[1](*pair), atol=0, rtol=0)


def test_a_missing_teacher_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no teacher"):
        open_teacher(tmp_path / "none.onnx", "cpu")


def test_quantizing_a_rule_of_gray_levels_stores_the_rule(tmp_path: Path) -> None:
    network = open_teacher(scripted(Gray(), tmp_path / "t.pt"), "cpu").network
    assert network is not None
    model = quantize(network, MMLutConfig(nodes=(5, 5, 3, 3)), {})
    ramp = torch.linspace(0, 1, 5).numpy()
    expected = (ramp[:, None] + ramp[None]) / 2
    for gradient in range(3):
        for context in range(3):
            assert abs(model.lattices[0][:, :, gradient, context] - expected).max() < 0.51 / 255


def test_a_model_file_fuses_crops_as_parts_of_the_scene_they_are_cut_from(tmp_path: Path) -> None:
    torch.manual_seed(1)
    student = MMLut(MMLutConfig(dark=(20.0, 90.0)))
    student.dark_lattices.data.mul_(0.5)
    save_model(student.to_model({}), tmp_path / "m.safetensors")
    teacher = open_teacher(tmp_path / "m.safetensors", "cpu").network
    assert isinstance(teacher, MMLut)
    crops = (0.2 * torch.rand(2, 4, 48, 48) * 255).round() / 255
    ambient = torch.tensor([15.0, 95.0]) / 255
    with torch.no_grad():
        expected = student(crops[:, :3], crops[:, 3:], ambient)
    teacher_output = teacher(crops[:, :3], crops[:, 3:], ambient)
    assert (teacher_output - expected).abs().mean() < 1.0 / 255
    alone = teacher(crops[:, :3], crops[:, 3:])  # whole images as dark as these
    assert (alone[1] - expected[1]).abs().mean() > 5.0 / 255


def test_onnx_runtime_is_kept_from_reporting_to_its_maker() -> None:
    program = (
        "import os; from lut_fuse_core.model.onnx_runtime import onnxruntime;"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    clean = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    found = subprocess.run(
        [sys.executable, "-c", program], env=clean, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "1"
