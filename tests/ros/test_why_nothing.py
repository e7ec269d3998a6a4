"""No image comes: the diagnostics name the topic, what is there, and what to set."""

import time
import unittest
from collections import deque

import numpy as np
import pytest
import rclpy
from rig import (
    BEST_EFFORT,
    NodeTest,
    description,
    gray_visible,
    half_warm,
    header,
    image_message,
    node_process,
    pixels_of,
)
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

IS_FAST_DDS = rclpy.get_rmw_implementation_identifier().startswith("rmw_fastrtps")
NAMESPACES = ("alone", "typed", "squeezed", "raw", "near", *(("large",) if IS_FAST_DDS else ()))


@pytest.mark.launch_test
def generate_test_description():
    return description(
        *(
            node_process(
                "autostart:=true",
                "threads:=1",
                f"visible.transport:={'compressed' if name == 'raw' else 'raw'}",
                f"registration.source:={'tf' if name == 'near' else 'none'}",
                remap=(f"__ns:=/{name}",),
            )
            for name in NAMESPACES
        ),
        node_process(
            "autostart:=true", "threads:=1", "sync.queue_size:=100", remap=("__ns:=/late",)
        ),
    )


class Why(NodeTest):
    def told(self, *words: str, meanwhile=None) -> str:
        report = self.rig.wait_for_report(
            lambda r: all(word in r["message"] for word in words), f"not told {words}", meanwhile
        )
        return report["message"]

    def without_visible(self) -> None:
        """Take the rig's own publisher away, which would be there."""
        self.rig.destroy(self.rig.visible)


@unittest.skipUnless(IS_FAST_DDS, "not Fast DDS")
class TestLarge(Why):
    namespace = "/large"

    def test_images_that_fast_dds_has_no_room_for_are_told_from_a_driver_that_hangs(self):
        self.without_visible()
        publisher = self.rig.node.create_publisher(Image, "visible/image_raw", BEST_EFFORT)
        image = image_message(gray_visible(width=1920, height=1080), "rgb8")
        self.told(
            "/large/visible/image_raw has a publisher, but nothing comes from it; it is best "
            "effort, with which Fast DDS",
            meanwhile=lambda: publisher.publish(image),
        )


class TestNobody(Why):
    namespace = "/alone"

    def test_a_topic_without_publisher_is_named(self):
        self.without_visible()
        self.told("no visible images", "nobody publishes /alone/visible/image_raw")

    def test_no_hidden_topic_is_taken_for_the_one_that_is_meant(self):
        """As those that Fast DDS has beside every topic of images on Lyrical. After the other test
        has taken the publisher away."""
        self.rig.node.create_publisher(Image, "visible/_image_raw", 10)
        self.rig.node.create_publisher(Image, "visible/image_rau", 10)
        self.told("did you mean /alone/visible/image_rau?")


class TestAnotherType(Why):
    namespace = "/typed"

    def test_a_topic_of_another_type_is_named_with_both_types(self):
        self.without_visible()
        context = rclpy.Context()  # Fast DDS refuses a second type for a topic in one of them
        rclpy.init(context=context)
        other = rclpy.create_node("other", namespace="/typed", context=context)
        other.create_publisher(String, "visible/image_raw", 10)
        self.told("std_msgs/msg/String, not sensor_msgs/msg/Image")
        other.destroy_node()
        rclpy.shutdown(context=context)


class TestCompressedIsThere(Why):
    namespace = "/squeezed"

    def test_compressed_where_raw_was_asked_for_names_the_setting(self):
        self.without_visible()
        self.rig.node.create_publisher(CompressedImage, "visible/image_raw/compressed", 10)
        self.told("/squeezed/visible/image_raw/compressed is there: set visible.transport to compr")


class TestRawIsThere(Why):
    namespace = "/raw"

    def test_raw_where_compressed_was_asked_for_names_the_setting(self):
        self.told("/raw/visible/image_raw is there: set visible.transport to raw")


class TestNearMatch(Why):
    namespace = "/near"

    def test_a_misspelled_topic_names_the_one_that_is_meant(self):
        self.without_visible()
        self.rig.node.create_publisher(Image, "visible/image_rwa", 10)
        self.told("did you mean /near/visible/image_rwa?")

    def test_a_missing_transform_is_told(self):
        self.told("no visible camera_info yet")

    def test_images_that_cannot_be_used_say_which_camera_they_are_of(self):
        visible = self.rig.node.create_publisher(Image, "visible/image_raw", 10)

        def send():
            stamp = self.rig.next_stamp()
            for publisher, pixels, kind in (
                (visible, gray_visible(), "thermal_magic"),
                (self.rig.infrared, half_warm(), "mono8"),
            ):
                message = image_message(pixels, kind)
                message.header = header(stamp)
                publisher.publish(message)
            time.sleep(1 / 30)

        self.told("visible camera: image encoding 'thermal_magic'", meanwhile=send)
        self.rig.destroy(visible)


class TestLate(Why):
    namespace = "/late"

    def test_pairs_that_all_come_late_name_the_settings(self):
        waiting: deque[tuple[float, int]] = deque()

        def send():
            waiting.append((time.monotonic() + 1.2, self.rig.send_visible()))
            while waiting and waiting[0][0] <= time.monotonic():
                self.rig.send_infrared(stamp=waiting.popleft()[1])

        self.told("of the pairs come after a later image", "raise fallback.timeout", meanwhile=send)

        assert self.rig.set("fallback.timeout", 3.0).successful

        def fused() -> bool:
            send()
            time.sleep(1 / 30)
            images = list(self.rig.images)[-1:]
            return any(np.ptp(pixels_of(image).astype(int)) > 10 for image in images)

        self.rig.wait(fused, "the advice does not help")
