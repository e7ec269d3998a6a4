"""Detectors that always answer the same, as ONNX files in any output layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.float32]


def write_detector(
    path: Path, answer: Array, size: tuple[int, int] = (64, 64), names: tuple[str, ...] = ()
) -> Path:
    """A network that takes ``(1, 3, height, width)`` and answers ``answer`` to every image.

    size: width and height. names: its classes, in the metadata as Ultralytics writes them.
    """
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, size[1], size[0]])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, list(answer.shape))
    constants = {
        "answer": answer.astype(np.float32),
        "zero": np.zeros(1, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["level"], keepdims=0),
        helper.make_node("Mul", ["level", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output"]),
    ]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "detector", [image], [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if names:
        helper.set_model_props(model, {"names": str(dict(enumerate(names)))})
    onnx.save(model, path)
    return path


def answer_in(layout: str, box: tuple[float, float, float, float], classes: int, of: int) -> Array:
    """What a detector with an input of 64x64 says that found one object, in any of its layouts.

    box: x0, y0, x1, y1 in pixels of its input. classes: how many it knows. of: the object's class.
    """
    x0, y0, x1, y1 = box
    x, y, width, height = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    count = 64 + 16 + 4
    if layout == "end to end":
        rows = np.zeros((1, 300, 6), np.float32)
        rows[0, 0] = (x0, y0, x1, y1, 0.9, of)
        return rows
    if layout == "FastestDet":
        planes = np.zeros((1, 5 + classes, 4, 4), np.float32)
        column, row = int(x / 16), int(y / 16)
        cell = planes[0, :, row, column]
        cell[0], cell[5 + of] = 0.9, 0.9
        cell[1:3] = np.arctanh([x / 16 - column, y / 16 - row])
        cell[3:5] = [np.log(side / (64 - side)) for side in (width, height)]
        return planes
    rows = np.zeros((1, 3 * count if layout == "YOLOv5" else count, 5 + classes), np.float32)
    if layout == "YOLOX":
        cell = rows[0, int(y / 8) * 8 + int(x / 8)]
        cell[:4] = (x / 8 % 1, y / 8 % 1, np.log(width / 8), np.log(height / 8))
    else:
        cell = rows[0, 7]
        cell[:4] = (x, y, width, height)
    cell[4], cell[5 + of] = 1.0, 0.9
    if layout == "YOLOv8":
        return np.delete(rows, 4, axis=2).transpose(0, 2, 1)
    return rows
