"""Two publishers, two nodes of one name, one topic for two purposes: told, with the names."""

import time

import pytest
import rclpy
from rig import NodeTest, description, node_process
from sensor_msgs.msg import Image


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process("autostart:=true", "threads:=1", remap=("__ns:=/twice",)),
        node_process(
            "autostart:=true",
            "threads:=1",
            remap=("__ns:=/same", "infrared/image_raw:=visible/image_raw"),
        ),
        node_process(
            "autostart:=true", "threads:=1", remap=("__ns:=/fed", "visible/image_raw:=fused/image")
        ),
    )


class Told(NodeTest):
    def told(self, *words: str) -> None:
        self.rig.wait_for_report(
            lambda r: all(word in r["message"] for word in words) and r["level"] != "0",
            f"not told {words}",
            meanwhile=lambda: (self.rig.send_pair(), time.sleep(1 / 30)),
        )


class TestTwice(Told):
    namespace = "/twice"

    def test_two_publishers_of_one_input_are_named(self):
        self.rig.fuse()
        other = rclpy.create_node("other_camera", namespace="/twice", context=self.rig.context)
        other.create_publisher(Image, "visible/image_raw", 10)
        self.told("2 publishers send visible images", "/twice/other_camera", "/twice/rig")
        other.destroy_node()

    def test_two_nodes_of_one_name_are_told(self):
        double = rclpy.create_node("fusion_node", namespace="/twice", context=self.rig.context)
        self.told("2 nodes are called /twice/fusion_node")
        double.destroy_node()


class TestSame(Told):
    namespace = "/same"

    def test_one_topic_for_both_cameras_is_told(self):
        self.told("both cameras' images are taken from /same/visible/image_raw")


class TestFed(Told):
    namespace = "/fed"

    def test_an_output_that_is_fed_back_is_told(self):
        self.told("the visible images are taken from /fed/fused/image, which is where the fused")
