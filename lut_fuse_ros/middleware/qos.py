"""Quality of service: as the parameters name it, as the other side has it, and misfits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)


def profile(name: str, depth: int) -> QoSProfile:
    """A profile by its name in the parameters.

    Args:
        name: ``sensor_data`` (best effort) or ``reliable``.
        depth: Messages that are kept.
    """
    return _profile(depth, reliable=name == "reliable", latched=False)


def as_offered(offers: Iterable[QoSProfile], depth: int) -> QoSProfile:
    """What a subscriber asks for that takes all that its publishers give: what each of them has.

    Args:
        offers: Of the publishers; best effort where there are none.
        depth: Messages that are kept.
    """
    return _combined(all, list(offers), depth)


def as_requested(requests: Iterable[QoSProfile], depth: int) -> QoSProfile:
    """What a publisher offers that serves all of its subscribers: what any of them asks for.

    Args:
        requests: Of the subscribers; best effort where there are none.
        depth: Messages that are kept.
    """
    return _combined(any, list(requests), depth)


def alike(one: QoSProfile, other: QoSProfile) -> bool:
    """Whether two profiles match the same counterparts."""
    return (one.reliability, one.durability) == (other.reliability, other.durability)


def text_of(qos: QoSProfile) -> str:
    """A profile in words."""
    reliability = "reliable" if _is_reliable(qos) else "best effort"
    return f"{reliability}, transient local" if _is_latched(qos) else reliability


def _combined(
    rule: Callable[[Iterable[bool]], bool], profiles: list[QoSProfile], depth: int
) -> QoSProfile:
    """What ``rule`` (all or any) finds in some profiles; best effort where there are none."""
    return _profile(
        depth,
        reliable=bool(profiles) and rule(_is_reliable(each) for each in profiles),
        latched=bool(profiles) and rule(_is_latched(each) for each in profiles),
    )


def _profile(depth: int, *, reliable: bool, latched: bool) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _is_reliable(qos: QoSProfile) -> bool:
    return bool(qos.reliability == ReliabilityPolicy.RELIABLE)


def _is_latched(qos: QoSProfile) -> bool:
    return bool(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL)


def mismatches(node: Node, topics: Iterable[str]) -> Iterator[str]:
    """A sentence for every node that is there now and to or from which nothing passes.

    Args:
        node: This one.
        topics: Whole names. rclpy applies the node's remappings to them once more, so that where
            one rule leads to a name that another renames, the topic is not seen.
    """
    own = (node.get_namespace(), node.get_name())

    def name(endpoint: Any) -> tuple[str, str]:
        return endpoint.node_namespace, endpoint.node_name

    for topic in topics:
        # Ours, too, as the middleware tells them: with what was left to its defaults.
        offers = node.get_publishers_info_by_topic(topic)
        requests = node.get_subscriptions_info_by_topic(topic)
        for offered, asked in product(offers, requests):
            if own not in (name(offered), name(asked)):
                continue
            verdict, reason = qos_check_compatible(offered.qos_profile, asked.qos_profile)
            if verdict == QoSCompatibility.ERROR:
                namespace, other = name(asked) if own == name(offered) else name(offered)
                why = reason.replace("ERROR: ", "").rstrip(";").replace(";", ", ").lower()
                yield (
                    f"{topic}: nothing passes between this node and {namespace.rstrip('/')}/{other}"
                    f": {why} (see visible.qos, infrared.qos, output.qos)"
                )
