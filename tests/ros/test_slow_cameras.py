"""Cameras slower than the timeouts, recordings that jump, and both again at the newest infrared."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not sourced: the node's tests were NOT run")

from rig import FRAME, NodeTest, description, node_process, pixels_of, stamp_ns

SECOND = 1_000_000_000


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process("autostart:=true", "threads:=1"),
        node_process(
            "autostart:=true",
            "threads:=1",
            "sync.method:=latest",
            "fallback.policy:=nothing",
            remap=("__ns:=/latest",),
        ),
    )


def shows_infrared(image) -> bool:
    return np.ptp(pixels_of(image).astype(int)) > 10


class TestStamps(NodeTest):
    def setUp(self) -> None:
        for _ in range(4):
            if shows_infrared(self.rig.fuse()):
                return
        raise AssertionError("nothing is fused")

    def pair(self, later: float) -> int:
        """The visible image, and its infrared partner 30 ms later."""
        self.rig.stamp += round(later * SECOND) - FRAME
        stamp = self.rig.send_visible()
        time.sleep(0.03)
        self.rig.send_infrared(stamp=stamp)
        return stamp

    def test_cameras_slower_than_the_timeout_are_fused(self):
        before = self.rig.count("visible_only")
        for _ in range(5):
            assert shows_infrared(self.rig.fused(self.pair(0.7)))
            time.sleep(0.67)
        report = self.rig.wait_for_report(
            lambda r: r["level"] != "0" or "fusing" in r["message"], "no report"
        )
        assert "no visible images" not in report["message"]
        assert self.rig.count("visible_only") == before

    def test_a_recording_that_skips_ahead_is_fused_at_once(self):
        jumps = self.rig.count("clock_jumps")
        for _ in range(5):
            assert shows_infrared(self.rig.fused(self.pair(15.0), 5.0))
        assert self.rig.count("clock_jumps") == jumps + 5

    def test_a_recording_that_loops_loses_no_pair_however_often(self):
        jumps, start = self.rig.count("clock_jumps"), self.rig.stamp
        for _ in range(15):
            self.rig.stamp = start - 60 * SECOND
            self.rig.images.clear()
            for _ in range(3):
                assert shows_infrared(self.rig.fused(self.pair(0.2), 5.0))
        assert self.rig.count("clock_jumps") == jumps + 15


class TestLatest(NodeTest):
    namespace = "/latest"

    def test_without_usable_infrared_nothing_goes_out_if_so_configured(self):
        # The first visible image may be ahead of the first infrared one.
        assert any(shows_infrared(self.rig.fuse()) for _ in range(3))
        before = len(self.rig.images)

        def disagreeing():
            stamp = self.rig.send_infrared(stamp=self.rig.stamp + 60 * SECOND)
            self.rig.send_visible(stamp=stamp - 60 * SECOND + FRAME)
            self.rig.stamp += FRAME

        # What was under way still comes.
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            disagreeing()
            time.sleep(1 / 30)
        fused = [stamp_ns(image) for image in self.rig.images[before:]]
        report = self.rig.wait_for_report(
            lambda r: r["level"] == "2" and "nothing is published" in r["message"],
            "diagnostics do not tell",
            meanwhile=disagreeing,
        )
        assert int(report["withheld"]) > 0
        assert all(shows_infrared(image) for image in self.rig.images), len(fused)
