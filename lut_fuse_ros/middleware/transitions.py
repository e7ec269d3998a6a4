"""Keeps a lifecycle node alive when it is asked for a transition that its state does not allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode

POSSIBLE = {
    "unconfigured": {
        Transition.TRANSITION_CONFIGURE: "configure",
        Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: "shutdown",
    },
    "inactive": {
        Transition.TRANSITION_CLEANUP: "cleanup",
        Transition.TRANSITION_ACTIVATE: "activate",
        Transition.TRANSITION_INACTIVE_SHUTDOWN: "shutdown",
    },
    "active": {
        Transition.TRANSITION_DEACTIVATE: "deactivate",
        Transition.TRANSITION_ACTIVE_SHUTDOWN: "shutdown",
    },
    "finalized": {},
}
"""What may be asked for in each state, by number and by label."""


def refuse_impossible_transitions(node: LifecycleNode, state: Callable[[], str]) -> None:
    """Answer such a request with 'no success'.

    rclpy raises from the service's callback instead, which ends the executor and with it the node.

    Args:
        node: Whose service is guarded; it must be among `Node.services`.
        state: The label of the node's state.
    """
    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = _guarded(service.callback, node, state)


def _guarded(change: Callable[..., Any], node: LifecycleNode, state: Callable[[], str]) -> Any:
    def answer(request: ChangeState.Request, response: ChangeState.Response) -> Any:
        wanted, possible = request.transition, POSSIBLE[state()]
        # As rclpy does: the label, where there is one, before the number.
        known = wanted.label in possible.values() if wanted.label else wanted.id in possible
        if known:
            return change(request, response)
        node.get_logger().error(
            f"refused transition {wanted.label or wanted.id}: not possible while {state()}"
        )
        response.success = False
        return response

    return answer
