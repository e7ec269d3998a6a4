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
from rclpy.node import Node
from rclpy.parameter import Parameter

from lut_fuse_core.errors import InputError
from lut_fuse_core.settings import Setting, settings_of, values_of
from lut_fuse_ros.parameters.node_parameters import NodeParameters

UPDATER_PERIOD, UPDATER_FULL_NAME = "diagnostic_updater.period", "diagnostic_updater.use_fqn"
"""What diagnostic_updater declares."""

SHORTEST_PERIOD, LONGEST_PERIOD = 0.01, 3600.0
"""Seconds between two reports of the diagnostics."""

OF_ROS = ("use_sim_time", "start_type_description_service")
"""What rclpy declares itself, besides names that begin with ``qos_overrides.``"""


def declare_parameters(node: Node) -> NodeParameters:
    """Declare every parameter on a node and read what was given at the start.

    What was given under names that nobody declares is warned of, with the nearest name.

    Args:
        node: Made with ``automatically_declare_parameters_from_overrides``: rclpy tells in no other
            way what was given.

    Raises:
        InputError: Saying which value is wrong and what would be right.
    """
    given = {name: each.value for name, each in node.get_parameters_by_prefix("").items()}
    settings = {each.name: each for each in settings_of(NodeParameters)}
    parameters = NodeParameters.from_dict(
        {name: value for name, value in given.items() if name in settings}
    )
    _check_updater(given)
    for name in given:
        if not _is_of_ros(name):
            node.undeclare_parameter(name)
    for each in settings.values():
        node.declare_parameter(each.name, each.default, descriptor(each))
    for text in _unknown(given, [*settings, UPDATER_PERIOD, UPDATER_FULL_NAME]):
        node.get_logger().warning(text)
    return parameters


def _is_of_ros(name: str) -> bool:
    return name in OF_ROS or name.startswith("qos_overrides.")


def _unknown(given: dict[str, Any], known: list[str]) -> list[str]:
    """A sentence for each name that nobody declares."""
    from difflib import get_close_matches

    texts = []
    for name in given:
        if name in known or _is_of_ros(name):
            continue
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        texts.append(f"there is no parameter '{name}', so it is ignored{hint}")
    return texts


def _check_updater(given: dict[str, Any]) -> None:
    """Raise InputError for what diagnostic_updater would fail on, in words of its own."""
    period = given.get(UPDATER_PERIOD, 1.0)
    if type(period) is not float:
        raise InputError(f"'{UPDATER_PERIOD}' is {period}; it takes seconds as 1.0")
    if not SHORTEST_PERIOD <= period <= LONGEST_PERIOD:
        raise InputError(
            f"'{UPDATER_PERIOD}' is {period}; it must be {SHORTEST_PERIOD} to "
            f"{LONGEST_PERIOD:.0f} s"
        )
    full_name = given.get(UPDATER_FULL_NAME, True)
    if type(full_name) is not bool:
        raise InputError(f"'{UPDATER_FULL_NAME}' is {full_name}; it takes true or false")


def descriptor(setting: Setting) -> ParameterDescriptor:
    """What `ros2 param describe` shows and ROS enforces."""
    result = ParameterDescriptor(description=setting.description, read_only=not setting.live)
    # Off comes as false (`as_meant`), which a parameter of one type would refuse.
    result.dynamic_typing = "off" in setting.choices
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
    """Check every later change; ``accept`` gets the new whole, a bad value is refused."""
    ours = {each.name for each in settings_of(NodeParameters)}

    def check(changes: Sequence[Parameter[Any]]) -> SetParametersResult:
        values = {change.name: change.value for change in changes if change.name in ours}
        try:
            parameters = current().updated(values)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if values and values_of(parameters) != values_of(current()):
            accept(parameters)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
