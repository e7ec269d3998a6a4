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
from lut_fuse_core.settings import Setting, settings_of
from lut_fuse_ros.parameters.node_parameters import NodeParameters


def declare_parameters(node: Node) -> NodeParameters:
    """Declare every parameter on a node and read what was given at the start.

    Raises InputError, saying which value is wrong and what would be right.
    """
    try:
        for each in settings_of(NodeParameters):
            node.declare_parameter(each.name, each.default, descriptor(each))
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        given = node._parameter_overrides[each.name].value
        NodeParameters.from_dict({each.name: given})  # our own sentence, if it is one we refuse
        raise InputError(str(error)) from None
    names = [each.name for each in settings_of(NodeParameters)]
    return NodeParameters.from_dict({name: node.get_parameter(name).value for name in names})


def descriptor(setting: Setting) -> ParameterDescriptor:
    """What `ros2 param describe` shows and ROS enforces."""
    result = ParameterDescriptor(description=setting.description, read_only=not setting.live)
    if setting.choices:
        result.additional_constraints = "one of " + ", ".join(setting.choices)
    elif setting.unit:
        result.additional_constraints = f"unit: {setting.unit}"
    low, high = setting.minimum, setting.maximum
    if low is None or high is None:
        return result
    if setting.kind is int:
        result.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    else:
        result.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high))
        ]
    return result


def on_change(
    node: Node, current: Callable[[], NodeParameters], accept: Callable[[NodeParameters], None]
) -> None:
    """Check every later change; ``accept`` gets the new whole, a bad value is turned down."""
    ours = {each.name for each in settings_of(NodeParameters)}

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
