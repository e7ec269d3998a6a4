"""The node: a lifecycle around a session. `ros2 run lut_fuse_ros fusion_node`."""

from __future__ import annotations

import sys
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from lut_fuse_core.errors import LutFuseError
from lut_fuse_ros.calibration_service import CalibrationService
from lut_fuse_ros.commands import missing_package
from lut_fuse_ros.diagnostics.reporter import Diagnostics
from lut_fuse_ros.middleware.core_log import CoreLog
from lut_fuse_ros.middleware.transitions import refuse_impossible_transitions
from lut_fuse_ros.parameters.declaration import declare_parameters, on_change
from lut_fuse_ros.parameters.files import files_without_effect
from lut_fuse_ros.session import Active, Configured, Session
from lut_fuse_ros.text import shortened

Result = TransitionCallbackReturn
LOG_PERIOD = 5.0
"""Seconds between two warnings about frames."""


class FusionNode(LifecycleNode):  # type: ignore[misc]
    """Subscribes to two cameras and publishes the fused image while active.

    Args:
        **options: Of `rclpy.lifecycle.LifecycleNode`.

    Raises:
        InputError: If it was started with parameters that cannot be used.
    """

    _core_log: CoreLog | None = None
    """None until all went well: since Kilted a context destroys nodes that were refused, too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            "fusion_node", automatically_declare_parameters_from_overrides=True, **options
        )
        self.session = Session(declare_parameters(self))
        for text in files_without_effect(sys.argv, self.get_fully_qualified_name()):
            self.get_logger().warning(text)
        refuse_impossible_transitions(self, lambda: self.session.state)
        on_change(self, lambda: self.session.parameters, self._accept)
        self._diagnostics = Diagnostics(self, self.session)
        self._calibration = CalibrationService(self, self.session)
        if self.session.parameters.autostart:
            self._starter = self.create_timer(0.0, self._autostart)
        self._core_log = CoreLog(self.get_logger())

    # --- life cycle -------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, choose the backend, warm it up, offer the topics."""
        session = self.session
        try:
            session.configured = Configured(self, session.parameters, session.calibrated)
        except Exception as error:
            self._refuse(error)
            return Result.FAILURE
        if session.configured.backend_note:
            self.get_logger().warning(session.configured.backend_note)
        session.problem = ""
        backend = session.configured.pipeline.fuser.backend.name
        self.get_logger().info(f"backend {backend}, model {session.parameters.model}")
        session.state = "inactive"
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin to fuse."""
        session = self.session
        try:
            assert session.configured is not None
            active = Active(self, session.parameters, session.configured, self._warn)
            session.active, session.statistics = active, active.statistics
            session.state = "active"
            result = super().on_activate(state)
            # Only now that publishers send: an image that is latched comes once.
            active.start()
        except Exception as error:
            self._refuse(error)
            return Result.ERROR
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and finish the frame under way."""
        self.session.close_active()
        self.session.state = "inactive"
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget model and topics."""
        self._end("unconfigured")
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From any state to the end."""
        self._end("finalized")
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that broke off: back to unconfigured."""
        self._end("unconfigured")
        return Result.SUCCESS

    def close(self) -> None:
        """Stop whatever runs, before the process ends."""
        self.session.close()

    def destroy_node(self) -> None:
        """See `rclpy.node.Node.destroy_node`."""
        if self._core_log is not None:
            self.close()
            self._core_log.close()
        super().destroy_node()

    def _end(self, state: str) -> None:
        self.session.close()
        self.session.state = state

    def _refuse(self, error: Exception) -> None:
        """Say why a transition fails, and undo it; rclpy itself would swallow the reason."""
        known = isinstance(error, LutFuseError | OSError | ImportError)
        self.session.problem = str(error) if known else f"{type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError):
            self.session.problem = missing_package(error)
        if self.context.ok():  # else it is the end that broke it off
            self.get_logger().error(f"cannot start: {self.session.problem}")
        self._end("unconfigured")

    def _autostart(self) -> None:
        self.destroy_timer(self._starter)
        if self.trigger_configure() == Result.SUCCESS:
            self.trigger_activate()

    # --- reports ----------------------------------------------------------------------------

    def broken(self, error: Exception) -> None:
        """Count something that broke in the executor, outside our callbacks."""
        text = shortened(f"{type(error).__name__}: {error}")
        self.session.statistics.error("failed", text)
        self._warn(f"skipped: {text}")

    def _accept(self, parameters: Any) -> None:
        self.session.update(parameters)

    def _warn(self, text: str) -> None:
        if self.context.ok():  # else it is the end that broke it off
            self.get_logger().warning(text, throttle_duration_sec=LOG_PERIOD)
