"""Cameras that no trigger keeps in step, with the defaults."""

import threading
import time

import numpy as np
import pytest
from rig import NodeTest, description, node_process, pixels_of
from sensor_msgs.msg import Image

SECOND = 1_000_000_000


RELIABLE = (
    "autostart:=true",
    "threads:=1",
    # A loaded machine may stop any of the processes for a while: nothing is to be lost by that.
    "fallback.timeout:=5.0",
    "visible.qos:=reliable",
    "infrared.qos:=reliable",
    "visible.queue_size:=1000",
    "infrared.queue_size:=1000",
)


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process(*RELIABLE),
        node_process(*RELIABLE, remap=("__ns:=/slow",)),
    )


class FreeRunning(NodeTest):
    def run_cameras(self, visible_rate: float, infrared_rate: float, phase: float, seconds: float):
        """Both streams, in fast motion.

        Returns:
            By how much each counter grew, and how many frames did not even arrive as ``lost``.
        """
        node = self.rig.node
        for side in ("visible", "infrared"):
            self.rig.destroy(getattr(self.rig, side))
            setattr(self.rig, side, node.create_publisher(Image, f"{side}/image_raw", 1000))
        self.rig.fuse()
        self.rig.reports.clear()
        before = self.rig.wait_for_report(lambda _: True, "no report")
        self.rig.images.clear()
        start = self.rig.stamp + SECOND
        events = [
            (start + round(index * SECOND / rate + shift * SECOND), side)
            for side, rate, shift in (("v", visible_rate, 0.0), ("i", infrared_rate, phase))
            for index in range(int(seconds * rate))
        ]
        for stamp, side in sorted(events):
            self.rig.stamp = stamp
            (self.rig.send_visible if side == "v" else self.rig.send_infrared)(stamp=stamp)
            time.sleep(1 / (3 * visible_rate))
        time.sleep(1.0)
        self.rig.reports.clear()
        after = self.rig.wait_for_report(lambda _: True, "no report")
        names = ("visible", "infrared", "pairs", "unpaired_visible", "visible_only")
        grown = {name: int(after[name]) - int(before[name]) for name in names}
        return {**grown, "lost": len(events) - grown["visible"] - grown["infrared"]}


class TestAtThirtyHertz(FreeRunning):
    def test_through_whole_slips_each_costs_one_frame_and_no_image_goes_without_infrared(self):
        seen = self.run_cameras(30.0, 29.0, 0.012, 6.0)  # six slips
        assert seen["visible_only"] == 0, seen
        assert seen["pairs"] >= 180 - 6 - 3 - seen["lost"], seen
        infrared = [np.ptp(pixels_of(image).astype(int)) > 10 for image in self.rig.images]
        assert all(infrared)

    def test_the_diagnostics_say_free_running_and_no_share_exceeds_all(self):
        messages, done = [], threading.Event()

        def watch():
            while not done.is_set():
                messages.append(self.rig.report().get("message", ""))
                time.sleep(0.2)

        watcher = threading.Thread(target=watch)
        watcher.start()
        self.run_cameras(30.0, 29.7, 0.0, 16.0)
        done.set()
        watcher.join()
        assert any("free-running" in message for message in messages), set(messages)
        for message in messages:
            shares = [
                int(word)
                for word, unit in zip(message.split(), message.split()[1:], strict=False)
                if unit.startswith("%") and word.isdigit()
            ]
            assert all(share <= 100 for share in shares), message


class TestAtFifteenHertz(FreeRunning):
    namespace = "/slow"

    def test_slow_cameras_pair_at_any_phase(self):
        # Two slips, beginning half a period off.
        seen = self.run_cameras(15.0, 14.7, 0.033, 7.0)
        assert seen["visible_only"] == 0, seen
        assert seen["pairs"] >= 105 - 2 - 3 - seen["lost"], seen
