"""An ONNX network as a PyTorch module, so that gradients pass through it.

For the operators of the YOLO family (`operators.OPERATORS`). onnx2torch reads more, but cannot be
imported without a torchvision whose binary matches torch's, for two operators that no detector here
has; on a machine with PyTorch for CPUs that is a second package index.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lut_fuse_core.errors import InputError

from .operators import OPERATORS, Attributes

_LEAST_OPSET = 10
"""Before, some operators took as attributes what are inputs since."""


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Attributes


class OnnxModule(nn.Module):
    """A network in an ONNX file; its weights are constant.

    ``forward(image)`` takes what the network's first input takes, float32, and returns its
    outputs. Networks in float16 compute in float32.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read, or has operators that are unknown here, which are named.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        graph, opset = _read(path)
        self._nodes = tuple(_node(node, opset) for node in graph.node)
        unknown = sorted({node.operator for node in self._nodes} - OPERATORS.keys())
        if unknown or opset < _LEAST_OPSET:
            cause = f"operators {', '.join(unknown)}" if unknown else f"opset {opset}"
            raise InputError(
                f"{path} cannot be differentiated: it has {cause}, which this program cannot "
                f"compute in PyTorch; export it with opset {_LEAST_OPSET} to 20 and without "
                "post-processing"
            )
        self._shapes: dict[str, Tensor] = {}
        self._weights: dict[str, str] = {}
        for number, tensor in enumerate(graph.initializer):
            value = constant(tensor)
            if value.is_floating_point():
                self._weights[tensor.name] = f"weight_{number}"
                self.register_buffer(f"weight_{number}", value, persistent=False)
            else:  # stays on the CPU, whichever device the module moves to
                self._shapes[tensor.name] = value
        known = self._shapes.keys() | self._weights.keys()
        self._input = next(value.name for value in graph.input if value.name not in known)
        self._outputs = tuple(value.name for value in graph.output)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The outputs, in the file's order."""
        weights = {name: getattr(self, buffer) for name, buffer in self._weights.items()}
        values = {**self._shapes, **weights, self._input: image}
        for node in self._nodes:
            given = [values[name] if name else None for name in node.inputs]
            found = OPERATORS[node.operator](given, node.attributes)
            results = found if isinstance(found, tuple | list) else (found,)
            values.update(zip(node.outputs, results, strict=False))
        return [values[name] for name in self._outputs]


def constant(tensor: Any) -> Tensor:
    """An ONNX tensor; half and double precision become single."""
    import onnx

    array = np.array(onnx.numpy_helper.to_array(tensor))
    value = torch.from_numpy(array)
    return value.float() if value.is_floating_point() else value


def _read(path: str | Path) -> tuple[Any, int]:
    """The graph of a file and the version of its operators."""
    try:
        import onnx
    except ImportError:
        raise InputError(
            "adapting to a detector needs onnx: pip install 'lut_fuse_ros[training]'"
        ) from None
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's errors have no common base
        cause = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path} is not a readable ONNX file ({cause})") from None
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return model.graph, max(opsets, default=1)


def _node(node: Any, opset: int) -> _Node:
    import onnx

    attributes: Attributes = {"opset": opset}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = constant(value)
        attributes[attribute.name] = value.decode() if isinstance(value, bytes) else value
    operator = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    return _Node(operator, tuple(node.input), tuple(node.output), attributes)
