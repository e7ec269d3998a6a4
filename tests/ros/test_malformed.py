"""Messages that lie: the node survives, counts, and fuses the next good pair."""

from array import array

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from rig import (
    NodeTest,
    description,
    gray_visible,
    half_warm,
    header,
    image_message,
    node_process,
    stamp_ns,
)
from sensor_msgs.msg import CompressedImage, Image


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process("autostart:=true", "fallback.policy:=nothing"),
        node_process(
            "autostart:=true",
            "fallback.policy:=nothing",
            "visible.transport:=compressed",
            "infrared.transport:=compressed",
            remap=("__ns:=/squeezed",),
        ),
    )


def changed(message: Image, **fields) -> Image:
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def visible(**fields) -> Image:
    return changed(image_message(gray_visible(), "rgb8"), **fields)


def infrared(**fields) -> Image:
    return changed(image_message(half_warm(), "mono8"), **fields)


LIES = {
    "data shorter than its rows": {"data": array("B", bytes(100))},
    "no data": {"data": array("B")},
    "zero width": {"width": 0},
    "zero height": {"height": 0},
    "zero everything": {"width": 0, "height": 0, "step": 0, "data": array("B")},
    "unknown encoding": {"encoding": "thermal_magic"},
    "empty encoding": {"encoding": ""},
    "step shorter than a row": {"step": 3},
    "absurd height": {"height": 2**32 - 1},
    "absurd size": {"height": 2**32 - 1, "width": 2**32 - 1, "step": 2**32 - 1},
    "absurd size without data": {"height": 2**31, "width": 2**31, "data": array("B")},
}


class TestMalformed(NodeTest):
    def count_after(self, lies, make_pair) -> None:
        """All lies at once, so that one report shows them."""
        self.rig.fuse()
        before = self.rig.report()
        for name, fields in lies.items():
            with self.subTest(name):
                stamp = self.rig.send_pair(*make_pair(fields))
                assert stamp_ns(self.rig.fuse()) > stamp
                assert all(stamp_ns(image) != stamp for image in self.rig.images)

        def counted(report) -> bool:
            # On a machine under load the next pair may displace one before it is looked at.
            grown = [int(report[n]) - int(before.get(n, 0)) for n in ("malformed", "dropped")]
            return grown[0] > 0 and sum(grown) >= len(lies)

        assert self.rig.wait_for_report(counted, "not all were counted")["last error"]

    def test_malformed_visible_images_are_skipped_and_counted(self):
        self.count_after(LIES, lambda fields: (visible(**fields), infrared()))

    def test_malformed_infrared_images_are_skipped_and_counted(self):
        lies = LIES | {"step shorter than a row": {"step": 1}}
        self.count_after(lies, lambda fields: (visible(), infrared(**fields)))

    def test_images_too_small_to_fuse_are_skipped(self):
        self.rig.fuse()
        before = self.rig.count("failed")
        tiny = image_message(gray_visible(width=4, height=4), "rgb8")
        self.rig.wait_for_report(
            lambda r: int(r["failed"]) > before,
            "not counted",
            meanwhile=lambda: self.rig.send_pair(tiny, infrared()),
        )
        self.rig.fuse()

    def test_text_that_is_not_utf8_does_not_end_the_node(self):
        self.rig.fuse()
        before = self.rig.count("malformed")

        def send():
            stamp = self.rig.next_stamp()
            content = serialize_message(changed(visible(encoding="abcdefgh"), header=header(stamp)))
            garbled = content.replace(b"abcdefgh", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe")
            self.rig.visible.publish(garbled)
            self.rig.send_infrared(infrared(), stamp)

        self.rig.wait_for_report(lambda r: int(r["malformed"]) > before, "not counted", send)
        self.rig.fuse()

    def test_messages_that_end_too_early_are_skipped_and_counted(self):
        self.rig.fuse()
        self.rig.settle()
        before = int(self.rig.report()["malformed"])
        good = serialize_message(infrared(header=header(self.rig.next_stamp())))
        for end in (8, 20, 40, len(good) - 100):
            self.rig.infrared.publish(good[:end])
        self.rig.wait_for_report(
            lambda report: int(report["malformed"]) == before + 4,
            "not all were counted",
            meanwhile=self.rig.send_pair,
        )
        assert "infrared camera: an image message of" in self.rig.report()["last error"]
        self.rig.fuse()

    def test_a_stamp_before_the_epoch_is_refused(self):
        self.rig.fuse()
        before = self.rig.count("malformed")
        message = visible()
        message.header.stamp.sec = -5
        self.rig.wait_for_report(
            lambda r: int(r["malformed"]) > before,
            "not counted",
            meanwhile=lambda: self.rig.visible.publish(message),
        )
        self.rig.fuse()

    def test_diagnostics_warn_while_bad_messages_come(self):
        self.rig.fuse()

        def warned():
            self.rig.send_pair(visible(encoding="thermal_magic"))
            self.rig.fuse()
            report = self.rig.report()
            return report.get("level") == "1" and "thermal_magic" in report["message"]

        self.rig.wait(warned, "no warning")


class TestCompressed(NodeTest):
    namespace = "/squeezed"

    def setUp(self) -> None:
        self.visible = self.rig.node.create_publisher(
            CompressedImage, "visible/image_raw/compressed", 10
        )
        self.infrared = self.rig.node.create_publisher(
            CompressedImage, "infrared/image_raw/compressed", 10
        )

    def send(self, visible_data: bytes, infrared_data: bytes) -> int:
        stamp = self.rig.next_stamp()
        for publisher, data in ((self.visible, visible_data), (self.infrared, infrared_data)):
            message = CompressedImage(header=header(stamp), format="jpeg", data=array("B", data))
            publisher.publish(message)
        return stamp

    def fuse(self, visible_data: bytes, infrared_data: bytes) -> Image:
        def fused():
            stamp = self.send(visible_data, infrared_data)
            try:
                return self.rig.fused(stamp, 1.0)
            except AssertionError:
                return None

        return self.rig.wait(fused, "nothing fused")

    def test_jpeg_and_16_bit_png_are_fused_and_damaged_ones_skipped(self):
        import cv2

        jpeg = cv2.imencode(".jpg", gray_visible())[1].tobytes()
        png = cv2.imencode(".png", half_warm(np.uint16))[1].tobytes()
        image = self.fuse(jpeg, png)
        pixels = np.frombuffer(image.data, np.uint8).reshape(48, 64, 3).astype(int)
        assert pixels[:, 40:].mean() > pixels[:, :24].mean() + 5
        for damaged in (b"", b"not an image", jpeg[: len(jpeg) // 2]):
            with self.subTest(damaged[:12]):
                before, stamps = self.rig.count("malformed"), []
                self.rig.wait_for_report(
                    lambda r, before=before: int(r["malformed"]) > before,
                    "not counted",
                    lambda data=damaged, sent=stamps: sent.append(self.send(data, png)),
                )
                self.fuse(jpeg, png)
                assert not {stamp_ns(image) for image in self.rig.images} & set(stamps)
