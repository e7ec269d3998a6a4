"""Latency, losses and memory of the node over real DDS: `ros2 run lut_fuse_ros benchmark`.

Three processes, as on a robot: synthetic cameras, the node, and this one, which receives. With
``--relay`` a node that does nothing takes turns with ours.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from tqdm import tqdm

from lut_fuse_core.errors import InputError
from lut_fuse_core.sync.stamps import NANOSECONDS, stamp_of
from lut_fuse_ros.middleware.large_images import room_for_images
from lut_fuse_ros.middleware.qos import profile
from lut_fuse_ros.tools.benchmark_report import Report, Turn, comparison, judge, text_of
from lut_fuse_ros.tools.relay import RELAYED
from lut_fuse_ros.tools.subprocesses import Process

START_TIMEOUT = 120.0
TAIL = 1.0
"""Seconds at the end in which a pair may still be under way; it is not judged."""

LEAST_SECONDS = 2.0
"""Of a turn, so that a second of it is judged."""

TURNS = 3
"""How often node and relay take turns, so that whatever else the machine does meets both."""


@dataclass(frozen=True)
class Subject:
    """What stands between the cameras and the receiver.

    Attributes:
        name: As in a `Report`.
        module: Its process.
        arguments: Of that.
        topic: What the receiver subscribes to.
    """

    name: str
    module: str
    arguments: list[str]
    topic: str


class Receiver(Node):  # type: ignore[misc]
    """Notes which stamps were sent and when their images came.

    Args:
        topic: Whose images are timed.
        reliable: Whether to subscribe reliably.
    """

    def __init__(self, topic: str, *, reliable: bool) -> None:
        super().__init__("benchmark")
        self.sent: list[int] = []
        self.latency: dict[int, int] = {}
        qos = profile("reliable" if reliable else "sensor_data", 5)
        self.create_subscription(CameraInfo, "visible/camera_info", self._sent, 100)
        self.create_subscription(Image, topic, self._received, qos)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        self.counters: dict[str, str] = {}

    def _sent(self, message: CameraInfo) -> None:
        self.sent.append(stamp_of(message))

    def _received(self, message: Image) -> None:
        self.latency[stamp_of(message)] = time.time_ns() - stamp_of(message)

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith("fusion_node: fusion"):
                self.counters = {entry.key: entry.value for entry in status.values}


def measure(options: argparse.Namespace) -> list[Report]:
    """Run cameras, subjects and receiver; with ``--relay`` the subjects in turns.

    Returns:
        A report on each subject.

    Raises:
        InputError: If nothing arrives.
    """
    qos = "reliable" if options.reliable else "sensor_data"
    cameras = ["-p", f"width:={options.width}", "-p", f"height:={options.height}"]
    cameras += ["-p", f"rate:={float(options.rate)}"]
    cameras += ["-p", f"reliable:={str(options.reliable).lower()}"]
    subjects = _subjects(options, qos)
    turns = _turns(options)
    seen: dict[str, list[Turn]] = {subject.name: [] for subject in subjects}
    with Process("tools.synthetic_cameras", cameras) as process:
        for _ in range(turns):
            for subject in subjects:
                seen[subject.name].append(_turn(subject, options, turns, process))
    return [judge(options, name, each) for name, each in seen.items()]


def _turns(options: argparse.Namespace) -> int:
    return TURNS if options.relay and not options.transport else 1


def _subjects(options: argparse.Namespace, qos: str) -> list[Subject]:
    # Only what shows both counts as received; a -p of the user comes later and wins.
    arguments = ["-p", "autostart:=true", "-p", "fallback.policy:=nothing"]
    arguments += [argument for name in options.parameter for argument in ("-p", name)]
    for side in ("visible", "infrared", "output"):
        arguments += ["-p", f"{side}.qos:={qos}"]
    if options.transport:
        return [Subject("transport", "main", arguments, "visible/image_raw")]
    node = Subject("node", "main", arguments, "fused/image")
    relay = Subject("relay", "tools.relay", ["-p", f"qos:={qos}"], RELAYED)
    return [node, relay] if options.relay else [node]


def _turn(subject: Subject, options: argparse.Namespace, turns: int, cameras: Process) -> Turn:
    receiver = Receiver(subject.topic, reliable=options.reliable)
    executor = SingleThreadedExecutor()
    executor.add_node(receiver)
    started = time.monotonic()
    with Process(subject.module, subject.arguments) as process:
        _wait_for_first(executor, receiver, (process, cameras))
        first_image = time.monotonic() - started
        _run(executor, options.warm_up, ())
        start, cpu = time.time(), process.cpu_seconds()
        memory = _run(executor, options.duration / turns, (process, cameras))
        seconds, cpu = time.time() - start, process.cpu_seconds() - cpu
    first, last = int(start * NANOSECONDS), int((start + seconds - TAIL) * NANOSECONDS)
    sent = [stamp for stamp in receiver.sent if first <= stamp < last]
    latencies = [1e-6 * receiver.latency[stamp] for stamp in sent if stamp in receiver.latency]
    executor.remove_node(receiver)
    receiver.destroy_node()
    return Turn(seconds, len(sent), latencies, cpu, memory, receiver.counters, first_image)


def _wait_for_first(
    executor: SingleThreadedExecutor, receiver: Receiver, processes: tuple[Process, ...]
) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not receiver.latency or not receiver.sent:
        executor.spin_once(timeout_sec=0.2)
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            raise InputError(f"no image arrived within {START_TIMEOUT:.0f} s; does DDS work here?")


def _run(
    executor: SingleThreadedExecutor, seconds: float, processes: tuple[Process, ...]
) -> list[tuple[float, float]]:
    """Spin for some seconds; returns the first process's memory (second, MB) once a second."""
    start = time.monotonic()
    memory: list[tuple[float, float]] = []
    bar = tqdm(total=round(seconds), unit="s", desc="measuring", disable=not processes or None)
    while (elapsed := time.monotonic() - start) < seconds:
        executor.spin_once(timeout_sec=0.1)
        if processes and elapsed >= len(memory):
            for process in processes:
                process.check()
            memory.append((elapsed, processes[0].memory()))
            bar.set_postfix_str(f"{memory[-1][1]:.1f} MB")
            bar.update()
    bar.close()
    return memory


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ros2 run lut_fuse_ros benchmark",
        description="Play synthetic cameras through the node and measure what arrives: pairs "
        "lost, latency from stamp to callback, memory, processor time.",
        epilog="example: ros2 run lut_fuse_ros benchmark --width 1280 --height 720 --rate 15",
    )
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--rate", type=float, default=30.0, help="pairs per second (30)")
    parser.add_argument("--duration", type=float, default=60.0, help="seconds to measure (60)")
    parser.add_argument("--warm-up", type=float, default=3.0, help="seconds not measured (3)")
    parser.add_argument(
        "--reliable", action="store_true", help="reliable instead of best effort, on every topic"
    )
    parser.add_argument(
        "--transport", action="store_true", help="receive the visible image itself, for comparison"
    )
    parser.add_argument(
        "--relay",
        action="store_true",
        help=f"also a node that publishes the visible image unchanged, in {TURNS} turns with ours: "
        "what rclpy and the middleware cost alone",
    )
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="parameter of the node, repeatable: -p backend:=cpu -p threads:=2",
    )
    parser.add_argument("--json", action="store_true", help="results as JSON on stdout")
    return parser


def _options(given: list[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(given)
    least = LEAST_SECONDS * _turns(options)
    if not least <= options.duration < math.inf:
        parser.error(f"--duration is {options.duration:g}; it must be {least:g} seconds or more")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line, the program's name first; None for `sys.argv`.

    Returns:
        The exit status: 0, 1 if nothing could be measured, 130 for an interrupt. Options that make
        no sense end the process with 2.
    """
    given: Any = rclpy.utilities.remove_ros_args(args=arguments or sys.argv)[1:]
    options = _options(given)
    os.environ.update(room_for_images())
    rclpy.init(args=["--ros-args", "--log-level", "warn"])
    try:
        reports = measure(options)
    except InputError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        print("benchmark: interrupted", file=sys.stderr)
        return 130
    finally:
        rclpy.try_shutdown()
    for report in reports:
        print(json.dumps(asdict(report)) if options.json else text_of(report))
    if len(reports) > 1 and not options.json:
        print(comparison(*reports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
