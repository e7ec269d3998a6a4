"""Cameras whose clocks are not UTC, and a node whose clock is not the cameras'."""

import time

import numpy as np
import pytest
from rig import TIMEOUT, NodeTest, description, node_process, pixels_of, stamp_ns

SECOND = 1_000_000_000


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process("autostart:=true", "threads:=1", "fallback.timeout:=0.25"),
        node_process(
            "autostart:=true", "threads:=1", "sync.stamps:=arrival", remap=("__ns:=/arrival",)
        ),
        node_process(
            "autostart:=true",
            "threads:=1",
            "fallback.timeout:=0.25",
            "sync.estimate_offset:=true",
            remap=("__ns:=/estimating",),
        ),
    )


def shows_infrared(image) -> bool:
    return np.ptp(pixels_of(image).astype(int)) > 10


class ClockTest(NodeTest):
    def send(self, ahead: float) -> int:
        stamp = self.rig.send_visible()
        self.rig.send_infrared(stamp=stamp + round(ahead * SECOND))
        time.sleep(1 / 30)
        return stamp

    def fuses(self, ahead: float, seconds: float = TIMEOUT) -> bool:
        deadline = time.monotonic() + seconds
        self.rig.images.clear()
        while time.monotonic() < deadline:
            self.send(ahead)
            if any(shows_infrared(image) for image in list(self.rig.images)):
                return True
        return False


class TestOffsets(ClockTest):
    def follow_the_advice(self, ahead: float, words: str) -> None:
        """What the diagnostics name, set as they say, leads to fused images."""
        self.rig.set("sync.infrared_offset", 0.0)
        self.rig.reports.clear()
        report = self.rig.wait_for_report(
            lambda r: "set sync.infrared_offset to" in r["message"] and words in r["message"],
            "no advice",
            meanwhile=lambda: self.send(ahead),
        )
        advised = report["message"].partition("set sync.infrared_offset to ")[2].split(",")[0]
        assert float(advised) == pytest.approx(ahead, abs=0.04)
        assert self.rig.set("sync.infrared_offset", float(advised)).successful
        assert self.fuses(ahead), self.rig.report()

    def test_a_camera_in_tai_is_explained_and_the_advice_works(self):
        self.follow_the_advice(37.0, "TAI")

    def test_a_camera_an_hour_off_is_explained_and_the_advice_works(self):
        self.follow_the_advice(-3600.0, "an hour off")

    def test_a_camera_that_stamps_its_uptime_is_explained_and_the_advice_works(self):
        self.follow_the_advice(-round(self.rig.stamp / SECOND) + 100.0, "switched on")


class TestArrival(ClockTest):
    namespace = "/arrival"

    def test_frames_pair_by_arrival_whatever_their_stamps_say(self):
        for ahead in (0.0, 37.0, 12345.6):
            with self.subTest(ahead):
                assert self.fuses(ahead), self.rig.report()

    def test_an_offset_that_was_set_for_stamps_does_no_harm(self):
        assert self.rig.set("sync.infrared_offset", 37.0).successful
        assert self.fuses(37.0), self.rig.report()

    def test_the_fused_image_keeps_the_stamp_of_the_visible_one(self):
        assert self.fuses(5.0)
        stamp = self.send(5.0)
        assert stamp_ns(self.rig.fused(stamp)) == stamp


class TestOtherClocks(ClockTest):
    namespace = "/estimating"

    def test_a_recording_without_clock_is_no_latency_of_years(self):
        self.rig.stamp = 1_600_000_000 * SECOND
        try:
            assert self.fuses(0.0)
            report = self.rig.wait_for_report(
                lambda r: "use_sim_time" in r["message"],
                "no hint",
                meanwhile=lambda: self.send(0.0),
            )
            assert "years behind this node's clock" in report["message"]
            assert report["latency since stamp p50 (ms)"] == "nan"
            assert float(report["latency since arrival p50 (ms)"]) < 1e6
        finally:
            self.rig.stamp = time.time_ns()

    def test_frames_that_do_not_pair_are_compared_all_the_same(self):
        """The estimate is unknown where nothing moves; what matters: infrared is listened to."""
        report = self.rig.wait_for_report(
            lambda r: "do not pair" in r["message"],
            "not told",
            meanwhile=lambda: self.send(37.0),
        )
        assert report["infrared clock ahead, estimated (s)"] == "unknown"
        assert int(report["malformed"]) == 0
