"""The node's entry in /diagnostics, through diagnostic_updater."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from diagnostic_updater import Updater
from rclpy.node import Node

from lut_fuse_core.pipeline.config import PipelineStatus
from lut_fuse_core.sync.jumps import SIDES
from lut_fuse_ros.diagnostics.health import Level, Situation, assess
from lut_fuse_ros.diagnostics.receive_buffers import lost_datagrams
from lut_fuse_ros.meters import LatencySummary, Statistics
from lut_fuse_ros.middleware.graph import doubts, why_silent
from lut_fuse_ros.middleware.qos import mismatches
from lut_fuse_ros.parameters.declaration import UPDATER_FULL_NAME
from lut_fuse_ros.session import Active, Configured, Session

QUIET = 0.4
"""Seconds without an image after which the graph is asked why."""

LEVELS = {level: bytes([level]) for level in Level}


class Diagnostics:
    """Reports once a second what the node does, in every state.

    Args:
        node: That publishes the reports.
        session: What it holds.
    """

    def __init__(self, node: Node, session: Session) -> None:
        self._node, self._session = node, session
        self._before: dict[str, int] = {}
        self._measured: Statistics | None = None
        self._lost = self._lost_before = lost_datagrams()
        # With the whole name, two nodes in two namespaces can be told apart.
        if not node.has_parameter(UPDATER_FULL_NAME):
            node.declare_parameter(UPDATER_FULL_NAME, True)
        updater = Updater(node)
        if node.get_parameter(UPDATER_FULL_NAME).value:
            updater.node_name = node.get_fully_qualified_name()  # its own begins with two slashes
        updater.setHardwareID("none")
        updater.add("fusion", self._report)
        self._updater = updater

    def _report(self, status: Any) -> Any:
        session = self._session
        if session.active is not None:
            session.active.worker.frame_end.wait()
        now = time.monotonic()
        statistics = session.statistics
        processing, age = statistics.latencies(now)
        self._lost_before, self._lost = self._lost, lost_datagrams()
        situation = self._situation(now, processing, age)
        level, message = assess(situation)
        status.summary(LEVELS[level], message)
        status.add("state", situation.state)
        if session.configured is not None:
            status.add("backend", session.configured.pipeline.fuser.backend.name)
        status.add("model", session.parameters.model)
        for name in ("visible", "infrared", "pairs", "published"):
            status.add(f"{name} rate (Hz)", f"{statistics.rate(name, now):.1f}")
        for name, summary in (("arrival", processing), ("stamp", age)):
            status.add(f"latency since {name} p50 (ms)", f"{summary.p50:.1f}")
            status.add(f"latency since {name} p99 (ms)", f"{summary.p99:.1f}")
        if session.active is not None:
            for side, text in session.active.inputs.qos.items():
                status.add(f"{side} QoS", text)
        if situation.infrared_offset is not None:
            status.add("infrared stamps ahead (s)", f"{situation.infrared_offset:.4f}")
        if session.active is not None and session.active.pairing.tolerance is not None:
            status.add("tolerance (s)", f"{session.active.pairing.tolerance:.4f}")
        if session.configured is not None:
            self._add_pipeline(status, session.configured.pipeline.status)
        for name, total in statistics.totals().items():
            status.add(name, str(total))
        status.add("datagrams lost", str(self._lost))
        status.add("last error", statistics.last_error)
        return status

    def _add_pipeline(self, status: Any, seen: PipelineStatus) -> None:
        """What only the pipeline sees."""
        if self._session.parameters.sync.estimate_offset:
            found = "unknown" if seen.clock_offset is None else f"{seen.clock_offset.seconds:.3f}"
            status.add("infrared clock ahead, estimated (s)", found)
        if seen.depth is not None:
            status.add("displacement by depth, median (pixels)", f"{seen.depth.displacement:.1f}")
            status.add("displacement by depth, largest (pixels)", f"{seen.depth.largest:.1f}")
            status.add("displacement by depth, confidence", f"{seen.depth.confidence:.2f}")
        status.add("visible image covered by infrared (%)", f"{100 * seen.covered:.0f}")
        beside = seen.rig.displacement
        pixels = "unknown" if beside is None else f"{beside.pixels:.1f}"
        degrees = "unknown" if beside is None else f"{beside.degrees:.2f}"
        status.add("infrared beside visible (px)", pixels)
        status.add("infrared beside visible (deg)", degrees)
        status.add("registration corrections", str(seen.rig.corrections))
        shutter = seen.shutter
        status.add("flat-field corrections", str(shutter.frozen + shutter.blank + shutter.jump))
        status.add("dead pixels repaired", str(seen.dead_pixels))

    def _situation(self, now: float, processing: LatencySummary, age: LatencySummary) -> Situation:
        session, statistics = self._session, self._session.statistics
        parameters, active, configured = session.parameters, session.active, session.configured
        fallen_back = active is not None and active.pairing.fallen_back
        recent = self._recent(statistics)
        apart = statistics.clock_apart if recent.get("other_clock") else None
        return Situation(
            state=session.state,
            problem=session.problem,
            visible_silence=statistics.silence("visible", now),
            visible_period=statistics.period("visible"),
            infrared_silence=statistics.silence("infrared", now),
            why_silent={} if active is None else self._why_silent(statistics, now),
            fallback=parameters.fallback.policy if fallen_back else "",
            fallback_timeout=parameters.fallback.timeout,
            infrared_offset=None if active is None else active.pairing.offset.seconds(),
            slip=None if active is None else active.pairing.drift.slip,
            registered=active is None or active.worker.registered,
            latency_p99=1e-3 * (age.p99 if apart is None else processing.p99),
            max_latency=parameters.diagnostics.max_latency,
            clock_apart=apart,
            output_rate=statistics.rate("published", now),
            watched=configured is not None and configured.output.wanted,
            last_error=statistics.last_error,
            last_damage=statistics.last_damage,
            notes=tuple(self._notes(configured, active)),
            # A socket that is closed takes its count with it.
            lost_datagrams=max(self._lost - self._lost_before, 0),
            recent=recent,
        )

    def _why_silent(self, statistics: Statistics, now: float) -> dict[str, str]:
        return {
            side: why_silent(self._node, side, getattr(self._session.parameters, side).transport)
            for side in SIDES
            if statistics.silence(side, now) > QUIET
        }

    def _recent(self, statistics: Statistics) -> dict[str, int]:
        if statistics is not self._measured:
            self._measured, self._before = statistics, {}
        totals = statistics.totals()
        recent = {name: total - self._before.get(name, 0) for name, total in totals.items()}
        self._before = totals
        return recent

    def _notes(self, configured: Configured | None, active: Active | None) -> list[str]:
        notes: list[str] = []
        if configured is not None:
            notes += _configured_notes(configured, active is not None and active.worker.registered)
        topics = [] if configured is None else configured.output.topics
        if active is not None:
            notes += doubts(self._node, self._session.parameters)
            topics += active.inputs.topics
        notes += sorted(set(mismatches(self._node, topics)))
        return notes


def _configured_notes(configured: Configured, registered: bool) -> Iterator[str]:
    if configured.backend_note:
        yield configured.backend_note
    yield from _pipeline_notes(configured.pipeline.status)
    missing = "" if configured.registration is None else configured.registration.missing
    if missing:
        consequence = (
            "as registered before" if registered else "not registered, so without infrared"
        )
        yield f"{consequence}: {missing}"
    if configured.output.misfit:
        yield configured.output.misfit


def _pipeline_notes(seen: PipelineStatus) -> Iterator[str]:
    if seen.replaced:
        yield seen.replaced
    if seen.stopped:
        yield (
            "the infrared camera sends the same image again and again, as if it hung "
            "(normalization.shutter: false if it may)"
        )
    if seen.depth is not None and seen.depth.problem:
        yield seen.depth.problem
    if seen.rig.problem:
        yield seen.rig.problem
    elif not seen.covered:
        yield (
            "as registered, infrared sees no pixel of the visible image; its matrix or pose may be "
            "the wrong way round"
        )
