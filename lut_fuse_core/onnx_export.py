"""The context encoder as an ONNX model, for runtimes that execute convolutions.

The graph is written with `protobuf`, which ONNX Runtime brings along, from the few message fields
it needs (onnx.proto, IR version 8). The `onnx` package would do the same for 30 MB more on every
robot; the tests hold these bytes against its checker.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from lut_fuse_core.context import INSTANCE_NORM_EPSILON
from lut_fuse_core.model import ContextEncoder, FloatArray

IR_VERSION = 8
OPSET = 17

_FLOAT_TENSOR, _HALF_TENSOR = 1, 10
_ATTRIBUTE_TYPES = {"f": 1, "i": 2, "ints": 7}

_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {"ir_version": (1, "int64"), "producer_name": (2, "string"),
              "graph": (7, "Graph"), "opset_import": (8, "Opset*")},
    "Opset": {"domain": (1, "string"), "version": (2, "int64")},
    "Graph": {"node": (1, "Node*"), "name": (2, "string"), "initializer": (5, "Tensor*"),
              "input": (11, "Value*"), "output": (12, "Value*")},
    "Node": {"input": (1, "string*"), "output": (2, "string*"), "op_type": (4, "string"),
             "attribute": (5, "Attribute*")},
    "Attribute": {"name": (1, "string"), "f": (2, "float"), "i": (3, "int64"),
                  "ints": (8, "int64*"), "type": (20, "int32")},
    "Tensor": {"dims": (1, "int64*"), "data_type": (2, "int32"), "name": (8, "string"),
               "raw_data": (9, "bytes")},
    "Value": {"name": (1, "string"), "type": (2, "Type")},
    "Type": {"tensor_type": (1, "TensorType")},
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "Shape")},
    "Shape": {"dim": (1, "Dimension*")},
    "Dimension": {"dim_value": (1, "int64"), "dim_param": (2, "string")},
}  # fmt: skip
"""Message: field: (number, type); a star marks a repeated field."""


def encoder_to_onnx(encoder: ContextEncoder, *, half: bool = False) -> bytes:
    """The convolutions of a context encoder as a serialised ONNX model.

    half: with input, weights and convolutions in float16, for runtimes that take types literally.

    Input ``planes``: ``(1, C, h, w) float32`` (``half``: float16), what `context.encoder_input`
    returns, any h and w. Output ``context``: ``(1, 1, h, w) float32``, grey levels 0..255.
    """
    graph = _message("Graph", name="context_encoder")
    channels = encoder.blocks[0].weight.shape[1]
    graph.input.append(_value("planes", channels, _HALF_TENSOR if half else _FLOAT_TENSOR))
    graph.output.append(_value("context", 1, _FLOAT_TENSOR))
    hidden = first = _block(graph, encoder, 0, "planes")
    for index in range(1, len(encoder.blocks) - 1):
        hidden = _block(graph, encoder, index, hidden)
    if encoder.skip:
        hidden = _node(graph, "Add", [hidden, first])
    logits = _convolution(graph, encoder, len(encoder.blocks) - 1, hidden)
    if half:
        for tensor in graph.initializer:
            _halve(tensor)
        logits = _node(graph, "Cast", [logits], to=_FLOAT_TENSOR)
    shares = _node(graph, "Sigmoid", [logits])
    top = _tensor(graph, "grey_levels", np.array([255.0], np.float32))
    _node(graph, "Mul", [shares, top], output="context")
    model = _message(
        "Model", ir_version=IR_VERSION, producer_name="lut_fuse", graph=graph,
        opset_import=[_message("Opset", version=OPSET)],
    )  # fmt: skip
    return bytes(model.SerializeToString(deterministic=True))


def _block(graph: Any, encoder: ContextEncoder, index: int, source: str) -> str:
    block = encoder.blocks[index]
    hidden = _convolution(graph, encoder, index, source)
    hidden = _node(graph, "LeakyRelu", [hidden], alpha=float(encoder.slope))
    if block.gain is None or block.offset is None:
        return hidden
    gain = _tensor(graph, f"gain_{index}", block.gain)
    offset = _tensor(graph, f"offset_{index}", block.offset)
    return _node(
        graph, "InstanceNormalization", [hidden, gain, offset], epsilon=INSTANCE_NORM_EPSILON
    )


def _convolution(graph: Any, encoder: ContextEncoder, index: int, source: str) -> str:
    block = encoder.blocks[index]
    weight = _tensor(graph, f"weight_{index}", block.weight)
    bias = _tensor(graph, f"bias_{index}", block.bias)
    return _node(graph, "Conv", [source, weight, bias], pads=[1, 1, 1, 1])


def _node(
    graph: Any, operator: str, inputs: list[str], output: str = "", **attributes: float | list[int]
) -> str:
    name = output or f"value_{len(graph.node)}"
    node = graph.node.add(op_type=operator, input=inputs, output=[name])
    for key, value in attributes.items():
        field = "ints" if isinstance(value, list) else "i" if isinstance(value, int) else "f"
        node.attribute.add(name=key, type=_ATTRIBUTE_TYPES[field], **{field: value})
    return name


def _tensor(graph: Any, name: str, array: FloatArray) -> str:
    data = np.ascontiguousarray(array, dtype="<f4").tobytes()
    graph.initializer.add(name=name, dims=array.shape, data_type=_FLOAT_TENSOR, raw_data=data)
    return name


def _halve(tensor: Any) -> None:
    values = np.frombuffer(tensor.raw_data, "<f4")
    tensor.raw_data, tensor.data_type = values.astype("<f2").tobytes(), _HALF_TENSOR


def _value(name: str, channels: int, element: int) -> Any:
    sizes: list[dict[str, Any]] = [
        {"dim_value": 1}, {"dim_value": channels}, {"dim_param": "height"}, {"dim_param": "width"}
    ]  # fmt: skip
    shape = _message("Shape", dim=[_message("Dimension", **size) for size in sizes])
    tensor = _message("TensorType", elem_type=element, shape=shape)
    return _message("Value", name=name, type=_message("Type", tensor_type=tensor))


def _message(kind: str, **fields: Any) -> Any:
    return _message_types()[kind](**fields)


@cache
def _message_types() -> dict[str, Any]:
    """Message classes for `_FIELDS`, in a pool of their own beside a loaded `onnx` package."""
    scalar = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="encoder.proto", package="encoder")
    for kind, fields in _FIELDS.items():
        message = file.message_type.add(name=kind)
        for name, (number, type_name) in fields.items():
            base = type_name.rstrip("*")
            label = scalar.LABEL_REPEATED if type_name.endswith("*") else scalar.LABEL_OPTIONAL
            if base in _FIELDS:
                field = message.field.add(type=scalar.TYPE_MESSAGE, type_name=f".encoder.{base}")
            else:
                field = message.field.add(type=getattr(scalar, f"TYPE_{base.upper()}"))
            field.name, field.number, field.label = name, number, label
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        kind: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"encoder.{kind}"))
        for kind in _FIELDS
    }
