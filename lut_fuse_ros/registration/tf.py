"""Registration from what ROS knows: both camera_info and the transform between the cameras."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo
from tf2_ros import Buffer, TransformException, TransformListener

from lut_fuse_core.errors import InputError
from lut_fuse_core.registration.camera import CameraModel
from lut_fuse_core.registration.rig import CameraRig, Pose


class TfRegistration:
    """Gathers camera_info and TF until they make a `CameraRig`.

    Args:
        node: That listens to TF.
        rectified: Whether the images come from image_rect topics, so that the projection matrix
            applies.

    Attributes:
        visible: The visible camera_info, as last received.
        infrared: That of the infrared camera.
        missing: What is still waited for, as a sentence; empty when there is a rig.
    """

    def __init__(self, node: Node, *, rectified: bool) -> None:
        self.visible: CameraInfo | None = None
        self.infrared: CameraInfo | None = None
        self.missing = "no camera_info yet"
        self._rectified = rectified
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)

    def rig(self) -> CameraRig | None:
        """The rig as of now; None, with the reason in ``missing``, if something is missing."""
        infos = {"visible": self.visible, "infrared": self.infrared}
        for name, info in infos.items():
            if info is None:
                self.missing = f"no {name} camera_info yet"
                return None
            if not info.header.frame_id:
                # tf2 takes two empty names for one place.
                self.missing = f"the {name} camera_info has an empty frame_id"
                return None
        try:
            cameras = [self._camera(info) for info in infos.values()]
            transform = self._buffer.lookup_transform(
                self.infrared.header.frame_id,  # type: ignore[union-attr]
                self.visible.header.frame_id,  # type: ignore[union-attr]
                Time(),
            ).transform
            turn, shift = transform.rotation, transform.translation
            pose = Pose.from_quaternion(
                (turn.x, turn.y, turn.z, turn.w), (shift.x, shift.y, shift.z)
            )
        except InputError as error:
            self.missing = str(error)
            return None
        except TransformException as error:
            self.missing = f"no transform between the cameras ({error})"
            return None
        self.missing = ""
        return CameraRig(cameras[0], cameras[1], pose)

    def close(self) -> None:
        """Stop listening to TF."""
        self._listener.unregister()

    def _camera(self, info: Any) -> CameraModel:
        camera = CameraModel.from_camera_info(
            info.width,
            info.height,
            list(info.k),
            list(info.d),
            info.distortion_model,
            list(info.p) if self._rectified else None,
        )
        roi = info.roi  # of the unbinned sensor; empty means all of it
        part = (roi.width, roi.height)
        # A driver that names the size of the part twice has calibrated that.
        if all(part) and part != (info.width, info.height):
            return camera.cropped_to(roi.x_offset, roi.y_offset, roi.width, roi.height)
        return camera
