"""`NodeParameters` as parameters of a ROS node: declared, checked on every change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from lut_fuse_core.errors import InputError
from lut_fuse_ros.parameters.node_parameters import NodeParameters, specs
from lut_fuse_ros.parameters.spec import Spec, Value


def declare_parameters(node: Node) -> NodeParameters:
    """Declare every parameter on a node and read what was given at the start.

    Raises InputError, saying which value is wrong and what would be right.
    """
    try:
        for spec, default in specs():
            node.declare_parameter(spec.name, default, descriptor(spec, default))
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        given = node._parameter_overrides[spec.name].value
        spec.check(given, type(default))  # our own sentence, if the value is one we refuse
        raise InputError(str(error)) from None
    values = {spec.name: node.get_parameter(spec.name).value for spec, _ in specs()}
    return NodeParameters.from_dict(values)


def descriptor(spec: Spec, default: Value) -> ParameterDescriptor:
    """What `ros2 param describe` shows and ROS enforces."""
    result = ParameterDescriptor(description=spec.description, read_only=not spec.dynamic)
    if spec.choices:
        result.additional_constraints = "one of " + ", ".join(spec.choices)
    if spec.minimum is not None and spec.maximum is not None:
        if isinstance(default, float):
            result.floating_point_range = [
                FloatingPointRange(from_value=float(spec.minimum), to_value=float(spec.maximum))
            ]
        else:
            result.integer_range = [
                IntegerRange(from_value=int(spec.minimum), to_value=int(spec.maximum), step=1)
            ]
    return result


def on_change(
    node: Node, current: Callable[[], NodeParameters], accept: Callable[[NodeParameters], None]
) -> None:
    """Check every later change; ``accept`` gets the new whole, a bad value is turned down."""
    ours = {spec.name for spec, _ in specs()}

    def check(changes: Sequence[Parameter[Any]]) -> SetParametersResult:
        values = {change.name: change.value for change in changes if change.name in ours}
        try:
            parameters = current().updated(values)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if values:
            accept(parameters)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
