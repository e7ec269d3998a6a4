"""Memory is bounded, whatever is asked of a node and whatever its images claim."""

import struct
import time
import zlib
from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rig import NodeTest, description, gray_visible, half_warm, header, node_process
from sensor_msgs.msg import CompressedImage

MEGABYTE = 1 << 20


@pytest.mark.launch_test
def generate_test_description():
    asked = node_process("autostart:=true", "threads:=1")
    claimed = node_process(
        "autostart:=true",
        "threads:=1",
        "visible.transport:=compressed",
        "infrared.transport:=compressed",
        remap=("__ns:=/squeezed",),
    )
    return description(asked, claimed, asked=asked, claimed=claimed)


def memory(process) -> int:
    """Bytes that a process holds, and that it held at most."""
    status = Path(f"/proc/{process.process_details['pid']}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def peak(process) -> int:
    status = Path(f"/proc/{process.process_details['pid']}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


class TestRequests(NodeTest):
    def test_any_number_of_changes_while_no_image_comes_holds_no_memory(self, asked):
        self.rig.fuse()
        self.ask(500)
        before = memory(asked)
        self.ask(10_000)
        assert memory(asked) - before < 10 * MEGABYTE
        start = time.monotonic()
        self.rig.fuse()
        assert time.monotonic() - start < 30

    def ask(self, count: int) -> None:
        name = "/fusion_node/set_parameters"
        for first in range(0, count, 500):
            changes = [
                Parameter("registration.distance", value=1.0 + (first + index) / 100)
                for index in range(500)
            ]
            messages = [change.to_parameter_msg() for change in changes]
            self.rig.call(SetParameters, name, SetParameters.Request(parameters=messages))


def large_png(side: int) -> bytes:
    """A PNG of a few hundred kilobytes that claims side x side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 3 * side)) for _ in range(side)) + packer.flush()
    size = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class TestCompressed(NodeTest):
    namespace = "/squeezed"

    def setUp(self) -> None:
        self.publishers = [
            self.rig.node.create_publisher(CompressedImage, f"{side}/image_raw/compressed", 10)
            for side in ("visible", "infrared")
        ]
        self.jpeg = cv2.imencode(".jpg", gray_visible(width=320, height=240))[1].tobytes()
        self.png = cv2.imencode(".png", half_warm(np.uint16))[1].tobytes()

    def tearDown(self) -> None:
        for publisher in self.publishers:
            self.rig.destroy(publisher)

    def send(self, visible: bytes, infrared: bytes, kinds=("rgb8; jpeg", "mono16; png")) -> int:
        stamp = self.rig.next_stamp()
        for publisher, kind, data in zip(self.publishers, kinds, (visible, infrared), strict=True):
            message = CompressedImage(header=header(stamp), format=kind, data=array("B", data))
            publisher.publish(message)
        time.sleep(1 / 30)
        return stamp

    def fuse(self) -> None:
        self.rig.wait(lambda: self.came(self.send(self.jpeg, self.png)), "nothing fused any more")

    def came(self, stamp: int) -> bool:
        try:
            return bool(self.rig.fused(stamp, 1.0))
        except AssertionError:
            return False

    def test_an_image_that_claims_far_more_than_the_stream_showed_is_refused(self, claimed):
        self.fuse()
        before, bomb = peak(claimed), large_png(6000)
        assert len(bomb) < 400_000
        report = self.rig.wait_for_report(
            lambda r: "megapixels so far" in r["last error"],
            "not refused",
            meanwhile=lambda: self.send(bomb, self.png),
        )
        assert "visible camera: an image says its size is 6000x6000" in report["last error"]
        assert peak(claimed) - before < 20 * MEGABYTE
        self.fuse()

    def test_a_damaged_jpeg_is_counted_and_its_lines_do_not_flood_the_log(
        self, claimed, proc_output
    ):
        self.fuse()
        noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
        damaged = bytearray(cv2.imencode(".jpg", noise)[1].tobytes())
        for at in range(2000, len(damaged) - 2000, 997):
            damaged[at : at + 3] = b"\x00\x11\x22"
        damaged[5000:5002] = b"\xff\xd9"
        self.rig.wait_for_report(
            lambda r: int(r["damaged"]) + int(r["malformed"]) > 20,
            "not counted",
            meanwhile=lambda: self.send(bytes(damaged), self.png),
        )
        self.fuse()
        text = "".join(part.text.decode() for part in proc_output[claimed])
        assert text.count("Corrupt JPEG") < 10

    def test_16_bit_infrared_through_jpeg_is_warned_of_and_png_named(self):
        gray = cv2.imencode(".jpg", half_warm())[1].tobytes()
        kinds = ("rgb8; jpeg", "mono16; jpeg compressed mono8")
        self.rig.wait_for_report(
            lambda r: "16" in r["message"] and "PNG" in r["message"] and r["level"] in "12",
            "not warned",
            meanwhile=lambda: self.send(self.jpeg, gray, kinds),
        )

    def test_an_encoding_of_any_length_is_cut_in_messages(self):
        self.fuse()
        report = self.rig.wait_for_report(
            lambda r: "holds neither" in r["last error"],
            "not counted",
            meanwhile=lambda: self.send(b"nothing", self.png, ("x" * 200_000, "mono16; png")),
        )
        assert len(report["last error"]) < 1000
        assert len(report["message"]) < 3000
