"""camera_info as drivers publish it: latched, reliable, of another size or a region."""

import time

import numpy as np
import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rig import (
    HEIGHT,
    WIDTH,
    NodeTest,
    description,
    header,
    node_process,
)
from sensor_msgs.msg import CameraInfo, RegionOfInterest

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process("threads:=1", remap=("__ns:=/late",)),
        node_process("autostart:=true", "threads:=1", remap=("__ns:=/sized",)),
        node_process(
            "autostart:=true", "threads:=1", "registration.source:=tf", remap=("__ns:=/frames",)
        ),
    )


def info(width: int = WIDTH, height: int = HEIGHT, **fields) -> CameraInfo:
    focal, cx, cy = 1.1 * width, (width - 1) / 2, (height - 1) / 2
    return CameraInfo(
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0],
        r=np.eye(3).reshape(-1).tolist(),
        p=[focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        header=header(0, fields.pop("frame", "camera")),
        **fields,
    )


class TestLatched(NodeTest):
    namespace = "/late"

    def test_a_calibration_latched_before_the_start_is_served(self):
        driver = rclpy.create_node("driver", namespace="/late", context=self.rig.context)
        driver.create_publisher(CameraInfo, "visible/camera_info", LATCHED).publish(info())
        assert self.rig.transition("configure")
        assert self.rig.transition("activate")
        self.rig.wait(
            lambda: self.rig.fuse() and self.rig.infos, "the latched camera_info is not there"
        )
        assert self.rig.infos[-1].width == WIDTH
        driver.destroy_node()

    def test_no_other_publisher_is_asked_for_what_it_cannot_give(self):
        """A subscription that asks for latched messages makes each other driver log a warning."""
        node = self.rig.node
        durable = [
            each.node_name
            for each in node.get_subscriptions_info_by_topic("/late/infrared/camera_info")
            if each.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        ]
        assert durable == []


class TestSizes(NodeTest):
    namespace = "/sized"

    def beside(self, sent: CameraInfo):
        """The camera_info beside a fused image; None if there is none, or none yet."""
        self.rig.info.publish(sent)
        time.sleep(0.1)
        self.rig.infos.clear()
        stamp = self.rig.fuse().header.stamp
        time.sleep(0.1)
        return next((each for each in list(self.rig.infos) if each.header.stamp == stamp), None)

    def published(self, sent: CameraInfo):
        return self.rig.wait(lambda: self.beside(sent), "no camera_info is published")

    def test_one_that_fits_is_passed_on(self):
        assert list(self.published(info()).k) == list(info().k)

    def test_one_of_the_same_view_in_another_size_is_scaled(self):
        found = self.published(info(2 * WIDTH, 2 * HEIGHT))
        assert (found.width, found.height) == (WIDTH, HEIGHT)
        assert found.k[0] == pytest.approx(1.1 * WIDTH)
        assert found.k[2] == pytest.approx((WIDTH - 1) / 2)

    def test_a_region_of_the_sensor_is_passed_on(self):
        region = RegionOfInterest(x_offset=10, y_offset=10, width=WIDTH, height=HEIGHT)
        found = self.published(info(640, 480, roi=region))
        assert (found.roi.width, found.width) == (WIDTH, 640)

    def test_one_that_does_not_fit_is_told_of_and_not_published(self):
        self.rig.info.publish(info(100, 50))
        self.rig.wait_for_report(
            lambda r: "the visible camera_info is for 100x50" in r["message"],
            "not told",
            meanwhile=self.rig.send_pair,
        )
        assert self.beside(info(100, 50)) is None


class TestFrames(NodeTest):
    namespace = "/frames"

    def test_empty_frame_ids_are_not_taken_for_one_place(self):
        other = self.rig.node.create_publisher(CameraInfo, "infrared/camera_info", 10)

        def send():
            for publisher in (self.rig.info, other):
                publisher.publish(info(frame=""))
            self.rig.send_pair()

        report = self.rig.wait_for_report(
            lambda r: "camera_info has an empty frame_id" in r["message"], "not told", send
        )
        assert "not registered, so without infrared" in report["message"]
