"""Pairs come in, fused images go out: every encoding, transport and kind of stamp."""

import cv2
import numpy as np
import pytest
from rig import (
    HEIGHT,
    WIDTH,
    NodeTest,
    description,
    gray_visible,
    half_warm,
    image_message,
    node_process,
    pixels_of,
    stamp_ns,
)
from sensor_msgs.msg import CameraInfo


@pytest.mark.launch_test
def generate_test_description():
    return description(node_process("autostart:=true", "fallback.policy:=nothing"))


def warm_side_is_brighter(image) -> bool:
    luma = pixels_of(image).mean(axis=2)
    return luma[:, WIDTH // 2 + 4 :].mean() > luma[:, : WIDTH // 2 - 4].mean() + 5


class TestPairs(NodeTest):
    def test_a_pair_becomes_one_image_with_stamp_and_frame_of_the_visible_one(self):
        image = self.rig.fuse()
        assert (image.width, image.height, image.encoding) == (WIDTH, HEIGHT, "rgb8")
        assert image.step == 3 * WIDTH
        assert image.header.frame_id == "camera_optical_frame"
        assert warm_side_is_brighter(image)

    def test_stamps_within_half_a_frame_period_pair_and_beyond_it_do_not(self):
        self.rig.fuse()
        stamp = self.rig.send_visible()
        self.rig.send_infrared(stamp=stamp + 16_000_000)
        assert stamp_ns(self.rig.fused(stamp)) == stamp
        stamp = self.rig.send_visible()
        self.rig.send_infrared(stamp=stamp + 19_500_000)
        self.rig.nothing_fused(stamp)

    def test_every_pair_of_a_stream_comes_out_in_order(self):
        self.rig.fuse()
        self.rig.images.clear()
        stamps = []
        for _ in range(20):
            stamps.append(self.rig.send_pair())
            self.rig.fused(stamps[-1])
        assert [stamp_ns(image) for image in self.rig.images] == stamps

    def test_camera_info_follows_the_fused_image(self):
        self.rig.fuse()
        k = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
        info = CameraInfo(width=WIDTH, height=HEIGHT, k=k)
        self.rig.info.publish(info)
        self.rig.infos.clear()
        # The first images may overtake the new camera_info.
        found = self.rig.wait(
            lambda: self.rig.fuse() and [each for each in self.rig.infos if each.k[0] == 50.0],
            "no camera_info",
        )[-1]
        assert stamp_ns(found) in {stamp_ns(image) for image in self.rig.images}
        assert found.header.frame_id == "camera_optical_frame"

    def test_camera_info_flows_while_nobody_wants_the_image(self):
        self.rig.fuse()
        self.rig.info.publish(CameraInfo(width=WIDTH, height=HEIGHT))
        self.rig.stop_listening()
        try:
            self.rig.infos.clear()
            # Again and again: the first pairs may overtake the camera_info.
            stamps: set[int] = set()
            self.rig.wait(
                lambda: (
                    stamps.add(self.rig.send_pair())
                    or stamps.intersection(map(stamp_ns, self.rig.infos))
                ),
                "no camera_info",
            )
        finally:
            self.rig.listen()

    def test_the_compressed_image_shows_the_same(self):
        self.rig.listen_compressed()
        self.rig.wait(lambda: self.rig.fuse() and self.rig.compressed, "no compressed image")
        image = self.rig.fuse()
        found = self.rig.wait(
            lambda: [c for c in self.rig.compressed if stamp_ns(c) == stamp_ns(image)],
            "no compressed image for the pair",
        )[0]
        bgr = cv2.imdecode(np.frombuffer(found.data, np.uint8), cv2.IMREAD_COLOR)
        difference = bgr[..., ::-1].astype(int) - pixels_of(image)
        assert "jpeg" in found.format
        assert np.abs(difference).mean() < 4


class TestEncodings(NodeTest):
    def expect_gray(self, message, tolerance: int = 4) -> None:
        """The message shows the same gray as rgb8 does, so the same image must come out."""
        expected = pixels_of(self.rig.fuse()).astype(int)
        found = pixels_of(self.rig.fuse(visible=message)).astype(int)
        assert np.abs(found - expected).max() <= tolerance

    def test_visible_rgba8_bgra8_bgr8_and_mono8(self):
        gray = gray_visible()
        alpha = np.dstack([gray, np.full((HEIGHT, WIDTH), 255, np.uint8)])
        for pixels, encoding in (
            (gray, "bgr8"),
            (alpha, "rgba8"),
            (alpha, "bgra8"),
            (gray[..., 0], "mono8"),
        ):
            with self.subTest(encoding):
                self.expect_gray(image_message(pixels, encoding))

    def test_visible_mono16_in_both_byte_orders(self):
        pixels = np.full((HEIGHT, WIDTH), 90 << 8, np.uint16)
        self.expect_gray(image_message(pixels, "mono16"))
        self.expect_gray(image_message(pixels.byteswap(), "mono16", is_bigendian=1))

    def test_visible_bayer_and_yuv422(self):
        mosaic = np.full((HEIGHT, WIDTH), 90, np.uint8)
        for pattern in ("rggb", "bggr", "gbrg", "grbg"):
            with self.subTest(pattern):
                self.expect_gray(image_message(mosaic, f"bayer_{pattern}8"))
        # Limited range: Y of gray 90 is 16 + 90 * 219 / 255.
        uyvy = np.empty((HEIGHT, WIDTH, 2), np.uint8)
        uyvy[..., 0], uyvy[..., 1] = 128, 93
        self.expect_gray(image_message(uyvy, "yuv422"))
        self.expect_gray(image_message(uyvy[..., ::-1], "yuv422_yuy2"))

    def test_red_stays_red_in_rgb8_and_bgr8(self):
        red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        red[..., 0] = 200
        for pixels, encoding in ((red, "rgb8"), (red[..., ::-1], "bgr8")):
            with self.subTest(encoding):
                image = pixels_of(self.rig.fuse(image_message(pixels, encoding)))
                assert image[..., 0].mean() > image[..., 2].mean() + 50

    def test_padded_rows_are_skipped(self):
        padded = np.full((HEIGHT, WIDTH * 3 + 20), 255, np.uint8)
        padded[:, : WIDTH * 3] = 90
        message = image_message(padded, "rgb8", step=WIDTH * 3 + 20)
        message.width = WIDTH
        self.expect_gray(message)

    def test_infrared_mono16_and_16uc1_in_both_byte_orders(self):
        counts = half_warm(np.uint16)
        for encoding in ("mono16", "16UC1"):
            with self.subTest(encoding):
                native = self.rig.fuse(infrared=image_message(counts, encoding))
                message = image_message(counts.byteswap(), encoding, is_bigendian=1)
                swapped = self.rig.fuse(infrared=message)
                assert warm_side_is_brighter(native)
                assert np.array_equal(pixels_of(native), pixels_of(swapped))

    def test_infrared_of_another_size_is_scaled(self):
        message = image_message(half_warm(width=40, height=30), "mono8")
        assert warm_side_is_brighter(self.rig.fuse(infrared=message))


class TestChangesWhileRunning(NodeTest):
    def test_a_camera_that_changes_resolution_goes_on(self):
        self.rig.fuse()
        larger = image_message(gray_visible(width=128, height=96), "rgb8")
        image = self.rig.fuse(visible=larger)
        assert (image.width, image.height) == (128, 96)
        assert (self.rig.fuse().width, self.rig.fuse().height) == (WIDTH, HEIGHT)

    def test_infrared_that_changes_depth_is_normalized_again(self):
        self.rig.fuse(infrared=image_message(half_warm(np.uint16), "mono16"))
        assert warm_side_is_brighter(self.rig.fuse(infrared=image_message(half_warm(), "mono8")))
        before = self.rig.count("format_changes")
        message = image_message(half_warm(np.uint16) // 4, "mono16")
        assert warm_side_is_brighter(self.rig.fuse(infrared=message))
        self.rig.wait_for_report(lambda r: int(r["format_changes"]) > before, "not counted")


class TestStamps(NodeTest):
    def test_a_clock_that_jumps_back_does_not_stop_the_output(self):
        self.rig.fuse()
        jumps = self.rig.count("clock_jumps")
        self.rig.stamp -= 3600 * 1_000_000_000
        image = self.rig.fuse()
        assert stamp_ns(image) < self.rig.stamp + 1
        # And at the second round of a looping bag, too.
        self.rig.stamp -= 2 * 1_000_000_000
        self.rig.fuse()
        self.rig.wait_for_report(lambda r: int(r["clock_jumps"]) >= jumps + 2, "not counted")

    def test_stamps_of_zero_are_replaced_by_the_time_of_arrival(self):
        self.rig.fuse()
        count = len(self.rig.images)
        zero = self.rig.count("zero_stamps")

        def fused_without_stamp():
            self.rig.send_pair(stamp=0)
            return len(self.rig.images) > count

        self.rig.wait(fused_without_stamp, "zero stamps were not fused")
        assert stamp_ns(self.rig.images[-1]) > 0
        report = self.rig.wait_for_report(lambda r: int(r["zero_stamps"]) > zero, "not counted")
        assert report["level"] in ("1", "2")
        self.rig.stamp = stamp_ns(self.rig.images[-1]) + 100_000_000
