"""What a node holds while it is configured, and what it holds while it is active."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo

from lut_fuse_core.errors import InputError
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.rig import CameraRig
from lut_fuse_core.sync.jumps import SIDES, Side
from lut_fuse_ros.frames.inputs import Inputs
from lut_fuse_ros.frames.output import Output
from lut_fuse_ros.frames.pairing import Pairing
from lut_fuse_ros.frames.worker import Worker
from lut_fuse_ros.meters import Statistics
from lut_fuse_ros.middleware.infos import InfoSubscription
from lut_fuse_ros.parameters.node_parameters import NodeParameters
from lut_fuse_ros.pipeline_setup import apply_changes, make_pipeline, set_transform, warm_up

LOOK_PERIOD = 1.0
"""Seconds between two looks at TF and at who publishes and subscribes, and how."""


class Configured:
    """What exists from configuration to clean-up: the pipeline, the topics, the registration.

    Args:
        node: That publishes.
        parameters: Of the node.
        calibrated: A registration that ~/calibrate found before; None without.

    Attributes:
        pipeline: What fuses.
        backend_note: Why another backend than asked for fuses; empty if it is that one.
        output: The publishers.
        registration: Where TF and camera_info meet; None for other sources.

    Raises:
        LutFuseError, OSError, ImportError: For a model, backend or registration that cannot be
            used.
    """

    def __init__(
        self, node: LifecycleNode, parameters: NodeParameters, calibrated: Homography | None
    ) -> None:
        self.pipeline, self.backend_note = make_pipeline(parameters)
        warm_up(self.pipeline)
        if calibrated is not None:
            set_transform(self.pipeline, calibrated)
        self.output = Output(node, parameters)
        self.registration: Any = None
        if parameters.registration.source == "tf":
            from lut_fuse_ros.registration.tf import TfRegistration

            self.registration = TfRegistration(node, rectified=parameters.registration.rectified)

    def close(self) -> None:
        """Take the topics down."""
        if self.registration is not None:
            self.registration.close()
        self.output.close()


class Active:
    """What exists from activation to deactivation: worker, pairing, subscriptions, timer.

    Nothing is fused before `start`.

    Args:
        node: That subscribes.
        parameters: Of the node; see `update`.
        configured: What to fuse and publish with.
        log: Takes a warning for the user; may throttle.

    Attributes:
        statistics: What happened since.
        worker: The thread that fuses.
        pairing: What finds pairs.
        inputs: The subscriptions to images, and the thread that takes them.
    """

    def __init__(
        self,
        node: LifecycleNode,
        parameters: NodeParameters,
        configured: Configured,
        log: Callable[[str], None],
    ) -> None:
        self._node, self._configured = node, configured
        self.statistics = Statistics(time.monotonic())

        def clock() -> int:
            return int(node.get_clock().now().nanoseconds)

        configured.pipeline.reset()
        self.worker = Worker(
            configured.pipeline, configured.output, self.statistics, parameters, now=clock, log=log
        )
        self.worker.registered = configured.registration is None
        self.pairing = Pairing(
            parameters,
            self.statistics,
            clock=clock,
            on_job=self.worker.put,
            on_waiting=self.worker.expect,
            on_jump=lambda: self.worker.request("reset", FusionPipeline.reset),
            log=log,
        )
        self.inputs = Inputs(node, parameters, self.pairing.take, self._broken)
        self._infos = {
            side: InfoSubscription(node, f"{side}/camera_info", partial(self._info, side))
            for side in SIDES
        }
        configured.output.refresh_info = self._infos["visible"].refresh
        self._rig: CameraRig | None = None
        # Not the node's clock, which stands still until a bag is played or a simulation runs.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(LOOK_PERIOD, self._look_around, clock=steady)

    def start(self) -> None:
        """Begin to take images and to fuse them."""
        self.worker.start()
        self.inputs.start()

    def close(self) -> None:
        """Unsubscribe and finish the frame under way."""
        self._node.destroy_timer(self._timer)
        self.inputs.close()
        self.worker.stop()
        for info in self._infos.values():
            info.close()

    def update(self, parameters: NodeParameters) -> None:
        """Take over changed parameters, at the next frame."""
        self.pairing.update(parameters)
        self.worker.parameters = parameters
        self.worker.request("parameters", lambda pipeline: apply_changes(pipeline, parameters))

    def _broken(self, error: Exception) -> None:
        """Go on after an image that cannot be taken."""
        self.worker.failed("malformed" if isinstance(error, InputError) else "failed", error)

    def _info(self, side: Side, info: CameraInfo) -> None:
        if side == "visible":
            self._configured.output.camera_info = info
        if self._configured.registration is not None:
            setattr(self._configured.registration, side, info)

    def _look_around(self) -> None:
        """See who publishes and subscribes by now, and how, and whether the rig is known."""
        self.worker.frame_end.wait()
        self.inputs.look()
        self._configured.output.look()
        for info in self._infos.values():
            info.look()
        if self._configured.registration is None:
            return
        rig = self._configured.registration.rig()
        if rig is None or rig == self._rig:
            return
        self._rig = rig

        def register(pipeline: FusionPipeline) -> None:
            set_transform(pipeline, rig)
            # Only now, in the worker's thread: no frame goes out with infrared unregistered.
            self.worker.registered = True

        self.worker.request("transform", register)


@dataclass
class Session:
    """All that a node holds, for those who look at it: diagnostics and services.

    Attributes:
        parameters: In use.
        statistics: Since the last activation, or the start.
        state: Label of the lifecycle state.
        problem: Why the node could not be configured or activated; empty if it could.
        configured: None unless the node is configured.
        active: None unless the node is active.
        calibrated: What ~/calibrate found last; in use until the node ends.
    """

    parameters: NodeParameters
    statistics: Statistics = field(default_factory=lambda: Statistics(time.monotonic()))
    state: str = "unconfigured"
    problem: str = ""
    configured: Configured | None = None
    active: Active | None = None
    calibrated: Homography | None = None

    def close_active(self) -> None:
        """End what runs while active."""
        active, self.active = self.active, None
        if active is not None:
            active.close()

    def close(self) -> None:
        """End what runs, and release what was configured."""
        self.close_active()
        configured, self.configured = self.configured, None
        if configured is not None:
            configured.close()

    def update(self, parameters: NodeParameters) -> None:
        """Take over checked parameters."""
        self.parameters = parameters
        if self.configured is not None:
            self.configured.output.parameters = parameters
        if self.active is not None:
            self.active.update(parameters)
        elif self.configured is not None:
            apply_changes(self.configured.pipeline, parameters)

    def use(self, homography: Homography) -> None:
        """Register with what a calibration found."""
        self.calibrated = homography
        if self.active is not None:
            self.active.worker.request(
                "transform", lambda pipeline: set_transform(pipeline, homography)
            )
        elif self.configured is not None:
            set_transform(self.configured.pipeline, homography)
