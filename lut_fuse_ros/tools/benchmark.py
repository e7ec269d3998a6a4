"""Latency, losses and memory of the node over real DDS: `ros2 run lut_fuse_ros benchmark`.

Three processes, as on a robot: synthetic cameras, the node, and this one, which receives.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from tqdm import tqdm

from lut_fuse_core.errors import InputError
from lut_fuse_core.parallel import usable_cores
from lut_fuse_core.sync.stamps import NANOSECONDS, stamp_of
from lut_fuse_ros.diagnostics.meters import summarize
from lut_fuse_ros.middleware.cyclonedds import room_for_images
from lut_fuse_ros.middleware.qos import profile

START_TIMEOUT = 120.0
TAIL = 1.0
"""Seconds at the end in which a pair may still be under way; it is not judged."""

PAGE = os.sysconf("SC_PAGE_SIZE")
MEMORY_SETTLED = 60.0
"""Seconds after which a process should not grow any more."""


@dataclass(frozen=True)
class Report:
    """What a run showed. Latencies in ms from stamp to callback, memory in MB, load per core.

    dropped, unpaired: what the node says it gave up since it was started; the rest of what was
    lost, the transport lost.
    """

    width: int
    height: int
    rate: float
    seconds: float
    pairs: int
    received: int
    lost: int
    dropped: int
    unpaired: int
    latency_p50: float
    latency_p99: float
    latency_max: float
    node_cpu_percent: float
    node_memory: float
    node_memory_settled: float | None
    node_memory_most: float | None
    load: float
    backend_arguments: list[str]


class Receiver(Node):  # type: ignore[misc]
    """Notes which stamps were sent and when their images came."""

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


class Process(AbstractContextManager["Process"]):
    """One of our nodes as a process of its own; interrupted and awaited at the end."""

    def __init__(self, module: str, arguments: list[str]) -> None:
        self._module = module
        command = [sys.executable, "-m", f"lut_fuse_ros.{module}", "--ros-args", *arguments]
        # A session of its own: Ctrl-C reaches this process, which then ends the others.
        self._process = subprocess.Popen(command, start_new_session=True)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def check(self) -> None:
        """Raise InputError if the process ended by itself."""
        if self._process.poll() is not None:
            raise InputError(f"{self._module} ended by itself; see its message above")

    def memory(self) -> float:
        """Resident megabytes."""
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * PAGE / 1e6

    def cpu_seconds(self) -> float:
        """Processor time used so far, all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(options: argparse.Namespace) -> Report:
    """Run the three processes and judge what arrived."""
    reliable = ["-p", f"reliable:={str(options.reliable).lower()}"]
    camera_arguments = ["-p", f"width:={options.width}", "-p", f"height:={options.height}"]
    camera_arguments += ["-p", f"rate:={float(options.rate)}", *reliable]
    qos = "reliable" if options.reliable else "sensor_data"
    # Only what shows both counts as received; a -p of the user comes later and wins.
    node_arguments = ["-p", "fallback.policy:=nothing"]
    node_arguments += [argument for name in options.parameter for argument in ("-p", name)]
    for side in ("visible", "infrared", "output"):
        node_arguments += ["-p", f"{side}.qos:={qos}"]
    receiver = Receiver(
        "visible/image_raw" if options.transport else "fused/image", reliable=options.reliable
    )
    executor = SingleThreadedExecutor()
    executor.add_node(receiver)
    with (
        Process("main", ["-p", "autostart:=true", *node_arguments]) as node,
        Process("tools.synthetic_cameras", camera_arguments) as cameras,
    ):
        _wait_for_first(executor, receiver, (node, cameras))
        _run(executor, options.warm_up, ())
        start, cpu = time.time(), node.cpu_seconds()
        memory = _run(executor, options.duration, (node, cameras))
        seconds, cpu = time.time() - start, node.cpu_seconds() - cpu
    receiver.destroy_node()
    return _judge(options, receiver, start, seconds, cpu, memory)


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
            bar.set_postfix_str(f"node {memory[-1][1]:.1f} MB")
            bar.update()
    bar.close()
    return memory


def _judge(
    options: argparse.Namespace,
    receiver: Receiver,
    start: float,
    seconds: float,
    cpu: float,
    memory: list[tuple[float, float]],
) -> Report:
    first, last = int(start * NANOSECONDS), int((start + seconds - TAIL) * NANOSECONDS)
    sent = [stamp for stamp in receiver.sent if first <= stamp < last]
    arrived = [1e-6 * receiver.latency[stamp] for stamp in sent if stamp in receiver.latency]
    summary = summarize(arrived)
    settled = [value for second, value in memory if second >= MEMORY_SETTLED]
    return Report(
        width=options.width,
        height=options.height,
        rate=float(options.rate),
        seconds=round(seconds, 1),
        pairs=len(sent),
        received=len(arrived),
        lost=len(sent) - len(arrived),
        dropped=int(receiver.counters.get("dropped", 0)),
        unpaired=max(
            int(receiver.counters.get(f"unpaired_{side}", 0)) for side in ("visible", "infrared")
        ),
        latency_p50=round(summary.p50, 2),
        latency_p99=round(summary.p99, 2),
        latency_max=round(max(arrived, default=math.nan), 2),
        node_cpu_percent=round(100 * cpu / seconds, 1),
        node_memory=round(memory[-1][1], 1),
        node_memory_settled=round(settled[0], 1) if settled else None,
        node_memory_most=round(max(settled), 1) if settled else None,
        load=round(os.getloadavg()[0] / usable_cores(), 2),
        backend_arguments=options.parameter,
    )


def _text(report: Report, transport: bool) -> str:
    what = "transport alone (visible image, no node)" if transport else "through the node"
    lines = [
        f"{report.width}x{report.height} at {report.rate:g} Hz for {report.seconds:g} s, {what}",
        f"  pairs sent {report.pairs}, received {report.received}, lost {report.lost} "
        f"(since the start the node dropped {report.dropped}, found no partner for "
        f"{report.unpaired})",
        f"  stamp to callback: p50 {report.latency_p50:.1f} ms, p99 {report.latency_p99:.1f} ms, "
        f"max {report.latency_max:.1f} ms",
        f"  node: {report.node_cpu_percent:.0f} % of a core, {report.node_memory:.0f} MB resident",
        f"  load of this machine: {report.load:.2f} per core (above 1, latencies are inflated)",
    ]
    if report.node_memory_settled is not None and report.node_memory_most is not None:
        lines.insert(
            4,
            f"  node: {report.node_memory_settled:.1f} MB after the first minute, at most "
            f"{report.node_memory_most:.1f} MB later, {report.node_memory:.1f} MB at the end",
        )
    return "\n".join(lines)


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
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="parameter of the node, repeatable: -p backend:=cpu -p threads:=2",
    )
    parser.add_argument("--json", action="store_true", help="results as JSON on stdout")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, 1 if nothing could be measured."""
    given: Any = rclpy.utilities.remove_ros_args(args=arguments or sys.argv)[1:]
    options = _parser().parse_args(given)
    os.environ.update(room_for_images())
    rclpy.init(args=["--ros-args", "--log-level", "warn"])
    try:
        report = measure(options)
    except InputError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        print("benchmark: interrupted", file=sys.stderr)
        return 130
    finally:
        rclpy.try_shutdown()
    print(json.dumps(asdict(report)) if options.json else _text(report, options.transport))
    return 0


if __name__ == "__main__":
    sys.exit(main())
