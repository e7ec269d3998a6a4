"""Counts, rates and latencies of a running node; every method may be called from any thread."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from statistics import median, quantiles
from typing import ClassVar

WINDOW = 5.0
"""Seconds over which rates are measured."""

LATENCIES = 10.0
"""Seconds for which latencies are kept."""


@dataclass(frozen=True)
class LatencySummary:
    """Latencies in milliseconds; NaN while there is nothing to measure.

    Attributes:
        p50: Median.
        p99: 99th percentile.
    """

    p50: float = float("nan")
    p99: float = float("nan")


def summarize(milliseconds: list[float]) -> LatencySummary:
    """Median and 99th percentile of latencies."""
    if not milliseconds:
        return LatencySummary()
    if len(milliseconds) == 1:
        return LatencySummary(milliseconds[0], milliseconds[0])
    cuts = quantiles(milliseconds, n=100, method="inclusive")
    return LatencySummary(cuts[49], cuts[98])


class RateMeter:
    """Events per second over the last `WINDOW` seconds, and the period between the latest.

    Args:
        now: Seconds, of a monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self._gaps: deque[float] = deque(maxlen=5)
        self._start = now
        self._last: float | None = None
        self._times: deque[float] = deque(maxlen=2048)

    def tick(self, now: float) -> None:
        """Note an event."""
        self._times.append(now)
        if self._last is not None:
            self._gaps.append(now - self._last)
        self._last = now

    def rate(self, now: float) -> float:
        """Events per second up to ``now``."""
        while self._times and now - self._times[0] > WINDOW:
            self._times.popleft()
        return len(self._times) / max(min(WINDOW, now - self._start), 1e-3)

    def period(self) -> float:
        """Seconds from event to event, median of the last few; 0 before there were two."""
        return median(self._gaps) if self._gaps else 0.0

    def silence(self, now: float) -> float:
        """Seconds since the last event, or since the start."""
        return now - (self._start if self._last is None else self._last)


class Statistics:
    """What happened since activation.

    Meters are created on first use, counters start at zero; `COUNTERS` says what they count.

    Args:
        now: Seconds, of a monotonic clock.

    Attributes:
        last_error: The latest failure, a sentence.
        last_damage: What a decoder said last of an image that it could bridge.
        clock_apart: Seconds by which the latest stamp of another clock was behind the node's.
    """

    COUNTERS: ClassVar[dict[str, str]] = {
        "visible": "visible images received",
        "infrared": "infrared images received",
        "pairs": "pairs found",
        "published": "images published",
        "fused": "published images that show a pair",
        "reused": "published images with an earlier infrared frame",
        "visible_only": "published images without infrared",
        "withheld": "images without infrared that fallback.policy 'nothing' kept back",
        "handed_over": "pairs and single images handed over for fusing",
        "dropped": "of these, given up for a newer one because fusing took too long",
        "unpaired_visible": "visible images without a partner",
        "unpaired_infrared": "infrared images without a partner",
        "late": "pairs that came after a later image was published",
        "repeated_stamps": "visible images with the stamp of the one before",
        "malformed": "messages that could not be decoded",
        "damaged": "compressed images with errors that the decoder could bridge",
        "lossy_16_bit": "16-bit infrared images that came as JPEG, reduced to 8 bits",
        "gray_16_bit_visible": "visible images that are 16-bit gray, as thermal cameras send",
        "failed": "pairs that could not be fused",
        "clock_jumps": "times the cameras' clock was set",
        "other_clock": "images stamped by another clock than the node's",
        "zero_stamps": "messages without a stamp",
        "format_changes": "times the infrared camera changed size or depth",
    }

    def __init__(self, now: float) -> None:
        self._lock = threading.Lock()
        self._start = now
        self._counts: Counter[str] = Counter()
        self._meters: dict[str, RateMeter] = {}
        self._latencies: deque[tuple[float, float, float | None]] = deque(maxlen=2048)
        self.last_error = ""
        self.last_damage = ""
        self.clock_apart = 0.0

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[name] += amount

    def tick(self, name: str, now: float) -> None:
        """Count an event whose rate matters, too."""
        with self._lock:
            self._counts[name] += 1
            self._meter(name).tick(now)

    def error(self, name: str, message: str) -> None:
        """Count a failure and remember its message."""
        with self._lock:
            self._counts[name] += 1
            self.last_error = message

    def damaged(self, side: str, line: str) -> None:
        """Count a compressed image that could be decoded in part; line: what the decoder says."""
        with self._lock:
            self._counts["damaged"] += 1
            self.last_damage = f"{side} camera: {line}"

    def other_clock(self, apart: float) -> None:
        """Count an image stamped by another clock than the node's, so many seconds behind it."""
        with self._lock:
            self._counts["other_clock"] += 1
            self.clock_apart = apart

    def latency(self, now: float, processing: float, age: float | None) -> None:
        """Note one published frame.

        Args:
            now: Seconds, of a monotonic clock.
            processing: Seconds from its arrival to its publication.
            age: Seconds from its stamp to its publication; None where the stamp is of another
                clock.
        """
        with self._lock:
            milliseconds = None if age is None else 1e3 * age
            self._latencies.append((now, 1e3 * processing, milliseconds))

    def total(self, name: str) -> int:
        """A counter."""
        with self._lock:
            return self._counts[name]

    def totals(self) -> dict[str, int]:
        """All counters, in the order of `COUNTERS`."""
        with self._lock:
            return {name: self._counts[name] for name in self.COUNTERS}

    def rate(self, name: str, now: float) -> float:
        """Events per second, lately."""
        with self._lock:
            return self._meter(name).rate(now)

    def silence(self, name: str, now: float) -> float:
        """Seconds since the last such event, or since the start."""
        with self._lock:
            return self._meter(name).silence(now)

    def period(self, name: str) -> float:
        """Seconds from one such event to the next, lately; 0 before there were two."""
        with self._lock:
            return self._meter(name).period()

    def latencies(self, now: float) -> tuple[LatencySummary, LatencySummary]:
        """From arrival to publication, and from stamp to publication, lately."""
        with self._lock:
            while self._latencies and now - self._latencies[0][0] > LATENCIES:
                self._latencies.popleft()
            kept = list(self._latencies)
        return summarize([entry[1] for entry in kept]), summarize(
            [entry[2] for entry in kept if entry[2] is not None]
        )

    def _meter(self, name: str) -> RateMeter:
        if name not in self._meters:
            self._meters[name] = RateMeter(self._start)
        return self._meters[name]
