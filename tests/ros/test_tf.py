"""The rig as TF and camera_info tell it."""

import math

import pytest
import rclpy
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo

from lut_fuse_ros.registration.tf import TfRegistration


@pytest.fixture
def node():
    rclpy.init()
    node = rclpy.create_node("tf_registration")
    yield node
    node.destroy_node()
    rclpy.shutdown()


def info(frame: str) -> CameraInfo:
    message = CameraInfo(width=640, height=480, distortion_model="plumb_bob")
    message.header.frame_id = frame
    message.k = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]
    return message


@pytest.mark.parametrize(("x", "found"), [(0.1, True), (math.inf, False)])
def test_a_transform_that_is_no_pose_is_said_and_ends_nothing(node, x, found):
    registration = TfRegistration(node, rectified=False)
    registration.visible, registration.infrared = info("rgb"), info("thermal")
    transform = TransformStamped(child_frame_id="rgb")
    transform.header.frame_id = "thermal"
    transform.transform.rotation.w = 1.0
    transform.transform.translation.x = x
    registration._buffer.set_transform_static(transform, "test")
    rig = registration.rig()
    assert (rig is not None) is found
    assert found or "translation" in registration.missing
