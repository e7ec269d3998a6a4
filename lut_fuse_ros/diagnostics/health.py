"""What the diagnostics say: from numbers to OK, WARN or ERROR and a sentence for the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from lut_fuse_core.sync.offsets import explain_offset

DROPPED_SHARE = 0.05
"""Share of pairs given up above which the node is too slow for its cameras."""

UNPAIRED_SHARE = 0.2
"""Share of frames without a partner, on the side that has fewer, above which pairing is poor."""

SILENCE = 1.0
"""Seconds without a visible image after which that camera counts as stopped, ..."""

PERIODS = 3
"""... unless it is so slow that these are fewer frame periods than this."""

REPEATED_SHARE = 0.05
"""Share of visible images with the stamp of the one before above which the user should know."""

STANDING_SHARE = 0.9
"""The same, above which its time stands still."""

LATE_SHARE = 0.5
"""Share of pairs that come after a later image went out above which the user should know."""

ALONE_SHARE = 0.2
"""Share of published images without infrared above which the user should know."""


class Level(IntEnum):
    """The levels of `diagnostic_msgs/DiagnosticStatus`."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True)
class Situation:
    """What is known about a node at the time of a report.

    Attributes:
        state: Of the life cycle.
        problem: Why it could not be configured; empty if it could.
        visible_silence: Seconds since the last visible image.
        visible_period: Seconds from one visible image to the next.
        infrared_silence: Seconds since the last infrared image.
        why_silent: What in the graph explains a silence, by camera; empty where nothing does.
        fallback: The policy, if it applies.
        fallback_timeout: Seconds without a pair after which it does.
        infrared_offset: Seconds by which infrared stamps are ahead, as they come from the camera;
            None if unknown.
        slip: Seconds in which the phase of free-running cameras drifts by a frame; None if they
            keep step or it is not known.
        registered: False while it is not known where infrared lands.
        latency_p99: Seconds from stamp to publication; from arrival if the stamps are of another
            clock.
        max_latency: Seconds of it above which to warn.
        clock_apart: Seconds by which visible stamps are behind the node's clock, if they are of
            another one; else None.
        output_rate: Images published per second.
        watched: Whether somebody subscribes.
        last_error: The latest failure.
        last_damage: What a decoder said last.
        notes: Standing warnings (backend replaced, quality of service, two of one kind).
        lost_datagrams: In front of a full receive buffer since the last report.
        recent: Counters since the last report.
    """

    state: str
    problem: str = ""
    visible_silence: float = 0.0
    visible_period: float = 0.0
    infrared_silence: float = 0.0
    why_silent: Mapping[str, str] = field(default_factory=dict)
    fallback: str = ""
    fallback_timeout: float = 0.5
    infrared_offset: float | None = None
    slip: float | None = None
    registered: bool = True
    latency_p99: float = 0.0
    max_latency: float = 0.1
    clock_apart: float | None = None
    output_rate: float = 0.0
    watched: bool = True
    last_error: str = ""
    last_damage: str = ""
    notes: tuple[str, ...] = ()
    lost_datagrams: int = 0
    recent: Mapping[str, int] = field(default_factory=dict)

    def lately(self, name: str) -> int:
        """A counter since the last report."""
        return self.recent.get(name, 0)

    @property
    def visible_stopped(self) -> bool:
        """Whether the visible camera no longer delivers."""
        return self.visible_silence > max(SILENCE, PERIODS * self.visible_period)


def assess(situation: Situation) -> tuple[Level, str]:
    """The worst level that applies and the sentences for it, the most important first."""
    if situation.problem:
        return Level.ERROR, f"cannot start: {situation.problem}"
    if situation.state != "active":
        return Level.OK, situation.state
    errors = list(_errors(situation))
    warnings = [*_warnings(situation), *situation.notes]
    if errors:
        return Level.ERROR, "; ".join(errors + warnings)
    if warnings:
        return Level.WARN, "; ".join([*warnings, *_remarks(situation)])
    if not situation.watched:
        return Level.OK, "ready; nobody subscribes to the fused image"
    return Level.OK, "; ".join([f"fusing at {situation.output_rate:.1f} Hz", *_remarks(situation)])


def _remarks(situation: Situation) -> Iterator[str]:
    """What is worth knowing and no fault."""
    if situation.slip is not None:
        yield (
            "the cameras are free-running: their phase drifts by one frame in "
            f"{situation.slip:.0f} s"
        )
    if situation.clock_apart is not None:
        yield _other_clock(situation.clock_apart)


def _other_clock(apart: float) -> str:
    side = "behind" if apart > 0 else "ahead of"
    reason = explain_offset(apart)
    return (
        f"visible stamps are {_duration(abs(apart))} {side} this node's clock"
        f"{f' ({reason})' if reason else ''}, so latency counts from arrival; for a bag, play it "
        "with --clock and set use_sim_time"
    )


def _duration(seconds: float) -> str:
    for unit, length in (("years", 365.25 * 86400), ("days", 86400), ("hours", 3600)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _errors(situation: Situation) -> Iterator[str]:
    if situation.visible_stopped:
        yield f"{_silent(situation, 'visible', situation.visible_silence)}: nothing to publish"
    elif (
        situation.watched
        and not situation.lately("published")
        and _share(situation, "repeated_stamps", "visible") > STANDING_SHARE
    ):
        yield "the stamps of the visible images do not advance: nothing is published"
    elif situation.fallback == "nothing":
        yield f"{_why_no_pairs(situation)}: nothing is published"
    failures = situation.lately("failed") + situation.lately("malformed")
    if (
        situation.lately("withheld")
        and not situation.lately("published")
        and not failures
        and not situation.fallback
        and situation.registered
    ):
        yield f"no infrared image is new enough{_hint(situation)}: nothing is published"
    if failures and situation.watched and not situation.lately("published"):
        yield f"no image could be fused: {situation.last_error}"


def _warnings(situation: Situation) -> Iterator[str]:
    if not situation.visible_stopped and situation.fallback not in ("", "nothing"):
        shown = "visible only" if situation.fallback == "visible" else "earlier infrared reused"
        yield f"{_why_no_pairs(situation)}: {shown}"
    if situation.lately("published"):
        failures = situation.lately("failed") + situation.lately("malformed")
        if failures:
            yield f"{failures} bad messages: {situation.last_error}"
    if situation.lost_datagrams:
        yield (
            f"{situation.lost_datagrams} datagrams found the receive buffer full, so images are "
            "lost or late: raise net.core.rmem_max (see 'Large images')"
        )
    repeated = _share(situation, "repeated_stamps", "visible")
    if repeated > REPEATED_SHARE and situation.lately("published"):
        yield (
            f"{100 * repeated:.0f} % of the visible images repeat the stamp of the one before and "
            "are left out"
        )
    dropped = _share(situation, "dropped", "handed_over")
    if dropped > DROPPED_SHARE:
        yield (
            f"fusing is slower than the cameras: {100 * dropped:.0f} % of the pairs dropped "
            "(smaller images, a faster backend or more threads help)"
        )
    unpaired = min(
        _share(situation, "unpaired_visible", "visible"),
        _share(situation, "unpaired_infrared", "infrared"),
    )
    if unpaired > UNPAIRED_SHARE and not situation.fallback:
        yield f"{100 * unpaired:.0f} % of the frames find no partner{_hint(situation)}"
    alone = _share(situation, "visible_only", "published")
    if alone > ALONE_SHARE and not situation.fallback and situation.registered:
        hint = "" if situation.lately("malformed") else _hint(situation)
        yield f"{100 * alone:.0f} % of the images are without infrared{hint}"
    late = _share(situation, "late", "pairs")
    if late > LATE_SHARE and not situation.lately("repeated_stamps"):
        yield (
            f"{100 * late:.0f} % of the pairs come after a later image went out without infrared: "
            f"raise fallback.timeout ({situation.fallback_timeout:g} s) above how late infrared "
            "comes, and sync.queue_size to the frames that pass meanwhile"
        )
    if situation.latency_p99 > situation.max_latency:
        start = "stamp" if situation.clock_apart is None else "arrival"
        yield (
            f"latency is {1e3 * situation.latency_p99:.0f} ms (99th percentile, since the {start})"
        )
    if situation.lately("lossy_16_bit"):
        yield (
            "16-bit infrared comes as JPEG, which keeps 8 bits of it, in steps of 256 counts: have "
            "the driver send PNG (its parameter <topic>.format: png) or raw images"
        )
    if situation.lately("gray_16_bit_visible"):
        yield (
            "the visible images are 16-bit gray, as thermal cameras send: are visible and infrared "
            "swapped?"
        )
    if situation.lately("damaged"):
        yield f"{situation.lately('damaged')} damaged images ({situation.last_damage})"
    if situation.lately("zero_stamps"):
        yield "a camera does not stamp its images: the time of arrival is used"
    if situation.lately("clock_jumps"):
        yield "the cameras' clock was set: pairing and normalization start again"


def _silent(situation: Situation, side: str, seconds: float) -> str:
    why = situation.why_silent.get(side, "")
    return f"no {side} images for {seconds:.1f} s{f' ({why})' if why else ''}"


def _why_no_pairs(situation: Situation) -> str:
    if situation.infrared_silence > situation.fallback_timeout:
        return _silent(situation, "infrared", situation.infrared_silence)
    return f"visible and infrared images come but do not pair{_hint(situation)}"


def _hint(situation: Situation) -> str:
    if situation.infrared_offset is None:
        return ""
    offset = situation.infrared_offset
    reason = explain_offset(offset)
    ahead = f"infrared stamps are {offset:+.3f} s ahead of what comes with them"
    if reason:
        return (
            f" ({ahead}; {reason}: set sync.infrared_offset to {offset:.3f}, or sync.stamps to "
            "arrival)"
        )
    return (
        f" ({ahead}: if the clocks disagree set sync.infrared_offset to {offset:.3f}, or "
        "sync.stamps to arrival where they drift; if images come late raise sync.queue_size, for "
        "mere jitter sync.tolerance)"
    )


def _share(situation: Situation, part: str, whole: str) -> float:
    """At most 1: what a part counts may have begun before the last report."""
    return min(situation.lately(part) / max(situation.lately(whole), 1), 1.0)
