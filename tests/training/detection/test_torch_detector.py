"""Detectors in PyTorch: they compute what ONNX says, with the gradients that it implies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from detectors import answer_in, write_detector
from lut_fuse_training.detection.onnx_module import OnnxModule
from lut_fuse_training.detection.torch_detector import TorchDetector
from small_detector import write_small_detector

from lut_fuse_core.errors import InputError

FLOATS = np.random.default_rng(0).normal(size=(2, 4, 6, 7)).astype(np.float32)


def graph_of(
    operator: str, inputs: list[Any], attributes: dict[str, Any], opset: int, path: Path
) -> Path:
    """A network of one operator on `FLOATS` and constants; None leaves an input out."""
    names = ["x", *(f"c{k}" if c is not None else "" for k, c in enumerate(inputs))]
    constants = [
        onnx.numpy_helper.from_array(np.asarray(c), f"c{k}")
        for k, c in enumerate(inputs)
        if c is not None
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, names, ["y"], **attributes)],
        "one",
        [onnx.helper.make_tensor_value_info("x", 1, FLOATS.shape)],
        [onnx.helper.make_tensor_value_info("y", 1, None)],
        constants,
    )
    opsets = [onnx.helper.make_opsetid("", opset)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


CASES = [
    ("Conv", [floats(4, 2, 3, 3), floats(4)], {"group": 2, "pads": [1, 0, 2, 1]}),
    ("Conv", [floats(4, 4, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Conv", [floats(4, 4, 3, 3)], {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    ("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("GlobalAveragePool", [], {}),
    ("BatchNormalization", [floats(4), floats(4), floats(4), np.abs(floats(4))], {}),
    ("LeakyRelu", [], {"alpha": 0.1}),
    ("HardSigmoid", [], {}),
    ("Clip", [np.float32(0), None], {}),
    ("Clip", [np.float32(-0.5), np.float32(0.5)], {}),
    ("Softmax", [], {"axis": 1}),
    ("Add", [floats(4, 1, 1)], {}),
    ("Div", [np.float32(3)], {}),
    ("Pow", [np.float32(2)], {}),
    ("MatMul", [floats(7, 3)], {}),
    ("Reshape", [ints(0, -1, 7)], {}),
    ("Flatten", [], {"axis": 2}),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    ("Transpose", [], {}),
    ("Slice", [ints(1, -4), ints(4, 2**40), ints(1, -1)], {}),
    ("Slice", [ints(-1), ints(-(2**40)), ints(2), ints(-2)], {}),
    ("Gather", [ints(3, 0, -1)], {"axis": 1}),
    ("GatherElements", [np.zeros((2, 4, 6, 1), np.int64)], {"axis": 3}),
    ("Expand", [ints(3, 2, 4, 6, 7)], {}),
    ("Tile", [ints(1, 2, 1, 1)], {}),
    ("Pad", [ints(0, 0, 1, 0, 0, 0, 2, 1), np.float32(0.5)], {}),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 1, 2)], {"mode": "reflect"}),
    ("Resize", [None, np.float32([1, 1, 2, 2])],
     {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ("Resize", [None, None, ints(2, 4, 9, 14)], {"mode": "linear"}),
    ("ReduceMean", [], {"axes": [2, 3], "keepdims": 0}),
    ("ReduceMax", [], {"axes": [1]}),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "inputs", "attributes"), CASES)
def test_an_operator_computes_what_onnx_says(
    operator: str, inputs: list[Any], attributes: dict[str, Any], tmp_path: Path
) -> None:
    path = graph_of(operator, inputs, attributes, 13, tmp_path / "one.onnx")
    # Not onnx's own reference, whose BatchNormalization of this version is another.
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": FLOATS})
    (found,) = OnnxModule(path)(torch.from_numpy(FLOATS))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_before_version_13_softmax_took_all_later_axes_for_one(tmp_path: Path) -> None:
    path = graph_of("Softmax", [], {"axis": 2}, 11, tmp_path / "one.onnx")
    (found,) = OnnxModule(path)(torch.from_numpy(FLOATS))
    np.testing.assert_allclose(found.sum((2, 3)).numpy(), np.ones((2, 4)), rtol=1e-5)


@pytest.mark.parametrize("name", ["yolox_nano", "fastestdet"])
def test_real_detectors_find_in_pytorch_what_they_find_in_onnx(name: str, shared: Path) -> None:
    path = shared / "detectors" / f"{name}.onnx"
    detector = TorchDetector(path)
    rng = np.random.default_rng(0)
    width, height = detector.core.input_size
    image = np.kron(rng.integers(0, 256, (height // 16, width // 16, 3)), np.ones((16, 16, 1)))
    image = image.astype(np.uint8)
    expected = detector.core.candidates(image)
    with torch.no_grad():
        found = detector.candidates(torch.from_numpy(image).permute(2, 0, 1) / 255)
    best = expected.scores.max(axis=1)
    strongest = found.scores.max(1).values
    assert len(best)
    np.testing.assert_allclose(
        np.sort(strongest.numpy())[::-1][: len(best)], np.sort(best)[::-1], atol=2e-3
    )


def test_gradients_are_those_of_finite_differences(shared: Path) -> None:
    network = OnnxModule(shared / "detectors" / "fastestdet.onnx").double()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((1, 3, 352, 352), generator=generator, dtype=torch.double)
    way = torch.randn(image.shape, generator=generator, dtype=torch.double)
    weights = torch.randn((1, 85, 22, 22), generator=generator, dtype=torch.double)

    def value(moved: torch.Tensor) -> torch.Tensor:
        return (network(moved)[0] * weights).sum()

    start = image.clone().requires_grad_()
    value(start).backward()
    assert start.grad is not None
    slope = float((start.grad * way).sum())
    with torch.no_grad():
        step = 1e-7
        measured = float(value(image + step * way) - value(image - step * way)) / (2 * step)
    assert slope == pytest.approx(measured, rel=1e-3)


@pytest.mark.parametrize("layout", ["YOLOX", "YOLOv5", "YOLOv8", "FastestDet", "end to end"])
def test_the_boxes_of_every_layout_are_the_core_s(layout: str, tmp_path: Path) -> None:
    box = (10.0, 30.0, 40.0, 60.0)
    path = write_detector(tmp_path / "always.onnx", answer_in(layout, box, 3, of=2))
    detector = TorchDetector(path, ("person", "bicycle", "car"))
    found = detector.candidates(torch.zeros(3, 64, 64))
    best = found.scores.max(1).values.argmax()
    assert found.scores[best].argmax() == 2
    assert found.scores[best, 2] == pytest.approx(0.9, abs=1e-3)
    np.testing.assert_allclose(found.boxes[best].numpy(), box, atol=1e-2)
    expected = detector.core.candidates(np.zeros((64, 64, 3), np.uint8))
    np.testing.assert_allclose(found.boxes[best].numpy(), expected.boxes[0], atol=1e-2)


def test_a_picture_of_other_sides_is_padded_as_the_core_pads_it(tmp_path: Path) -> None:
    detector = TorchDetector(write_small_detector(tmp_path / "small.onnx"))
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    enlarged = np.kron(image, np.ones((2, 2, 1))).astype(np.uint8)
    expected = detector.core.candidates(enlarged)
    found = detector.candidates(torch.from_numpy(enlarged).permute(2, 0, 1) / 255)
    strongest, best = (s.max(1) for s in (found.scores.detach().numpy(), expected.scores))
    np.testing.assert_allclose(np.sort(strongest), np.sort(best), atol=0.01)


def test_unknown_operators_are_named(tmp_path: Path) -> None:
    path = graph_of("Sin", [], {}, 13, tmp_path / "one.onnx")
    with pytest.raises(InputError, match="operators Sin"):
        OnnxModule(path)


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("not a network")
    with pytest.raises(InputError, match="not a readable ONNX file"):
        OnnxModule(path)
