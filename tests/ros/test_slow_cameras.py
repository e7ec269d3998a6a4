"""Cameras slower than the timeouts, recordings that jump, and infrared that is never usable."""

import time

import numpy as np
import pytest
from rig import FRAME, NodeTest, description, node_process, pixels_of

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
        self.rig.settle()
        for _ in range(4):
            if shows_infrared(self.rig.fuse()):
                return
        raise AssertionError("nothing is fused")

    def pair(self, later: float, first: str = "visible") -> int:
        """One image, and its partner 30 ms later."""
        self.rig.stamp += round(later * SECOND)
        stamp = self.rig.stamp
        sends = [self.rig.send_visible, self.rig.send_infrared]
        for send in sends if first == "visible" else reversed(sends):
            send(stamp=stamp)
            time.sleep(0.03)
        return stamp

    def test_cameras_slower_than_the_timeouts_are_fused_and_no_fault(self):
        before = self.rig.count("visible_only")
        for _ in range(6):
            self.rig.reports.clear()
            assert shows_infrared(self.rig.fused(self.pair(1.5)))
            time.sleep(1.44)
        report = self.rig.wait_for_report(lambda _: True, "no report")
        assert "no visible images" not in report["message"]
        assert self.rig.count("visible_only") == before

    def test_a_recording_that_skips_ahead_is_fused_at_once(self):
        jumps = self.rig.count("clock_jumps")
        for _ in range(5):
            assert shows_infrared(self.rig.fused(self.pair(15.0)))
        assert self.rig.count("clock_jumps") == jumps + 5

    def test_a_recording_that_loops_loses_no_pair_however_often(self):
        jumps, start = self.rig.count("clock_jumps"), self.rig.stamp
        for loop in range(15):
            self.rig.stamp = start - 60 * SECOND
            self.rig.images.clear()
            for _ in range(3):
                stamp = self.pair(0.2, ("visible", "infrared")[loop % 2])
                assert shows_infrared(self.rig.fused(stamp))
        assert self.rig.count("clock_jumps") == jumps + 15

    def test_an_image_from_before_between_the_jumps_of_both_cameras_holds_nothing_up(self):
        end = time.monotonic() + 0.7
        while time.monotonic() < end:  # until visible images go out alone
            self.rig.send_visible()
            time.sleep(1 / 30)
        before = self.rig.next_stamp()
        self.rig.stamp -= 60 * SECOND
        self.rig.send_infrared(stamp=self.rig.stamp)
        self.rig.send_visible(stamp=before)
        time.sleep(0.1)
        # The first visible image is still one that does not wait for infrared.
        images = [self.rig.fused(self.pair(0.2)) for _ in range(3)]
        assert [shows_infrared(image) for image in images[1:]] == [True, True]


class TestLatest(NodeTest):
    namespace = "/latest"

    def test_without_usable_infrared_nothing_goes_out_if_so_configured(self):
        assert shows_infrared(self.rig.fuse())

        def disagreeing():
            stamp = self.rig.send_infrared(stamp=self.rig.stamp + 60 * SECOND)
            self.rig.send_visible(stamp=stamp - 60 * SECOND + FRAME)
            self.rig.stamp += FRAME

        report = self.rig.wait_for_report(
            lambda r: r["level"] == "2" and "nothing is published" in r["message"],
            "diagnostics do not tell",
            meanwhile=disagreeing,
        )
        assert int(report["withheld"]) > 0
        assert all(shows_infrared(image) for image in self.rig.images)

    def test_a_recording_that_loops_is_fused_whichever_camera_is_first(self):
        start = self.rig.stamp
        for loop in range(6):
            self.rig.images.clear()
            self.rig.stamp = start - 60 * SECOND
            between = start + SECOND
            if loop % 2:
                self.rig.send_infrared(stamp=self.rig.stamp + FRAME)
                time.sleep(0.05)
                self.rig.send_visible(stamp=between)
                time.sleep(0.05)
            assert shows_infrared(self.rig.fuse())
