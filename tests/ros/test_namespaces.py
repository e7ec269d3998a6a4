"""Two rigs on one machine: two nodes in two namespaces do not hear each other."""

import launch_testing
import pytest
from launch_testing.asserts import assertExitCodes
from rig import NodeTest, Rig, description, node_process, stamp_ns


@pytest.mark.launch_test
def generate_test_description():
    return description(
        *(
            node_process("autostart:=true", "threads:=1", remap=(f"__ns:=/{name}",))
            for name in ("front", "rear")
        ),
        node_process(
            "autostart:=true",
            "threads:=1",
            remap=(
                "__ns:=/renamed",
                "visible/image_raw:=/renamed/camera/image_raw",
                "fused/image:=visible/image_raw",
            ),
        ),
    )


class TestNamespaces(NodeTest):
    namespace = "/front"

    def test_each_node_fuses_its_own_cameras_and_reports_under_its_name(self):
        rear = Rig("/rear")
        try:
            self.rig.fuse()
            rear.fuse()
            rear.images.clear()
            stamp = stamp_ns(self.rig.fuse())
            assert all(stamp_ns(image) != stamp for image in rear.images)
            for rig in (self.rig, rear):
                rig.wait_for_report(lambda r: r["state"] == "active", "no diagnostics")
        finally:
            rear.close()

    def test_a_topic_is_remapped_once(self):
        node = self.rig.node
        topics = {
            "/renamed/camera/image_raw": (0, 1),
            "/renamed/visible/image_raw": (1, 0),
            "/renamed/visible/image_raw/compressed": (1, 0),
        }

        def found():
            return {
                topic: (node.count_publishers(topic), node.count_subscribers(topic))
                for topic in topics
            }

        self.rig.wait(lambda: found() == topics, "its topics are others")


@launch_testing.post_shutdown_test()
class TestShutdown(NodeTest):
    @classmethod
    def setUpClass(cls) -> None:
        """No rig needed."""

    @classmethod
    def tearDownClass(cls) -> None:
        """Nothing to close."""

    def test_an_interrupt_ends_the_nodes_with_status_0(self, proc_info):
        assertExitCodes(proc_info)

    def test_no_traceback_is_left_behind(self, proc_output):
        text = "".join(part.text.decode() for part in proc_output)
        assert "Traceback" not in text
