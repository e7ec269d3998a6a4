"""The node's entry in /diagnostics, through diagnostic_updater."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from diagnostic_updater import Updater
from rclpy.exceptions import InvalidParameterTypeException

from lut_fuse_core.errors import InputError
from lut_fuse_core.pipeline.config import PipelineStatus
from lut_fuse_ros.diagnostics.health import Level, Situation, assess
from lut_fuse_ros.diagnostics.meters import LatencySummary, Statistics
from lut_fuse_ros.diagnostics.receive_buffers import lost_datagrams
from lut_fuse_ros.middleware.qos import mismatches

if TYPE_CHECKING:
    from lut_fuse_ros.fusion_node import FusionNode

PERIOD, FULL_NAME = "diagnostic_updater.period", "diagnostic_updater.use_fqn"
"""What diagnostic_updater declares."""

SHORTEST_PERIOD, LONGEST_PERIOD = 0.01, 3600.0
"""Seconds between two reports."""

LEVELS = {level: bytes([level]) for level in Level}


class Diagnostics:
    """Reports once a second what the node does, in every state."""

    def __init__(self, node: FusionNode) -> None:
        self._node = node
        self._before: dict[str, int] = {}
        self._measured: Statistics | None = None
        self._lost = self._lost_before = lost_datagrams()
        _check_period(node)
        # With the whole name, two nodes in two namespaces can be told apart.
        try:
            if not node.has_parameter(FULL_NAME):
                node.declare_parameter(FULL_NAME, True)
            updater = Updater(node)
        except InvalidParameterTypeException as error:
            raise InputError(f"{error}; {PERIOD} takes seconds as 1.0, {FULL_NAME} true") from None
        if node.get_parameter(FULL_NAME).value:
            updater.node_name = node.get_fully_qualified_name()  # its own begins with two slashes
        updater.setHardwareID("none")
        updater.add("fusion", self._report)
        self._updater = updater

    def _report(self, status: Any) -> Any:
        node, statistics, now = self._node, self._node.statistics, time.monotonic()
        processing, age = statistics.latencies(now)
        self._lost_before, self._lost = self._lost, lost_datagrams()
        situation = self._situation(now, age)
        level, message = assess(situation)
        status.summary(LEVELS[level], message)
        status.add("state", situation.state)
        if node.pipeline is not None:
            status.add("backend", node.pipeline.fuser.backend.name)
        status.add("model", node.parameters.model)
        for name in ("visible", "infrared", "pairs", "published"):
            status.add(f"{name} rate (Hz)", f"{statistics.rate(name, now):.1f}")
        for name, summary in (("arrival", processing), ("stamp", age)):
            status.add(f"latency since {name} p50 (ms)", f"{summary.p50:.1f}")
            status.add(f"latency since {name} p99 (ms)", f"{summary.p99:.1f}")
        if situation.infrared_offset is not None:
            status.add("infrared stamps ahead (s)", f"{situation.infrared_offset:.4f}")
        self._add_pipeline(status)
        for name, total in statistics.totals().items():
            status.add(name, str(total))
        status.add("datagrams lost", str(self._lost))
        status.add("last error", statistics.last_error)
        return status

    def _add_pipeline(self, status: Any) -> None:
        """What only the pipeline sees."""
        pipeline, parameters = self._node.pipeline, self._node.parameters
        if pipeline is None:
            return
        seen = pipeline.status
        if parameters.sync.estimate_offset:
            found = "unknown"
            if seen.clock_offset is not None:
                # On top of what is taken off the stamps before the pipeline sees them.
                ahead = parameters.sync.infrared_offset + seen.clock_offset.seconds
                found = f"{ahead:.3f}"
            status.add("infrared clock ahead, estimated (s)", found)
        status.add("visible image covered by infrared (%)", f"{100 * seen.covered:.0f}")
        shutter = seen.shutter
        status.add("shutter events", str(shutter.frozen + shutter.blank + shutter.jump))
        status.add("dead pixels repaired", str(seen.dead_pixels))

    def _situation(self, now: float, age: LatencySummary) -> Situation:
        node, statistics = self._node, self._node.statistics
        parameters, pairing, output = node.parameters, node.pairing, node.output
        fallen_back = pairing is not None and pairing.fallen_back
        return Situation(
            state=node._state_machine.current_state[1],
            problem=node.problem,
            visible_silence=statistics.silence("visible", now),
            visible_period=statistics.period("visible"),
            infrared_silence=statistics.silence("infrared", now),
            fallback=parameters.fallback.policy if fallen_back else "",
            fallback_timeout=parameters.fallback.timeout,
            infrared_offset=self._infrared_offset(),
            registered=node.worker is None or node.worker.registered,
            latency_p99=1e-3 * age.p99,
            max_latency=parameters.diagnostics.max_latency,
            output_rate=statistics.rate("published", now),
            watched=output is not None and output.wanted,
            last_error=statistics.last_error,
            notes=tuple(self._notes()),
            # A socket that is closed takes its count with it.
            lost_datagrams=max(self._lost - self._lost_before, 0),
            recent=self._recent(statistics),
        )

    def _infrared_offset(self) -> float | None:
        """By how much infrared stamps are ahead before sync.infrared_offset is taken off."""
        pairing = self._node.pairing
        measured = None if pairing is None else pairing.offset.seconds()
        if measured is None:
            return None
        return measured + self._node.parameters.sync.infrared_offset

    def _recent(self, statistics: Statistics) -> dict[str, int]:
        if statistics is not self._measured:
            self._measured, self._before = statistics, {}
        totals = statistics.totals()
        recent = {name: total - self._before.get(name, 0) for name, total in totals.items()}
        self._before = totals
        return recent

    def _notes(self) -> list[str]:
        node = self._node
        notes = [node.backend_note] if node.backend_note else []
        if node.pipeline is not None:
            notes += _pipeline_notes(node.pipeline.status)
        if node.registration is not None and node.registration.missing:
            known = node.worker is not None and node.worker.registered
            consequence = "as registered before" if known else "not registered, so without infrared"
            notes.append(f"{consequence}: {node.registration.missing}")
        endpoints = [] if node.output is None else list(node.output.publishers)
        endpoints += [] if node.pairing is None else node.pairing.subscriptions
        topics = [endpoint.topic_name for endpoint in endpoints]
        notes += sorted(set(mismatches(node, topics)))
        return notes


def _pipeline_notes(seen: PipelineStatus) -> Iterator[str]:
    if seen.replaced:
        yield seen.replaced
    if seen.stopped:
        yield (
            "the infrared camera sends the same image again and again, as if it hung "
            "(normalization.shutter: false if it may)"
        )
    if not seen.covered:
        yield (
            "as registered, infrared sees no pixel of the visible image; its matrix or pose may be "
            "the wrong way round"
        )


def _check_period(node: FusionNode) -> None:
    """Raise InputError for a period that the updater would fail on, in words of its own."""
    override = node._parameter_overrides.get(PERIOD)
    period = None if override is None else override.value
    if isinstance(period, float) and not SHORTEST_PERIOD <= period <= LONGEST_PERIOD:
        raise InputError(
            f"'{PERIOD}' is {period}; it must be {SHORTEST_PERIOD} to {LONGEST_PERIOD:.0f} s"
        )
