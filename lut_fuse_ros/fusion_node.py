"""The node: a lifecycle around pairing, worker and output. `ros2 run lut_fuse_ros fusion_node`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import Trigger

from lut_fuse_core.errors import InputError, LutFuseError
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.file import check_registration_name
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig
from lut_fuse_ros.diagnostics.meters import Statistics
from lut_fuse_ros.diagnostics.reporter import Diagnostics
from lut_fuse_ros.frames.output import Output
from lut_fuse_ros.frames.pairing import Pairing
from lut_fuse_ros.frames.worker import Worker
from lut_fuse_ros.middleware.core_log import CoreLog
from lut_fuse_ros.middleware.qos import profile
from lut_fuse_ros.middleware.transitions import refuse_impossible_transitions
from lut_fuse_ros.parameters.declaration import declare_parameters, on_change
from lut_fuse_ros.parameters.node_parameters import InputParameters, NodeParameters
from lut_fuse_ros.pipeline_setup import apply_changes, make_pipeline, set_transform, warm_up
from lut_fuse_ros.registration.live_calibration import LiveCalibration, outcome

Result = TransitionCallbackReturn
REGISTRATION_PERIOD = 1.0
LOG_PERIOD = 5.0


class FusionNode(LifecycleNode):  # type: ignore[misc]
    """Subscribes to two cameras and publishes the fused image while active.

    Raises InputError if it was started with parameters that cannot be used.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("fusion_node", **options)
        self.parameters = declare_parameters(self)
        self.pipeline: FusionPipeline | None = None
        self.output: Output | None = None
        self.pairing: Pairing | None = None
        self.worker: Worker | None = None
        self.registration: Any = None
        self.statistics = Statistics(time.monotonic())
        self.problem = ""
        self.backend_note = ""
        self._infos: list[Any] = []
        self._registration_timer: Any = None
        self._rig: CameraRig | None = None
        self._calibrated: Homography | None = None
        refuse_impossible_transitions(self)
        on_change(self, lambda: self.parameters, self._accept)
        self.diagnostics = Diagnostics(self)
        # In a group of its own: while it waits for pairs, the others must go on.
        alone = MutuallyExclusiveCallbackGroup()
        self.create_service(Trigger, "~/calibrate", self._calibrate, callback_group=alone)
        if self.parameters.autostart:
            self._starter = self.create_timer(0.0, self._autostart)
        self._core_log = CoreLog(self.get_logger())

    # --- life cycle -------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, choose the backend, warm it up, offer the topics."""
        try:
            self.pipeline, self.backend_note = make_pipeline(self.parameters)
            if self.backend_note:
                self.get_logger().warning(self.backend_note)
            warm_up(self.pipeline)
            if self._calibrated is not None:
                set_transform(self.pipeline, self._calibrated)
            if self.parameters.registration.source == "tf":
                from lut_fuse_ros.registration.tf import TfRegistration

                rectified = self.parameters.registration.rectified
                self.registration = TfRegistration(self, rectified=rectified)
            self.output = Output(self, self.parameters)
        except Exception as error:
            self._refuse(error)
            return Result.FAILURE
        self.problem = ""
        self.get_logger().info(
            f"backend {self.pipeline.fuser.backend.name}, model {self.parameters.model}"
        )
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin to fuse."""
        try:
            self._begin()
        except Exception as error:
            self._refuse(error)
            return Result.ERROR
        return super().on_activate(state)

    def _begin(self) -> None:
        assert self.pipeline is not None
        assert self.output is not None
        self.pipeline.reset()
        self.statistics = Statistics(time.monotonic())
        self.worker = Worker(
            self.pipeline,
            self.output,
            self.statistics,
            self.parameters,
            now=lambda: int(self.get_clock().now().nanoseconds),
            log=self._warn,
        )
        self.worker.registered = self.registration is None
        self.worker.start()
        self.pairing = Pairing(
            self,
            self.parameters,
            self.statistics,
            on_job=self.worker.put,
            on_jump=lambda: self._request(FusionPipeline.reset),
        )
        self._infos = [
            self._subscribe_info("visible", self._visible_info),
            self._subscribe_info("infrared", self._infrared_info),
        ]
        if self.registration is not None:
            self._rig = None
            self._registration_timer = self.create_timer(REGISTRATION_PERIOD, self._register)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and finish the frame under way."""
        self._halt()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget model and topics."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From any state to the end."""
        self._halt()
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that broke off: back to unconfigured."""
        self._halt()
        self._release()
        return Result.SUCCESS

    def close(self) -> None:
        """Stop whatever runs, before the process ends."""
        self._halt()
        self._release()

    def destroy_node(self) -> None:
        """See `rclpy.node.Node.destroy_node`."""
        self._core_log.close()
        super().destroy_node()

    def _refuse(self, error: Exception) -> None:
        """Say why a transition fails, and undo it; rclpy itself would swallow the reason."""
        known = isinstance(error, LutFuseError | OSError | ImportError)
        self.problem = str(error) if known else f"{type(error).__name__}: {error}"
        if self.context.ok():  # else it is the end that broke it off
            self.get_logger().error(f"cannot start: {self.problem}")
        self._halt()
        self._release()

    def _halt(self) -> None:
        if self._registration_timer is not None:
            self.destroy_timer(self._registration_timer)
            self._registration_timer = None
        for info in self._infos:
            self.destroy_subscription(info)
        self._infos = []
        if self.pairing is not None:
            self.pairing.close()
            self.pairing = None
        if self.worker is not None:
            self.worker.stop()
            self.worker = None

    def _release(self) -> None:
        if self.registration is not None:
            self.registration.close()
            self.registration = None
        if self.output is not None:
            self.output.close()
            self.output = None
        self.pipeline = None

    def _autostart(self) -> None:
        self.destroy_timer(self._starter)
        if self.trigger_configure() == Result.SUCCESS:
            self.trigger_activate()

    # --- parameters -------------------------------------------------------------------------

    def _accept(self, parameters: NodeParameters) -> None:
        """Take over checked parameters, at the next frame."""
        before, self.parameters = self.parameters, parameters
        if self.pairing is not None:
            self.pairing.update(parameters)
        if self.output is not None:
            self.output.parameters = parameters
        if self.worker is not None:
            self.worker.parameters = parameters
        if parameters.sync.infrared_offset != before.sync.infrared_offset:
            self._request(FusionPipeline.reset)
        self._request(lambda pipeline: apply_changes(pipeline, parameters))

    def _request(self, change: Callable[[FusionPipeline], None]) -> None:
        if self.worker is not None:
            self.worker.request(change)
        elif self.pipeline is not None:
            change(self.pipeline)

    # --- camera_info and registration ---------------------------------------------------------

    def _subscribe_info(self, side: str, callback: Callable[[Any], None]) -> Any:
        settings: InputParameters = getattr(self.parameters, side)
        qos = profile(settings.qos, settings.queue_size)
        return self.create_subscription(CameraInfo, f"{side}/camera_info", callback, qos)

    def _visible_info(self, info: CameraInfo) -> None:
        if self.output is not None:
            self.output.camera_info = info
        if self.registration is not None:
            self.registration.visible = info

    def _infrared_info(self, info: CameraInfo) -> None:
        if self.registration is not None:
            self.registration.infrared = info

    def _register(self) -> None:
        """Look whether the rig became known or changed."""
        rig = self.registration.rig()
        worker = self.worker
        if rig is None or worker is None or rig == self._rig:
            return
        self._rig = rig

        def register(pipeline: FusionPipeline) -> None:
            set_transform(pipeline, rig)
            # Only now, in the worker's thread: no frame goes out with infrared unregistered.
            worker.registered = True

        worker.request(register)

    async def _calibrate(self, _: Any, response: Any) -> Any:
        """Find the homography from live pairs; the executor goes on meanwhile."""
        response.success, response.message = False, ""
        worker = self.worker
        if worker is None:
            response.message = "the node is not active; activate it first"
        elif self.registration is not None:
            response.message = "registration.source is 'tf': calibrate the cameras and their frames"
        elif worker.calibration is not None:
            response.message = "a calibration is under way already"
        elif self.parameters.calibration.file:
            response.message = _unwritable(self.parameters.calibration.file)
        if response.message or worker is None:
            return response
        found = Future(executor=self.executor)
        parameters = self.parameters
        worker.calibration = LiveCalibration(
            parameters.calibration.pairs, parameters.normalization, found.set_result
        )
        result = await found
        worker.calibration = None
        response.success, response.message = outcome(result, parameters.calibration.file)
        if response.success:
            self._calibrated = result.homography
            self._request(lambda pipeline: set_transform(pipeline, result.homography))
        # Two calls: rclpy ties each place that logs to one severity.
        if response.success:
            self.get_logger().info(f"calibration: {response.message}")
        else:
            self.get_logger().warning(f"calibration: {response.message}")
        return response

    # --- reports ----------------------------------------------------------------------------

    def broken(self, error: Exception) -> None:
        """Count something that broke in the executor, outside our callbacks."""
        text = f"{type(error).__name__}: {error}"
        self.statistics.error("failed", text)
        self._warn(f"skipped: {text}")

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=LOG_PERIOD)


def _unwritable(file: str) -> str:
    """Why the result of a calibration cannot be written there; empty if it can."""
    try:
        check_registration_name(Path(file).expanduser())
    except InputError as error:
        return f"calibration.file: {error}"
    return ""
