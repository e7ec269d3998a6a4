"""int8: ranges, the exported encoder, the `tensorrt` backend around it, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from random_models import random_model

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.cli import main
from lut_fuse_core.errors import InputError, ModelError
from lut_fuse_core.model import context
from lut_fuse_core.model.encoder import ContextEncoder
from lut_fuse_core.model.file import load_model, save_model
from lut_fuse_core.model.fusion_model import FusionModel
from lut_fuse_core.model.int8_ranges import MEASURED_PAIRS, chosen_pairs, with_input_ranges
from lut_fuse_core.model.onnx_encoder import encoder_to_onnx


def a_pair(seed: int = 0, top: int = 256) -> tuple[UInt8Array, UInt8Array]:
    rng = np.random.default_rng(seed)
    shapes = (40, 60, 3), (40, 60)
    return tuple(rng.integers(0, top, shape, dtype=np.uint8) for shape in shapes)  # type: ignore[return-value]


@pytest.fixture
def ready() -> FusionModel:
    """A model with ranges."""
    return with_input_ranges(random_model(channels=8, unshuffle=2), [a_pair()])


def test_a_range_covers_nearly_all_of_what_a_convolution_gets(ready: FusionModel) -> None:
    encoder = ready.encoder
    inputs = context.convolution_inputs(encoder, context.encoder_input(encoder, *a_pair()))
    for block, values in zip(encoder.blocks, inputs, strict=True):
        assert block.input_range is not None
        beyond = np.sum(np.abs(values) > block.input_range)
        assert beyond <= 1 + 1e-4 * values.size
        assert np.sum(np.abs(values) > 0.9 * block.input_range) > beyond


def test_the_pair_with_the_largest_numbers_decides(ready: FusionModel) -> None:
    more = with_input_ranges(ready, [a_pair(1, top=20), a_pair()])
    assert more.encoder.blocks[0].input_range == ready.encoder.blocks[0].input_range


def test_ranges_need_a_pair_and_a_model_for_the_gpu() -> None:
    with pytest.raises(InputError, match="no pair"):
        with_input_ranges(random_model(), [])
    with pytest.raises(InputError, match="each frame's own statistics"):
        with_input_ranges(random_model(per_frame=True), [a_pair()])


@pytest.mark.parametrize("count", [1, 199, 200, 201, 1000])
def test_of_many_pairs_some_are_taken_from_all_over_the_folder(count: int) -> None:
    chosen = chosen_pairs(count)
    assert 0 < len(chosen) <= MEASURED_PAIRS
    assert chosen[-1] >= count * 0.9 - 1


def test_a_model_file_keeps_ranges(ready: FusionModel, tmp_path: Path) -> None:
    save_model(ready, tmp_path / "m.safetensors")
    found = load_model(tmp_path / "m.safetensors").encoder.blocks
    assert [b.input_range for b in found] == [b.input_range for b in ready.encoder.blocks]


def test_a_model_file_without_ranges_loads(model: FusionModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "m.safetensors")
    assert not load_model(tmp_path / "m.safetensors").encoder.ranges_known


@pytest.mark.parametrize("top", [0.0, -1.0, float("nan"), float("inf")])
def test_a_range_must_be_positive(ready: FusionModel, top: float) -> None:
    with pytest.raises(ModelError, match="input range"):
        replace(ready.encoder.blocks[0], input_range=top)


def test_the_bundled_model_is_ready_for_int8() -> None:
    assert load_model("default").encoder.ranges_known


def test_the_command_line_makes_a_model_ready(
    model: FusionModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2

    for side in ("visible", "infrared"):
        (tmp_path / side).mkdir()
    for name in ("a", "b"):
        visible, infrared = a_pair(ord(name))
        cv2.imwrite(str(tmp_path / "visible" / f"{name}.png"), visible)
        cv2.imwrite(str(tmp_path / "infrared" / f"{name}.png"), infrared)
    (tmp_path / "infrared" / "b.png").write_bytes(b"no image")
    source, target = tmp_path / "m.safetensors", tmp_path / "int8.safetensors"
    save_model(model, source)
    assert main(["model", "ranges", str(source), str(tmp_path), "-o", str(target)]) == 0
    assert "b is left out: " in capsys.readouterr().err
    found = load_model(target)
    assert found.encoder.ranges_known
    for name, tensor in model.tensors().items():
        np.testing.assert_array_equal(found.tensors()[name], tensor)


def test_the_command_line_does_not_write_a_model_without_any_pair(
    model: FusionModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "m.safetensors", tmp_path / "int8.safetensors"
    save_model(model, source)
    assert main(["model", "ranges", str(source), str(tmp_path), "-o", str(target)]) == 2
    assert "no folders 'visible' and 'infrared'" in capsys.readouterr().err
    assert not target.exists()


def rounded(values: np.ndarray, top: np.ndarray | float) -> np.ndarray:
    step = np.float32(top) / np.float32(127)
    return (np.clip(np.rint(values / step), -128, 127) * step).astype(np.float32)


def context_in_int8(encoder: ContextEncoder, planes: np.ndarray) -> np.ndarray:
    """The reference's convolutions with weights and inputs of the inner ones rounded to 8 bits."""
    hidden = first = context._activate(encoder, encoder.blocks[0], planes)
    for block in encoder.blocks[1:-1]:
        assert block.input_range is not None
        top = np.abs(block.weight).max(axis=(1, 2, 3), keepdims=True)
        coarse = replace(block, weight=rounded(block.weight, top))
        hidden = context._activate(encoder, coarse, rounded(hidden, block.input_range))
    sums = context._convolve(encoder.blocks[-1], hidden + first)[0]
    return np.float32(255) / (1 + np.exp(-sums))


def test_the_export_in_int8_rounds_inner_convolutions_and_nothing_else(ready: FusionModel) -> None:
    session = onnxruntime.InferenceSession(
        encoder_to_onnx(ready.encoder, "int8"), providers=["CPUExecutionProvider"]
    )
    planes = context.encoder_input(ready.encoder, *a_pair(3)).astype(np.float16)
    (found,) = session.run(None, {"planes": planes[None]})
    expected = context_in_int8(ready.encoder, planes.astype(np.float32))
    # Around it is half precision: now and then a number is rounded to its neighbor.
    assert np.abs(found[0, 0] - expected).mean() < 0.2
    exact = context.run_blocks(ready.encoder, planes.astype(np.float32))
    assert np.abs(found[0, 0] - exact).mean() > 2 * np.abs(found[0, 0] - expected).mean()


def test_the_export_in_int8_passes_the_checker_of_onnx(ready: FusionModel) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load_from_string(encoder_to_onnx(ready.encoder, "int8"))
    onnx.checker.check_model(graph, full_check=True)


def test_a_channel_without_weights_can_be_exported(ready: FusionModel) -> None:
    blocks = list(ready.encoder.blocks)
    weight = blocks[1].weight.copy()
    weight[2] = 0
    blocks[1] = replace(blocks[1], weight=weight)
    exported = encoder_to_onnx(replace(ready.encoder, blocks=tuple(blocks)), "int8")
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"planes": np.zeros((1, 8, 5, 5), np.float16)})
    assert np.isfinite(found).all()
