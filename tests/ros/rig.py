"""What the tests of the node share: two cameras, a consumer, and the hands of an operator."""

from __future__ import annotations

import sys
import threading
import time
import unittest
from array import array
from contextlib import suppress

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from launch import LaunchDescription
from launch.actions import ExecuteProcess, TimerAction
from launch_testing.actions import ReadyToTest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

TIMEOUT = 180.0
"""Seconds; generous, for machines under load: nothing waits this long when it works."""

FRAME = 33_333_333
WIDTH, HEIGHT = 64, 48
TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "cleanup": Transition.TRANSITION_CLEANUP,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
}
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


def node_process(*parameters: str, remap: tuple[str, ...] = ()) -> ExecuteProcess:
    """The node as a process; parameters and remappings as on the command line."""
    arguments = [word for parameter in parameters for word in ("-p", parameter)]
    arguments += [word for rule in remap for word in ("-r", rule)]
    return ExecuteProcess(
        cmd=[sys.executable, "-m", "lut_fuse_ros.main", "--ros-args", *arguments],
        name="fusion_node",
        output="screen",
    )


def description(*processes: ExecuteProcess, **context: object):
    """What launch_testing runs; the keyword arguments reach the tests."""
    launch = LaunchDescription([*processes, TimerAction(period=0.1, actions=[ReadyToTest()])])
    return launch, context


def gray_visible(value: int = 90, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def half_warm(dtype=np.uint8, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Infrared: the left half cold, the right half hot."""
    low, high = (20, 230) if dtype == np.uint8 else (3000, 9000)
    image = np.full((height, width), low, dtype)
    image[:, width // 2 :] = high
    return image


def image_message(pixels: np.ndarray, encoding: str, **fields: int) -> Image:
    data = array("B")
    data.frombytes(np.ascontiguousarray(pixels).tobytes())
    known = {"step": int(np.prod(pixels.shape[1:])) * pixels.itemsize, "is_bigendian": 0}
    return Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        data=data,
        **{**known, **fields},
    )


def pixels_of(message: Image) -> np.ndarray:
    shape = (message.height, message.width, 3)
    return np.frombuffer(message.data, np.uint8).reshape(shape)


class Rig:
    """Both cameras, the consumer and the operator of one node under test."""

    def __init__(self, namespace: str = "", node: str = "fusion_node") -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("rig", namespace=namespace, context=self.context)
        self.target = f"{namespace}/{node}"
        self.visible = self.node.create_publisher(Image, "visible/image_raw", 10)
        self.infrared = self.node.create_publisher(Image, "infrared/image_raw", 10)
        self.info = self.node.create_publisher(CameraInfo, "visible/camera_info", 10)
        self.images: list[Image] = []
        self.infos: list[CameraInfo] = []
        self.compressed: list[CompressedImage] = []
        self.reports: list[DiagnosticArray] = []
        self._consumer = None
        self.listen()
        self.node.create_subscription(
            CameraInfo, "fused/camera_info", self.infos.append, BEST_EFFORT
        )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.reports.append, 10)
        self._clients: dict[str, object] = {}
        self.stamp = time.time_ns()
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._closing.is_set():
            self._executor.spin_once()

    def close(self) -> None:
        # Shut down by another thread, the executor may fail on what it waits with.
        self._executor.create_task(self._closing.set)
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def destroy(self, entity: Publisher | Subscription) -> None:
        """Take a publisher or a subscription away, in the thread that waits for it.

        In any other thread it races the executor, which then ends with InvalidHandle and leaves
        a rig that is deaf for the rest of its tests.
        """
        is_publisher = isinstance(entity, Publisher)
        destroy = self.node.destroy_publisher if is_publisher else self.node.destroy_subscription
        self.wait(self._executor.create_task(destroy, entity).done, "not destroyed")

    # --- consumer ---------------------------------------------------------------------------

    def listen(self) -> None:
        self._consumer = self.node.create_subscription(
            Image, "fused/image", self.images.append, BEST_EFFORT
        )

    def stop_listening(self) -> None:
        """Until the node knows that nobody wants the fused image."""
        self.destroy(self._consumer)
        self.wait_for_report(
            lambda report: report["published rate (Hz)"] == "0.0",
            "the node still fuses",
            meanwhile=self.send_pair,
        )

    def listen_compressed(self) -> None:
        self.node.create_subscription(
            CompressedImage, "fused/image/compressed", self.compressed.append, BEST_EFFORT
        )

    def wait(self, condition, what: str, timeout: float = TIMEOUT):
        """What ``condition`` returns, once that is true."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            result = condition()
            if result:
                return result
            assert self._thread.is_alive(), f"{what}: the rig's own executor has ended"
            time.sleep(0.005)
        raise AssertionError(f"{what}: not within {timeout} s; {self.report()}")

    def fused(self, stamp: int, timeout: float = TIMEOUT) -> Image:
        """The fused image with this stamp."""
        return self.wait(
            lambda: next((image for image in list(self.images) if stamp_ns(image) == stamp), None),
            f"no fused image with stamp {stamp}",
            timeout,
        )

    def nothing_fused(self, stamp: int, seconds: float = 0.4) -> None:
        time.sleep(seconds)
        assert all(stamp_ns(image) != stamp for image in self.images)

    # --- cameras ----------------------------------------------------------------------------

    def next_stamp(self) -> int:
        self.stamp += FRAME
        return self.stamp

    def send_visible(self, image: Image | None = None, stamp: int | None = None) -> int:
        return self._send(self.visible, image or image_message(gray_visible(), "rgb8"), stamp)

    def send_infrared(self, image: Image | None = None, stamp: int | None = None) -> int:
        return self._send(self.infrared, image or image_message(half_warm(), "mono8"), stamp)

    def _send(self, publisher, image, stamp: int | None) -> int:
        stamp = self.next_stamp() if stamp is None else stamp
        image.header = header(stamp)
        publisher.publish(image)
        return stamp

    def send_pair(
        self, visible: Image | None = None, infrared: Image | None = None, stamp: int | None = None
    ) -> int:
        stamp = self.send_visible(visible, stamp)
        self.send_infrared(infrared, stamp)
        return stamp

    def fuse(self, visible: Image | None = None, infrared: Image | None = None) -> Image:
        """Send pairs until one comes back (the first may precede discovery); that one."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            stamp = self.send_pair(visible, infrared)
            try:
                return self.fused(stamp, 1.0)
            except AssertionError:
                continue
        raise AssertionError(f"nothing fused within {TIMEOUT} s; {self.report()}")

    def settle(self) -> None:
        """Until each camera has one subscription of the node, and that loses nothing.

        Before the node knows what a camera offers its subscription is one of best effort.
        """
        cameras = {"visible": self.visible, "infrared": self.infrared}
        self.wait_for_report(
            lambda report: all(
                report.get(f"{side} QoS", "").startswith("reliable")
                and publisher.get_subscription_count() == 1
                for side, publisher in cameras.items()
            ),
            "the node does not settle",
            meanwhile=self.send_pair,
        )

    # --- operator -----------------------------------------------------------------------------

    def call(self, kind, name: str, request, timeout: float = TIMEOUT):
        client = self._clients.setdefault(name, self.node.create_client(kind, name))
        assert client.wait_for_service(timeout), f"no service {name}"
        future = client.call_async(request)
        self.wait(future.done, f"no answer from {name}", timeout)
        return future.result()

    def ask(self, kind, name: str, request):
        """As `call`, for what may be asked twice: a question, or its answer, is lost where the
        middleware of one side has not discovered the other yet."""
        attempts = 9
        for _ in range(attempts - 1):
            with suppress(AssertionError):
                return self.call(kind, name, request, TIMEOUT / attempts)
        return self.call(kind, name, request, TIMEOUT / attempts)

    def transition(self, name: str) -> bool:
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[name]))
        return self.call(ChangeState, f"{self.target}/change_state", request).success

    def state(self) -> str:
        answer = self.ask(GetState, f"{self.target}/get_state", GetState.Request())
        return answer.current_state.label

    def set(self, name: str, value):
        """The result, with ``successful`` and ``reason``."""
        parameter = Parameter(name, value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[parameter])
        return self.ask(SetParameters, f"{self.target}/set_parameters", request).results[0]

    def get(self, name: str):
        request = GetParameters.Request(names=[name])
        answer = self.ask(GetParameters, f"{self.target}/get_parameters", request)
        return answer.values[0]

    def report(self) -> dict[str, str]:
        """The latest diagnostics of the node: its entries, ``level`` and ``message``."""
        for array_ in reversed(list(self.reports)):
            for status in array_.status:
                if status.name == f"{self.target}: fusion":
                    entries = {entry.key: entry.value for entry in status.values}
                    return {**entries, "level": str(status.level[0]), "message": status.message}
        return {}

    def count(self, name: str) -> int:
        """A counter of the next report, which knows of everything that came back before."""
        self.reports.clear()
        return int(self.wait_for_report(lambda _: True, "no diagnostics").get(name, 0))

    def wait_for_report(self, condition, what: str, meanwhile=None) -> dict[str, str]:
        """The first report that fulfils ``condition``; ``meanwhile`` is called again and again.

        Whatever a report says of a stream needs one that flows: the node reports once a second,
        and a visible camera that was silent for that long is an error of its own.
        """

        def fulfilled():
            # The updater's own first report, 'Node starting up', has no entries.
            if "state" in (report := self.report()) and condition(report):
                return report
            if meanwhile is not None:
                meanwhile()
                time.sleep(1 / 30)
            return None

        return self.wait(fulfilled, what)


class NodeTest(unittest.TestCase):
    """One rig for all tests of a class."""

    namespace = ""

    @classmethod
    def setUpClass(cls) -> None:
        cls.rig = Rig(cls.namespace)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.rig.close()


def stamp_ns(message) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def header(stamp: int, frame: str = "camera_optical_frame") -> Header:
    sec, nanosec = divmod(stamp, 1_000_000_000)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame)
