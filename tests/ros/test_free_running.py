"""Cameras that no trigger keeps in step, with the defaults."""

import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not sourced: the node's tests were NOT run")

from rig import NodeTest, description, node_process, pixels_of, stamp_ns

SECOND = 1_000_000_000


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process("autostart:=true", "threads:=1"),
        node_process("autostart:=true", "threads:=1", remap=("__ns:=/slow",)),
    )


class FreeRunning(NodeTest):
    def run_cameras(self, visible_rate: float, infrared_rate: float, phase: float, seconds: float):
        """Both streams; stamps as if they had run that long, sent as fast as they are fused."""
        self.rig.fuse()
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
            time.sleep(1 / (3 * visible_rate))  # in fast motion, as far as a loaded machine follows
        time.sleep(1.0)
        return sorted(stamp_ns(image) - start for image in list(self.rig.images))

    def gaps(self, stamps: list[int], rate: float) -> float:
        """The longest time without a fused image, in frame periods."""
        return float(np.diff(stamps).max()) * rate / SECOND


class TestAtThirtyHertz(FreeRunning):
    def test_through_a_whole_slip_no_image_goes_without_infrared_for_longer_than_two_frames(self):
        stamps = self.run_cameras(30.0, 29.0, 0.012, 6.0)  # six slips
        infrared = [np.ptp(pixels_of(image).astype(int)) > 10 for image in self.rig.images]
        assert all(infrared)
        assert len(stamps) > 160
        assert self.gaps(stamps, 30.0) < 2.5

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
        stamps = self.run_cameras(15.0, 14.7, 0.033, 7.0)  # two slips, beginning half a period off
        assert len(stamps) > 95
        assert self.gaps(stamps, 15.0) < 2.5
