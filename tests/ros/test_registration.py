"""Cameras that do not show the same view: registration from TF, from a file, and on the spot."""

import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rig import (
    HEIGHT,
    TIMEOUT,
    WIDTH,
    NodeTest,
    description,
    gray_visible,
    half_warm,
    header,
    image_message,
    node_process,
    pixels_of,
)
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import Trigger
from tf2_ros import StaticTransformBroadcaster

from lut_fuse_core.infrared.normalizer import InfraredNormalizer
from lut_fuse_core.registration.file import load_registration, save_registration
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.synthetic import SceneConfig, StreetScene

WIDE = Path(tempfile.mkdtemp()) / "wide.yaml"
save_registration(
    WIDE, Homography(((1.0, 0.0, 16.0), (0.0, 1.0, 3.0), (0.0, 0.0, 1.0)), (64, 48), (96, 54))
)
RESULT = Path(tempfile.mkdtemp()) / "found.yaml"


@pytest.mark.launch_test
def generate_test_description():
    return description(
        node_process(
            "autostart:=true",
            "registration.source:=tf",
            "registration.feather:=0.0",
            remap=("__ns:=/by_tf",),
        ),
        node_process(
            "autostart:=true",
            "calibration.pairs:=1",
            f"calibration.file:={RESULT}",
            remap=("__ns:=/by_service",),
        ),
        node_process(
            "autostart:=true",
            "registration.source:=file",
            f"registration.file:={WIDE}",
            "registration.feather:=0.0",
            remap=("__ns:=/by_file",),
        ),
        node_process("autostart:=true", remap=("__ns:=/watched",)),
        node_process("autostart:=true", "registration.depth:=auto", remap=("__ns:=/by_depth",)),
    )


def camera_info(frame: str, focal: float) -> CameraInfo:
    cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    k = [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0]
    return CameraInfo(
        header=header(1, frame),
        width=WIDTH,
        height=HEIGHT,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k,
    )


class TestTf(NodeTest):
    namespace = "/by_tf"

    def test_infrared_is_used_once_cameras_and_transform_are_known(self):
        alone = pixels_of(self.rig.fuse())
        assert np.ptp(alone) == 0, "infrared was laid over the visible image unregistered"
        self.rig.wait_for_report(
            lambda r: r["level"] == "1" and "camera_info" in r["message"],
            "diagnostics do not warn",
            meanwhile=self.rig.send_pair,
        )

        broadcaster = StaticTransformBroadcaster(self.rig.node)
        transform = TransformStamped(header=header(1, "infrared_frame"))
        transform.child_frame_id = "visible_frame"
        transform.transform.rotation.w = 1.0
        infrared_info = self.rig.node.create_publisher(CameraInfo, "infrared/camera_info", 10)

        def described():
            self.rig.info.publish(camera_info("visible_frame", 60.0))
            # Twice the focal length: infrared sees the middle of the visible image only.
            infrared_info.publish(camera_info("infrared_frame", 120.0))
            self.rig.fuse()

        self.rig.wait_for_report(
            lambda r: "no transform" in r["message"], "camera_info is ignored", meanwhile=described
        )
        # The fused image's camera_info carries the frame of the images, which is another one here;
        # the transform is still looked up between the frames that the cameras' own name.
        self.rig.fuse()
        assert self.rig.infos[-1].header.frame_id == "camera_optical_frame"

        def registered():
            broadcaster.sendTransform(transform)
            image = pixels_of(self.rig.fuse()).astype(int)
            return [image] if np.ptp(image) else []

        image = self.rig.wait(registered, "infrared is never used")[0]
        luma = image.mean(axis=2)
        assert (luma[:10] == 90).all(), "infrared shows where its camera does not see"
        middle = luma[HEIGHT // 2]
        assert middle[WIDTH // 2 + 6] > middle[WIDTH // 2 - 6] + 5

    def test_the_region_of_interest_is_no_smaller_sensor(self):
        """After the other test has made the transform known."""
        info = camera_info("visible_frame", 60.0)
        info.width, info.height = 2 * WIDTH, 2 * HEIGHT
        info.k[2], info.k[5] = WIDTH - 0.5, HEIGHT - 0.5
        roi = info.roi
        roi.x_offset, roi.y_offset, roi.width, roi.height = WIDTH, HEIGHT // 2, WIDTH, HEIGHT
        infrared = self.rig.node.create_publisher(CameraInfo, "infrared/camera_info", 10)

        def the_middle_of_the_sensor_on_the_left():
            self.rig.info.publish(info)
            infrared.publish(camera_info("infrared_frame", 60.0))
            luma = pixels_of(self.rig.fuse()).astype(int).mean(axis=2)
            return luma[24, 15] > 100 and (luma[:, 40:] == 90).all()

        self.rig.wait(the_middle_of_the_sensor_on_the_left, "the region of interest is ignored")


class TestDepth(NodeTest):
    namespace = "/by_depth"

    def test_a_blank_visible_image_is_named_and_fused_all_the_same(self):
        self.rig.wait_for_report(
            lambda r: r["level"] == "1" and "the visible image is blank" in r["message"],
            "diagnostics do not say why depth is not followed",
            meanwhile=self.rig.send_pair,
        )
        luma = pixels_of(self.rig.fuse()).astype(int).mean(axis=2)
        assert np.ptp(luma) > 0, "infrared is left out"
        # As `ros2 param set ... registration.depth off` sends it.
        assert self.rig.set("registration.depth", False).successful
        self.rig.wait_for_report(
            lambda r: "displacement by depth, median (pixels)" not in r,
            "depth is not switched off",
            meanwhile=self.rig.send_pair,
        )


class TestFile(NodeTest):
    namespace = "/by_file"

    def test_a_registration_of_cameras_of_other_shapes_is_used(self):
        visible = image_message(np.full((54, 96, 3), 90, np.uint8), "rgb8")
        image = pixels_of(self.rig.fuse(visible, image_message(half_warm(), "mono8")))
        luma = image.astype(int).mean(axis=2)
        assert (luma[:, :14] == 90).all(), "infrared shows where its camera does not see"
        assert luma[27, 70] > luma[27, 26] + 5

    def test_infrared_of_another_shape_leaves_the_visible_image(self):
        visible = image_message(np.full((54, 96, 3), 90, np.uint8), "rgb8")
        square = image_message(np.full((64, 64), 200, np.uint8), "mono8")
        assert np.ptp(pixels_of(self.rig.fuse(visible, square))) == 0
        report = self.rig.wait_for_report(
            lambda r: r["level"] == "1" and "another shape" in r["message"],
            "diagnostics do not warn",
            meanwhile=lambda: self.rig.send_pair(visible, square),
        )
        assert "bad messages" in report["message"]


class TestWatch(NodeTest):
    namespace = "/watched"

    def test_an_infrared_camera_without_a_picture_is_named_and_images_go_on(self):
        level, picture = 60, gray_visible()
        picture[:, WIDTH // 2 :] = 200

        def send_the_next_second():
            nonlocal level
            level = 60 + (level + 1) % 100  # the same again would be a camera that hangs
            self.rig.stamp += 1_000_000_000
            flat = np.full((HEIGHT, WIDTH), level, np.uint8)
            self.rig.send_pair(
                image_message(picture, "rgb8"), image_message(flat, "mono8"), self.rig.stamp
            )

        self.rig.fuse()
        self.rig.wait_for_report(
            lambda r: r["level"] == "1" and "the infrared image is blank" in r["message"],
            "diagnostics do not warn",
            meanwhile=send_the_next_second,
        )
        assert pixels_of(self.rig.fuse()).shape == (HEIGHT, WIDTH, 3)
        assert self.rig.report()["registration corrections"] == "0"

    def test_following_can_be_switched_on_while_it_runs(self):
        self.rig.fuse()
        assert self.rig.set("registration.follow", True).successful
        assert self.rig.get("registration.follow").bool_value is True
        self.rig.fuse()


class TestService(NodeTest):
    namespace = "/by_service"

    def test_a_scene_without_structure_is_refused_and_changes_nothing(self):
        flat = image_message(np.full((96, 128), 100, np.uint8), "mono8")
        visible = image_message(np.full((96, 128, 3), 90, np.uint8), "rgb8")
        answer = self.calibrate(visible, flat)
        assert not answer.success
        assert "nothing changed" in answer.message
        assert not RESULT.exists()

    def test_a_shifted_infrared_camera_is_registered_and_the_result_written(self):
        width, height = 320, 240
        frame = StreetScene(SceneConfig(width=width, height=height)).frame(0)
        shift = np.float64([[1, 0, 8], [0, 1, 0]])
        gray = InfraredNormalizer()(frame.infrared)
        shifted = cv2.warpAffine(gray, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
        answer = self.calibrate(
            image_message(frame.visible, "rgb8"), image_message(shifted, "mono8")
        )
        assert answer.success, answer.message
        matrix = load_registration(RESULT).between((width, height), (width, height))
        found = matrix @ [width / 2, height / 2, 1]
        assert np.allclose(found[:2] / found[2], [width / 2 - 8, height / 2], atol=3)
        pair = image_message(frame.visible, "rgb8"), image_message(shifted, "mono8")
        fused = pixels_of(self.rig.fuse(*pair)).astype(int)
        for step in ("deactivate", "cleanup", "configure", "activate"):
            assert self.rig.transition(step)
        again = pixels_of(self.rig.fuse(*pair))
        # Without the calibration it is 18.
        assert np.abs(again - fused).mean() < 5, "the calibration is lost"

    def test_only_an_active_node_calibrates(self):
        self.rig.fuse(infrared=image_message(half_warm(), "mono8"))
        assert self.rig.transition("deactivate")
        answer = self.rig.call(Trigger, f"{self.rig.target}/calibrate", Trigger.Request())
        assert not answer.success
        assert "activate" in answer.message
        assert self.rig.transition("activate")

    def test_a_second_caller_is_answered_at_once(self):
        flat = image_message(np.full((96, 128), 100, np.uint8), "mono8")
        visible = image_message(np.full((96, 128, 3), 90, np.uint8), "rgb8")
        self.rig.fuse(visible, flat)
        client = self.rig.node.create_client(Trigger, f"{self.rig.target}/calibrate")
        client.wait_for_service()
        first = client.call_async(Trigger.Request())
        time.sleep(0.5)
        second = client.call_async(Trigger.Request())
        self.rig.wait(second.done, "the second caller waits for the first")
        assert not first.done()
        assert "under way already" in second.result().message
        self.rig.wait(
            lambda: first.done() or (self.rig.send_pair(visible, flat) and time.sleep(0.1)),
            "the first caller is forgotten",
        )

    def calibrate(self, visible, infrared):
        """Call the service while a stream flows."""
        self.rig.fuse(visible, infrared)
        stop = threading.Event()

        def stream():
            while not stop.is_set():
                self.rig.send_pair(visible, infrared)
                time.sleep(0.1)

        thread = threading.Thread(target=stream)
        thread.start()
        try:
            name = f"{self.rig.target}/calibrate"
            return self.rig.call(Trigger, name, Trigger.Request(), timeout=5 * TIMEOUT)
        finally:
            stop.set()
            thread.join()
