"""What the diagnostics say: from numbers to OK, WARN or ERROR and a sentence for the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from lut_fuse_ros.parameters.node_parameters import LARGEST_OFFSET

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

    state: of the life cycle. problem: why it could not be configured. visible_silence,
    infrared_silence: seconds since the last image. visible_period: from one to the next. fallback:
    the policy, if it applies. infrared_offset: seconds by which infrared stamps are ahead, as they
    come from the camera. registered: False while it is not known where infrared lands. latency_p99,
    max_latency: seconds.
    watched: whether somebody subscribes. notes: standing warnings (backend replaced, quality of
    service). lost_datagrams: in front of a full receive buffer, and recent: counters, both since
    the last report.
    """

    state: str
    problem: str = ""
    visible_silence: float = 0.0
    visible_period: float = 0.0
    infrared_silence: float = 0.0
    fallback: str = ""
    fallback_timeout: float = 0.5
    infrared_offset: float | None = None
    registered: bool = True
    latency_p99: float = 0.0
    max_latency: float = 0.1
    output_rate: float = 0.0
    watched: bool = True
    last_error: str = ""
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
        return Level.WARN, "; ".join(warnings)
    if not situation.watched:
        return Level.OK, "ready; nobody subscribes to the fused image"
    return Level.OK, f"fusing at {situation.output_rate:.1f} Hz"


def _errors(situation: Situation) -> Iterator[str]:
    if situation.visible_stopped:
        yield f"no visible images for {situation.visible_silence:.1f} s: nothing to publish"
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
    if situation.latency_p99 > situation.max_latency:
        yield f"latency is {1e3 * situation.latency_p99:.0f} ms (99th percentile, since the stamp)"
    if situation.lately("zero_stamps"):
        yield "a camera does not stamp its images: the time of arrival is used"
    if situation.lately("clock_jumps"):
        yield "the cameras' clock was set: started anew"


def _why_no_pairs(situation: Situation) -> str:
    if situation.infrared_silence > situation.fallback_timeout:
        return f"no infrared images for {situation.infrared_silence:.1f} s"
    return f"visible and infrared images come but do not pair{_hint(situation)}"


def _hint(situation: Situation) -> str:
    if situation.infrared_offset is None:
        return ""
    ahead = f"infrared stamps are {situation.infrared_offset:+.3f} s ahead of what comes with them"
    if abs(situation.infrared_offset) > LARGEST_OFFSET:
        return f" ({ahead}: set both cameras to one clock, or sync.method to latest)"
    return (
        f" ({ahead}: if the clocks disagree set sync.infrared_offset, if images come late raise "
        "sync.queue_size, for mere jitter sync.tolerance)"
    )


def _share(situation: Situation, part: str, whole: str) -> float:
    return situation.lately(part) / max(situation.lately(whole), 1)
