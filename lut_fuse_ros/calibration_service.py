"""The service ~/calibrate: a registration from the live stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from std_srvs.srv import Trigger

from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.file import check_registration_name
from lut_fuse_ros.registration.live_calibration import LiveCalibration, Result, outcome
from lut_fuse_ros.session import Active, Session


class CalibrationService:
    """Finds the homography from live pairs; the executor goes on meanwhile.

    Args:
        node: That offers the service.
        session: What the node holds.
    """

    def __init__(self, node: LifecycleNode, session: Session) -> None:
        self._node, self._session = node, session
        # In a group of its own: while it waits for pairs, others go on, and it answers a second
        # caller at once.
        node.create_service(
            Trigger, "~/calibrate", self._calibrate, callback_group=ReentrantCallbackGroup()
        )

    async def _calibrate(self, _: Any, response: Any) -> Any:
        response.success, response.message = False, self._refusal()
        active = self._session.active
        if response.message or active is None:
            return response
        result = await self._result(active)
        file = self._session.parameters.calibration.file
        response.success, response.message = outcome(result, file)
        logger = self._node.get_logger()
        # Two calls: rclpy ties each place that logs to one severity.
        if response.success and not isinstance(result, Exception):
            self._session.use(result.homography)
            logger.info(f"calibration: {response.message}")
        else:
            logger.warning(f"calibration: {response.message}")
        return response

    def _refusal(self) -> str:
        """Why nothing can be calibrated now; empty if it can."""
        session = self._session
        if session.active is None or session.configured is None:
            return "the node is not active; activate it first"
        if session.configured.registration is not None:
            return "registration.source is 'tf': calibrate the cameras and their frames"
        if session.active.worker.calibration is not None:
            return "a calibration is under way already"
        return _unwritable(session.parameters.calibration.file)

    async def _result(self, active: Active) -> Result:
        found = Future(executor=self._node.executor)
        parameters = self._session.parameters
        active.worker.calibration = LiveCalibration(
            parameters.calibration.pairs, parameters.normalization, found.set_result
        )
        try:
            result: Result = await found
            return result
        finally:
            active.worker.calibration = None


def _unwritable(file: str) -> str:
    """Why the result of a calibration cannot be written to a file; empty if it can."""
    if not file:
        return ""
    try:
        check_registration_name(Path(file).expanduser())
    except InputError as error:
        return f"calibration.file: {error}"
    return ""
