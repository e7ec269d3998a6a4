"""Quality of service: every publisher and subscriber is served, or named while it cannot be."""

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rig import (
    BEST_EFFORT,
    NodeTest,
    Rig,
    description,
    gray_visible,
    half_warm,
    header,
    image_message,
    node_process,
    stamp_ns,
)
from sensor_msgs.msg import CompressedImage, Image

RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=5,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
FIXED = ("visible.qos:=sensor_data", "infrared.qos:=reliable")


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process("threads:=1", "output.qos:=sensor_data"),
        node_process("autostart:=true", "threads:=1", "output.qos:=reliable", remap=("__ns:=/r",)),
        *(
            node_process("autostart:=true", "threads:=1", remap=(f"__ns:=/{name}",))
            for name in ("mixed", "latched", "asked", "changed")
        ),
        node_process("autostart:=true", "threads:=1", *FIXED, remap=("__ns:=/fixed",)),
    )


def wait_for_qos(rig: Rig, side: str, text: str) -> None:
    rig.wait_for_report(lambda r: r.get(f"{side} QoS") == text, f"{side} is not {text}")


class TestFixed(NodeTest):
    def test_a_subscriber_that_cannot_be_served_is_named_while_it_is_there(self):
        assert self.rig.transition("configure")
        asking = self.rig.node.create_subscription(Image, "fused/image", print, RELIABLE)
        assert self.rig.transition("activate")
        self.rig.wait_for_report(
            lambda r: (
                r["level"] == "1" and "/rig: best effort publisher and reliable" in r["message"]
            ),
            "not told",
            meanwhile=self.rig.send_pair,
        )
        self.rig.destroy(asking)
        self.rig.wait_for_report(
            lambda r: "nothing passes" not in r["message"], "told for ever", self.rig.send_pair
        )

    def test_the_policy_that_differs_is_the_one_that_is_named(self):
        rig = Rig("/r")
        try:
            rig.node.create_subscription(Image, "fused/image", print, LATCHED)
            rig.wait_for_report(
                lambda r: "volatile publisher and transient local" in r["message"],
                "not told",
                meanwhile=rig.send_pair,
            )
        finally:
            rig.close()

    def test_a_qos_that_was_set_does_not_follow(self):
        rig = Rig("/fixed")
        try:
            rig.fuse()
            wait_for_qos(rig, "visible", "best effort")
            wait_for_qos(rig, "infrared", "reliable")
        finally:
            rig.close()


class TestInputs(NodeTest):
    namespace = "/mixed"

    def test_each_input_follows_its_publisher(self):
        """The rig's infrared camera is reliable, as every publisher is by default."""
        rig = self.rig
        rig.destroy(rig.visible)
        rig.visible = rig.node.create_publisher(Image, "visible/image_raw", BEST_EFFORT)
        rig.fuse()
        wait_for_qos(rig, "visible", "best effort, as offered")
        wait_for_qos(rig, "infrared", "reliable, as offered")

    def test_beside_a_publisher_that_offers_less_both_are_heard(self):
        second = self.rig.node.create_publisher(Image, "infrared/image_raw", BEST_EFFORT)
        wait_for_qos(self.rig, "infrared", "best effort, as offered")
        self.rig.destroy(second)
        wait_for_qos(self.rig, "infrared", "reliable, as offered")
        self.rig.fuse()


class TestLatched(NodeTest):
    namespace = "/latched"

    def test_an_image_that_was_published_once_before_is_fused(self):
        rig, stamp = self.rig, self.rig.next_stamp()
        for name, image in (
            ("visible", image_message(gray_visible(), "rgb8")),
            ("infrared", image_message(half_warm(), "mono8")),
        ):
            rig.destroy(getattr(rig, name))
            publisher = rig.node.create_publisher(Image, f"{name}/image_raw", LATCHED)
            image.header = header(stamp)
            publisher.publish(image)
        rig.fused(stamp)
        wait_for_qos(rig, "visible", "reliable, transient local, as offered")

    def test_a_driver_that_comes_back_with_another_qos_is_followed_and_no_image_comes_twice(self):
        rig = Rig("/changed")
        try:
            rig.fuse()
            wait_for_qos(rig, "visible", "reliable, as offered")
            rig.destroy(rig.visible)
            rig.visible = rig.node.create_publisher(Image, "visible/image_raw", LATCHED)
            rig.wait_for_report(
                lambda r: r["visible QoS"] == "reliable, transient local, as offered",
                "not followed",
                meanwhile=rig.send_pair,
            )
            rig.fuse()
            assert rig.count("repeated_stamps") == 0
        finally:
            rig.close()


class TestSubscribers(NodeTest):
    namespace = "/asked"

    def test_subscribers_get_what_they_ask_for(self):
        rig = self.rig
        for asked in (RELIABLE, LATCHED):
            for kind, topic in (
                (Image, "fused/image"),
                (CompressedImage, "fused/image/compressed"),
            ):
                with self.subTest(topic, durability=asked.durability):
                    got: list = []
                    asking = rig.node.create_subscription(kind, topic, got.append, asked)

                    def send_until_served(got=got):
                        rig.send_pair()
                        return got

                    rig.wait(send_until_served, "the subscriber got nothing")
                    rig.destroy(asking)

    def test_one_that_comes_later_gets_the_last_image_from_a_publisher_that_was_asked_to_keep_it(
        self,
    ):
        rig, got = self.rig, []
        first = rig.node.create_subscription(Image, "fused/image", got.append, LATCHED)

        def send_until_served():
            rig.send_pair()
            return got

        rig.wait(send_until_served, "the subscriber got nothing")
        last = stamp_ns(rig.fuse())
        late: list = []
        rig.node.create_subscription(Image, "fused/image", late.append, LATCHED)
        rig.wait(lambda: late and stamp_ns(late[-1]) >= last, "the last image did not come")
        rig.destroy(first)
