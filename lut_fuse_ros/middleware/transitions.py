"""Keeps a lifecycle node alive when it is asked for a transition that its state does not allow."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode


def refuse_impossible_transitions(node: LifecycleNode) -> None:
    """Answer such a request with 'no success'.

    rclpy raises from the service's callback instead, which ends the executor and with it the node.
    """
    service = node._service_change_state
    change = service.callback

    def answer(request: ChangeState.Request, response: ChangeState.Response) -> Any:
        machine = node._state_machine
        possible = {entry[0]: entry[1] for entry in machine.available_transitions}
        wanted = request.transition
        if wanted.id in possible or (wanted.label and wanted.label in possible.values()):
            return change(request, response)
        state = machine.current_state[1]
        node.get_logger().error(
            f"refused transition {wanted.label or wanted.id}: not possible while {state}"
        )
        response.success = False
        return response

    service.callback = answer
