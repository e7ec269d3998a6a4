"""Quality of service by the names the parameters use, and who cannot be reached with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
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
    best_effort = name == "sensor_data"
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
    )


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
