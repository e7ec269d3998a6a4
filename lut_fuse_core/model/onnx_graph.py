"""ONNX files: writing a graph, node by node, and reading what a network takes and gives.

Written with `protobuf`, which ONNX Runtime brings along, from the few message fields needed
(onnx.proto, IR version 8). The `onnx` package would do the same for 30 MB more on every robot; the
tests hold these bytes against its checker.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

IR_VERSION = 8
OPSET = 17

FLOAT, HALF = 1, 10
"""Element types of tensors, as ONNX numbers them."""

_ELEMENT_TYPES = {"float32": FLOAT, "float16": HALF, "int8": 3}
_ATTRIBUTE_TYPES = {"f": 1, "i": 2, "ints": 7}

_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {"ir_version": (1, "int64"), "producer_name": (2, "string"),
              "graph": (7, "Graph"), "opset_import": (8, "Opset*"),
              "metadata": (14, "Entry*")},
    "Entry": {"key": (1, "string"), "value": (2, "string")},
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


TensorShape = tuple[str, str, tuple[int | None, ...]]
"""Name, element type as NumPy names it and sides of a tensor; None for a side of any length."""


@dataclass(frozen=True)
class GraphInterface:
    """What a network takes, gives and says about itself.

    Attributes:
        inputs: Tensors, without those that have a constant as default.
        outputs: Tensors.
        metadata: Notes of the program that wrote it.
    """

    inputs: tuple[TensorShape, ...]
    outputs: tuple[TensorShape, ...]
    metadata: dict[str, str]


def read_graph(contents: bytes) -> GraphInterface | None:
    """The interface of an ONNX file.

    Args:
        contents: Of the file.

    Returns:
        The interface; None if these bytes are no protobuf message. Other messages, and no bytes at
        all, give one without inputs and outputs.
    """
    try:
        model = _message_types()["Model"].FromString(contents)
    except DecodeError:
        return None
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = (value for value in model.graph.input if value.name not in constants)
    return GraphInterface(
        tuple(map(_tensor_shape, inputs)),
        tuple(map(_tensor_shape, model.graph.output)),
        {entry.key: entry.value for entry in model.metadata},
    )


def _tensor_shape(value: Any) -> TensorShape:
    tensor = value.type.tensor_type
    names = {number: name for name, number in _ELEMENT_TYPES.items()}
    sides = tuple(dimension.dim_value or None for dimension in tensor.shape.dim)
    return value.name, names.get(tensor.elem_type, "other"), sides


class OnnxGraph:
    """A graph on images: tensors are ``(1, channels, height, width)``, of any height and width.

    Args:
        name: For whoever reads the file.
    """

    def __init__(self, name: str) -> None:
        self._graph = _message("Graph", name=name)

    def input(self, name: str, channels: int, element: int) -> str:
        """Declare an input; element: `FLOAT` or `HALF`.

        Returns:
            Its name, as all of these do.
        """
        self._graph.input.append(_value(name, channels, element))
        return name

    def output(self, name: str, channels: int, element: int) -> str:
        """Declare an output; a node must have its name."""
        self._graph.output.append(_value(name, channels, element))
        return name

    def tensor(self, name: str, array: npt.NDArray[Any]) -> str:
        """A constant: float32, float16 or int8."""
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        element = _ELEMENT_TYPES[array.dtype.name]
        self._graph.initializer.add(name=name, dims=array.shape, data_type=element, raw_data=data)
        return name

    def node(
        self, operator: str, inputs: list[str], name: str = "", **attributes: float | list[int]
    ) -> str:
        """An operator; its output has the node's name, or one of its own."""
        name = name or f"value_{len(self._graph.node)}"
        node = self._graph.node.add(op_type=operator, input=inputs, output=[name])
        for key, value in attributes.items():
            field = "ints" if isinstance(value, list) else "i" if isinstance(value, int) else "f"
            node.attribute.add(name=key, type=_ATTRIBUTE_TYPES[field], **{field: value})
        return name

    def file(self) -> bytes:
        """The contents of an ONNX file, the same for the same graph."""
        model = _message(
            "Model", ir_version=IR_VERSION, producer_name="lut_fuse", graph=self._graph,
            opset_import=[_message("Opset", version=OPSET)],
        )  # fmt: skip
        return bytes(model.SerializeToString(deterministic=True))


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
    return {kind: _class_of(pool, f"encoder.{kind}") for kind in _FIELDS}


def _class_of(pool: descriptor_pool.DescriptorPool, name: str) -> Any:
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    # protobuf before 4.22, which is what Ubuntu 22.04 and 24.04 have.
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)  # type: ignore[attr-defined]
