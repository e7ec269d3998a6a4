"""Running a detector's ONNX file: ONNX Runtime where it is installed, else OpenCV."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lut_fuse_core.arrays import FloatArray
from lut_fuse_core.errors import InputError
from lut_fuse_core.model.onnx_graph import read_graph

Forward = Callable[[FloatArray], list[FloatArray]]
"""An image batch ``(1, 3, h, w) float32`` to the network's outputs."""

FALLBACK_SIZE = 640
"""Side of the input of networks that take any size, as YOLO's tools export them."""


@dataclass(frozen=True)
class Network:
    """An ONNX network that takes one image.

    Attributes:
        path: Its file.
        width: Of its input, in pixels.
        height: Of its input, in pixels.
        any_size: Whether it takes other sizes, too.
        half: Whether it takes float16.
        classes: Names of its classes, in order, from its metadata (Ultralytics writes them);
            empty where it does not say.
        forward: Runs it.
    """

    path: Path
    width: int
    height: int
    any_size: bool
    half: bool
    classes: tuple[str, ...]
    forward: Forward


def open_network(path: str | Path, threads: int = 1) -> Network:
    """Load an ONNX network.

    Args:
        path: The file.
        threads: CPU threads of ONNX Runtime.

    Raises:
        InputError: If it cannot be read or run, or does not take one color image.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"there is no network {source}")
    graph = read_graph(source.read_bytes())
    if graph is None or not graph.inputs:
        raise InputError(f"{source} is not a readable ONNX file")
    _, element, shape = graph.inputs[0]
    if len(shape) != 4 or shape[1] not in (3, None):
        raise InputError(
            f"{source} takes an input of shape {list(shape)}; it should take one color image, "
            "(1, 3, height, width)"
        )
    height, width = (side or FALLBACK_SIZE for side in shape[2:])
    half = element == "float16"
    forward, classes = _opened(source, half, threads), _classes(graph.metadata)
    return Network(source, width, height, None in shape[2:], half, classes, forward)


def _opened(path: Path, half: bool, threads: int) -> Forward:
    try:
        from lut_fuse_core.model.onnx_runtime import onnxruntime
    except ImportError:
        return _with_opencv(path, half)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has no base class for its errors
        raise InputError(f"{path} cannot be loaded by ONNX Runtime: {_first_line(error)}") from None
    name = session.get_inputs()[0].name
    element = np.float16 if half else np.float32

    def forward(batch: FloatArray) -> list[FloatArray]:
        try:
            outputs = session.run(None, {name: batch.astype(element)})
        except Exception as error:
            raise InputError(f"{path} cannot be run: {_first_line(error)}") from None
        return [np.asarray(output, np.float32) for output in outputs]

    return forward


def _with_opencv(path: Path, half: bool) -> Forward:
    try:
        net = cv2.dnn.readNetFromONNX(str(path))
    except cv2.error as error:
        raise InputError(
            f"{path} cannot be loaded by OpenCV ({_first_line(error)}); 'pip install onnxruntime' "
            "runs more networks"
        ) from None
    names = net.getUnconnectedOutLayersNames()

    def forward(batch: FloatArray) -> list[FloatArray]:
        try:
            net.setInput(batch)
            return [np.asarray(output, np.float32) for output in net.forward(names)]
        except cv2.error as error:
            raise InputError(
                f"{path} cannot be run by OpenCV ({_first_line(error)}); 'pip install "
                "onnxruntime' runs more networks"
            ) from None

    return forward


def _classes(metadata: dict[str, str]) -> tuple[str, ...]:
    """The names that Ultralytics writes into its exports: ``{0: 'person', ...}``."""
    try:
        names = ast.literal_eval(metadata.get("names", "{}"))
        return tuple(str(names[index]) for index in range(len(names)))
    except (ValueError, SyntaxError, KeyError, TypeError):
        return ()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
