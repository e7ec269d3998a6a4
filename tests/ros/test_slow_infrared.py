"""A 9 Hz infrared camera beside a 30 Hz visible one, fused at the visible rate."""

import time

import numpy as np
import pytest
from rig import FRAME, NodeTest, description, gray_visible, image_message, node_process, pixels_of


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process(
            "autostart:=true",
            "sync.method:=latest",
            "sync.estimate_offset:=true",
        )
    )


def shows_infrared(image) -> bool:
    return np.ptp(pixels_of(image).astype(int)) > 10


class TestSlowInfrared(NodeTest):
    def test_every_visible_image_is_fused_with_the_newest_infrared_one(self):
        assert self.rig.set("fallback.timeout", 3600.0).successful  # however slow this machine is
        self.rig.fuse()
        for index in range(12):
            if index % 3 == 0:
                self.rig.send_infrared(stamp=self.rig.stamp + FRAME)
                time.sleep(0.05)
            image = self.rig.fused(self.rig.send_visible())
            assert shows_infrared(image), f"visible frame {index} went out without infrared"
        self.rig.wait_for_report(
            lambda r: int(r["reused"]) >= 8,
            "reused frames are not counted",
            meanwhile=self.rig.send_visible,
        )

    def test_infrared_that_stops_is_no_longer_shown_after_the_timeout(self):
        assert self.rig.set("fallback.timeout", 0.6).successful
        # The first visible image may be ahead of the first infrared one.
        assert any(shows_infrared(self.rig.fuse()) for _ in range(3))

        def visible_only():
            stamp = self.rig.send_visible()
            return not shows_infrared(self.rig.fused(stamp))

        self.rig.wait(visible_only, "old infrared is shown for ever")
        self.rig.wait_for_report(lambda r: int(r["visible_only"]) > 0, "not counted")

    def test_an_unknown_clock_offset_is_reported_as_unknown(self):
        self.rig.fuse(visible=image_message(gray_visible(), "rgb8"))
        entry = "infrared clock ahead, estimated (s)"
        assert self.rig.wait_for_report(lambda r: entry in r, "not reported")[entry] == "unknown"
