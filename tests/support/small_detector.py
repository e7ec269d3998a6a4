"""A detector with random weights whose answer depends on the image, as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_small_detector(path: Path, names: tuple[str, ...] = ("person", "car")) -> Path:
    """YOLOv8's layout at 64x64: a convolution per grid, its boxes about the middle."""
    rng = np.random.default_rng(0)
    channels = 4 + len(names)
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, channels, 84])
    constants = {
        "gain": np.array([32.0] * 4 + [1.0] * len(names), np.float32).reshape(1, -1, 1),
    }
    nodes, rows = [], []
    for stride in (8, 16, 32):
        shape = (channels, 3, stride, stride)
        constants[f"weight{stride}"] = rng.normal(0, 1 / stride, shape).astype(np.float32)
        constants[f"shape{stride}"] = np.array([1, channels, -1], np.int64)
        names_in = ["images", f"weight{stride}"]
        nodes += [
            helper.make_node("Conv", names_in, [f"grid{stride}"], strides=[stride, stride]),
            helper.make_node("Sigmoid", [f"grid{stride}"], [f"share{stride}"]),
            helper.make_node("Reshape", [f"share{stride}", f"shape{stride}"], [f"rows{stride}"]),
        ]
        rows.append(f"rows{stride}")
    nodes += [
        helper.make_node("Concat", rows, ["all"], axis=2),
        helper.make_node("Mul", ["all", "gain"], ["output"]),
    ]
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "detector", [image], [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"names": str(dict(enumerate(names)))})
    onnx.save(model, path)
    return path
