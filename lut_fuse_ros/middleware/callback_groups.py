"""Callback groups of subscriptions whose messages are not taken by the executor."""

from __future__ import annotations

from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.subscription import Subscription


class Unattended(CallbackGroup):  # type: ignore[misc]
    """Nothing in it wakes an executor: messages wait until they are asked for."""

    def can_execute(self, entity: Any) -> bool:
        """See `rclpy.callback_groups.CallbackGroup`."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """See `rclpy.callback_groups.CallbackGroup`."""
        return self.can_execute(entity)

    def ending_execution(self, entity: Any) -> None:
        """See `rclpy.callback_groups.CallbackGroup`."""


class EventsAttended(Unattended):
    """The same, but the executor handles what happens to the subscription: a publisher that offers
    less than it asks for, say, of which rclpy warns."""

    def can_execute(self, entity: Any) -> bool:
        """See `rclpy.callback_groups.CallbackGroup`."""
        return not isinstance(entity, Subscription)
