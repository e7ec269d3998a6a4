"""Segmenters that see by brightness, as ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LEVEL = 128.0
"""Gray level from which a pixel is of the last class."""


def write_segmenter(
    path: Path, classes: int = 9, of: int = 2, size: tuple[int, int] | None = (64, 64)
) -> Path:
    """Takes RGB from 0 to 255; bright pixels are of class ``of``, all others of class 0.

    size: width and height of its input; None for any.
    """
    sides = [None, None] if size is None else [size[1], size[0]]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *sides])
    output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, classes, *sides])
    weight, bias = np.zeros((classes, 3, 1, 1), np.float32), np.full(classes, -1e3, np.float32)
    weight[of], bias[of], bias[0] = 1 / 3, -LEVEL, 0
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight", "bias"], ["scores"])],
        "segmenter",
        [image],
        [output],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path
