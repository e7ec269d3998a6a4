"""Waiting for messages of some subscriptions, beside the executor."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from rclpy.context import Context
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation


class Waiting:
    """Lets one thread wait for messages until another one wakes it.

    An executor looks after everything that a node has, services, timers and events, before and
    after each message: a third of a millisecond. This waits for nothing but messages.

    Args:
        context: Of the node whose subscriptions are waited for.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._guard = GuardCondition(None, None, context)
        self._set: Any = None
        self._room = -1

    def wait(self, subscriptions: Sequence[Any]) -> None:
        """Return once one of these has a message, or after `wake`.

        Raises:
            rclpy.exceptions.InvalidHandle: If one of them was destroyed.
        """
        with ExitStack() as held:  # what is destroyed meanwhile goes afterwards
            handles = [each.handle for each in subscriptions]
            for handle in handles:
                held.enter_context(handle)
            if self._room != len(handles):
                with self._context.handle:
                    self._set = rclpy_implementation.WaitSet(
                        len(handles), 1, 0, 0, 0, 0, self._context.handle
                    )
                self._room = len(handles)
            self._set.clear_entities()
            for handle in handles:
                self._set.add_subscription(handle)
            self._set.add_guard_condition(self._guard.handle)
            self._set.wait(-1)

    def wake(self) -> None:
        """End the wait that is under way, or else the next one."""
        self._guard.trigger()

    def close(self) -> None:
        """Release what waiting took; nobody waits any more."""
        self._set = None
        self._guard.destroy()
