"""What a run of the benchmark showed, as numbers and as text."""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import dataclass
from statistics import median

from lut_fuse_core.parallel import usable_cores
from lut_fuse_core.sync.jumps import SIDES
from lut_fuse_ros.meters import summarize

MEMORY_SETTLED = 60.0
"""Seconds after which a process should not grow any more."""


@dataclass(frozen=True)
class Report:
    """What a run showed, all turns together.

    Attributes:
        subject: What stood between cameras and receiver: ``node``, ``relay`` or ``transport``.
        width: Of the images in pixels.
        height: Of the images in pixels.
        rate: Pairs per second.
        seconds: Measured.
        pairs: Sent meanwhile.
        received: Of these, images that came.
        lost: Of these, images that did not.
        dropped: What the node says it gave up since it was started, in its last turn.
        unpaired: For what it found no partner; the rest of what was lost, the transport lost.
        latency_p50: Milliseconds from stamp to callback, median.
        latency_p99: The same, 99th percentile.
        latency_max: The same, longest.
        cpu_percent: Processor time of the subject, of one core.
        cpu_per_frame: Processor time of the subject in milliseconds per pair that was to be sent at
            this rate.
        memory: Of the subject at the end, resident megabytes.
        memory_settled: After a minute; None in shorter runs.
        memory_most: At most after that.
        first_image: Seconds from the start of the subject's process to its first image, median of
            the turns; None after a single one, which the cameras' own start delays.
        load: Of the machine, per core.
        node_parameters: As given on the command line.
    """

    subject: str
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
    cpu_percent: float
    cpu_per_frame: float
    memory: float
    memory_settled: float | None
    memory_most: float | None
    first_image: float | None
    load: float
    node_parameters: list[str]


@dataclass(frozen=True)
class Turn:
    """What was seen of one subject without a break.

    Attributes:
        seconds: That it took.
        pairs: That were sent.
        latencies: Milliseconds from stamp to callback.
        cpu: Processor time in seconds, all threads.
        memory: Seconds since the start and megabytes, once a second.
        counters: Of the node's diagnostics.
        first_image: Seconds from the start of the process to its first image.
    """

    seconds: float
    pairs: int
    latencies: list[float]
    cpu: float
    memory: list[tuple[float, float]]
    counters: dict[str, str]
    first_image: float


def judge(options: argparse.Namespace, subject: str, turns: list[Turn]) -> Report:
    """All turns of a subject together.

    Args:
        options: Of the command line.
        subject: Its name.
        turns: What was seen.
    """
    latencies = [each for turn in turns for each in turn.latencies]
    pairs, seconds = sum(turn.pairs for turn in turns), sum(turn.seconds for turn in turns)
    cpu = sum(turn.cpu for turn in turns)
    summary, last = summarize(latencies), turns[-1]
    settled = [value for second, value in last.memory if second >= MEMORY_SETTLED]
    unpaired = [int(last.counters.get(f"unpaired_{side}", 0)) for side in SIDES]
    return Report(
        subject=subject,
        width=options.width,
        height=options.height,
        rate=float(options.rate),
        seconds=round(seconds, 1),
        pairs=pairs,
        received=len(latencies),
        lost=pairs - len(latencies),
        dropped=int(last.counters.get("dropped", 0)),
        unpaired=max(unpaired),
        latency_p50=round(summary.p50, 2),
        latency_p99=round(summary.p99, 2),
        latency_max=round(max(latencies, default=math.nan), 2),
        cpu_percent=round(100 * cpu / seconds, 1),
        cpu_per_frame=round(1e3 * cpu / max(seconds * options.rate, 1), 2),
        memory=round(last.memory[-1][1], 1),
        memory_settled=round(settled[0], 1) if settled else None,
        memory_most=round(max(settled), 1) if settled else None,
        first_image=round(median(turn.first_image for turn in turns), 2) if turns[1:] else None,
        load=round(os.getloadavg()[0] / usable_cores(), 2),
        node_parameters=options.parameter,
    )


NAMES = {
    "node": "through the node",
    "relay": "through a relay that does nothing",
    "transport": "transport alone (visible image, no node)",
}


def text_of(report: Report) -> str:
    """A report as lines for a terminal."""
    lines = [
        f"{report.width}x{report.height} at {report.rate:g} Hz for {report.seconds:g} s, "
        f"{NAMES[report.subject]}",
        f"  pairs sent {report.pairs}, received {report.received}, lost {report.lost} "
        f"(since the start the node dropped {report.dropped}, found no partner for "
        f"{report.unpaired})",
        f"  stamp to callback: p50 {report.latency_p50:.1f} ms, p99 {report.latency_p99:.1f} ms, "
        f"max {report.latency_max:.1f} ms",
        f"  {report.subject}: {report.cpu_percent:.0f} % of a core "
        f"({report.cpu_per_frame:.1f} ms per frame), {report.memory:.0f} MB resident",
        f"  load of this machine: {report.load:.2f} per core (above 1, latencies are inflated)",
    ]
    if report.memory_settled is not None and report.memory_most is not None:
        lines.insert(
            4,
            f"  {report.subject}: {report.memory_settled:.1f} MB after the first minute, at most "
            f"{report.memory_most:.1f} MB later, {report.memory:.1f} MB at the end",
        )
    return "\n".join(lines)


def comparison(node: Report, relay: Report) -> str:
    """The node in multiples of the relay."""
    return (
        f"node / relay: p50 {node.latency_p50 / relay.latency_p50:.2f}, p99 "
        f"{node.latency_p99 / relay.latency_p99:.2f}, processor time "
        f"{node.cpu_per_frame / relay.cpu_per_frame:.2f}, memory {node.memory / relay.memory:.2f}; "
        f"first image {node.first_image:.1f} s after the start, the relay's {relay.first_image:.1f}"
    )
