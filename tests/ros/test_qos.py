"""Quality of service: who cannot be reached is named while that is so, and no longer."""

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rig import NodeTest, Rig, description, node_process
from sensor_msgs.msg import Image

RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=5,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process("threads:=1"),
        node_process("autostart:=true", "threads:=1", "output.qos:=reliable", remap=("__ns:=/r",)),
    )


class TestQos(NodeTest):
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
        self.rig.node.destroy_subscription(asking)
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
