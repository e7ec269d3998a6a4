"""Cameras that stop, come back, or whose clocks do not agree."""

import time

import numpy as np
import pytest
from rig import FRAME, TIMEOUT, NodeTest, description, node_process, pixels_of, stamp_ns


@pytest.mark.launch_test
def generate_test_description():
    return description(node_process("autostart:=true", "fallback.timeout:=0.25"))


def shows_infrared(image) -> bool:
    return np.ptp(pixels_of(image).astype(int)) > 10


class TestDropout(NodeTest):
    def setUp(self) -> None:
        self.rig.set("fallback.policy", "visible")
        self.rig.set("fallback.max_infrared_age", 2.0)
        self.rig.set("sync.infrared_offset", 0.0)
        self.recover()

    def recover(self):
        """Pairs again: the first visible frames still go out alone, three after a clock jump."""
        for _ in range(4):
            image = self.rig.fuse()
            if shows_infrared(image):
                return image
        raise AssertionError("infrared is there again but not fused")

    def stream_visible(self, condition, what: str, seconds: float = TIMEOUT) -> None:
        """Visible frames at 30 Hz, and no infrared, until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}; {self.rig.report()}"
            self.rig.send_visible()
            time.sleep(1 / 30)

    def last_image(self):
        return self.rig.images[-1]

    def test_without_infrared_the_visible_image_goes_out_alone(self):
        before = len(self.rig.images)
        self.stream_visible(lambda: len(self.rig.images) > before + 3, "nothing came")
        image = self.last_image()
        assert np.array_equal(pixels_of(image), np.full_like(pixels_of(image), 90))
        self.stream_visible(
            lambda: (
                self.rig.report().get("level") == "1"
                and "no infrared images" in self.rig.report()["message"]
                and "visible only" in self.rig.report()["message"]
            ),
            "diagnostics do not warn",
        )

    def test_before_the_timeout_nothing_goes_out_alone(self):
        stamp = self.rig.send_visible()
        self.rig.nothing_fused(stamp, 0.3)

    def test_infrared_that_returns_is_fused_again(self):
        before = len(self.rig.images)
        self.stream_visible(lambda: len(self.rig.images) > before, "nothing came")
        assert not shows_infrared(self.last_image())
        self.recover()
        self.rig.wait(
            lambda: (
                self.recover() and "infrared" not in self.rig.report().get("message", "infrared")
            ),
            "diagnostics still complain",
        )

    def test_the_last_infrared_is_reused_until_it_is_too_old(self):
        self.rig.set("fallback.policy", "last_infrared")
        self.rig.set("fallback.max_infrared_age", 1.0)
        last = stamp_ns(self.recover())
        before = len(self.rig.images)
        self.stream_visible(lambda: len(self.rig.images) > before, "nothing came")
        assert shows_infrared(self.last_image())
        self.stream_visible(lambda: self.rig.stamp > last + 1_500_000_000, "time stands still")
        self.stream_visible(lambda: not shows_infrared(self.last_image()), "reused for too long")

    def test_nothing_is_published_if_so_configured(self):
        self.rig.set("fallback.policy", "nothing")
        end = time.monotonic() + 0.6
        before = len(self.rig.images)
        self.stream_visible(lambda: time.monotonic() > end, "time stands still")
        assert len(self.rig.images) == before
        self.stream_visible(
            lambda: (
                self.rig.report().get("level") == "2"
                and "nothing is published" in self.rig.report()["message"]
            ),
            "diagnostics are not in error",
        )

    def test_a_visible_camera_that_stops_is_an_error_until_it_returns(self):
        before = len(self.rig.images)
        self.rig.wait_for_report(
            lambda r: r["level"] == "2" and "no visible images" in r["message"],
            "diagnostics are not in error",
            meanwhile=self.rig.send_infrared,
        )
        assert len(self.rig.images) == before
        self.recover()

    def test_a_pair_that_comes_late_does_not_turn_time_back(self):
        before, late = len(self.rig.images), self.rig.count("late")
        self.stream_visible(lambda: len(self.rig.images) > before, "nothing came")
        stamp = stamp_ns(self.last_image())
        self.rig.send_infrared(stamp=stamp)
        self.rig.wait_for_report(lambda r: int(r["late"]) > late, "not counted")
        stamps = [stamp_ns(image) for image in self.rig.images]
        assert stamps == sorted(set(stamps))

    def test_clocks_that_disagree_are_reported_and_corrected_when_told(self):
        ahead = 3_000_000_000

        def send():
            stamp = self.rig.send_visible()
            self.rig.send_infrared(stamp=stamp + ahead)
            time.sleep(1 / 30)
            return stamp

        def told():
            send()
            report = self.rig.report()
            ahead_by = float(report.get("infrared stamps ahead (s)", 0))
            return (
                "do not pair" in report.get("message", "") and abs(ahead_by - 3.0) <= FRAME * 1e-9
            )

        self.rig.wait(told, "diagnostics do not say that nothing pairs, and by how much")
        self.rig.set("sync.infrared_offset", 3.0)

        def fused():
            stamp = send()
            time.sleep(0.1)
            return any(
                stamp_ns(image) == stamp and shows_infrared(image) for image in self.rig.images
            )

        self.rig.wait(fused, "still nothing pairs")
