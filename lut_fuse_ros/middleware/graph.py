"""What in the graph of nodes and topics keeps images from coming, or makes them come twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.topic_or_service_is_hidden import topic_or_service_is_hidden

from lut_fuse_core.sync.jumps import SIDES, Side
from lut_fuse_ros.middleware import topics
from lut_fuse_ros.parameters.node_parameters import NodeParameters

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


def input_topic(node: Node, side: Side, transport: str) -> str:
    """The whole name of the topic that a camera's images are taken from."""
    topic = topics.INPUTS[side]
    if transport == "compressed":
        return topics.compressed(node, topic)
    return str(node.resolve_topic_name(topic))


def doubts(node: Node, parameters: NodeParameters) -> Iterator[str]:
    """A sentence for everything that there is two of where one is meant."""
    own = (node.get_name(), node.get_namespace())
    count = sum(each == own for each in node.get_node_names_and_namespaces())
    if count > 1:
        yield (
            f"{count} nodes are called {node.get_fully_qualified_name()}: each publishes what the "
            "others do; end all but one, or give them other names (name:= of the launch file)"
        )
    inputs = {side: input_topic(node, side, getattr(parameters, side).transport) for side in SIDES}
    if inputs["visible"] == inputs["infrared"]:
        yield f"both cameras' images are taken from {inputs['visible']}; remap one of them"
    fused = str(node.resolve_topic_name(topics.FUSED))
    outputs = (fused, topics.compressed(node, topics.FUSED))
    for side, topic in inputs.items():
        if topic in outputs:
            yield f"the {side} images are taken from {topic}, which is where the fused ones go"
            continue
        publishers = _publishers(node, topic)
        if len(publishers) > 1:
            yield (
                f"{len(publishers)} publishers send {side} images on {topic} "
                f"({', '.join(sorted(publishers))}): their images mix"
            )


def why_silent(node: Node, side: Side, transport: str) -> str:
    """What in the graph explains that no image of a camera comes; empty if nothing does."""
    topic = input_topic(node, side, transport)
    wanted = COMPRESSED if transport == "compressed" else RAW
    kinds = dict(node.get_topic_names_and_types())
    if _publishers(node, topic, wanted):
        return f"{topic} has a publisher, but nothing comes from it{_too_large(node, topic)}"
    others = {each.topic_type for each in node.get_publishers_info_by_topic(topic)} - {wanted}
    if others:
        return f"what is published on {topic} is {', '.join(sorted(others))}, not {wanted}"
    return f"nobody publishes {topic}" + _instead(node, side, topic, transport, kinds)


def _too_large(node: Node, topic: str) -> str:
    """Whether it may be that Fast DDS gives up images that its sender has no room for."""
    offers = node.get_publishers_info_by_topic(topic)
    best_effort = any(
        each.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for each in offers
    )
    if not best_effort or not rclpy.get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
        return ""
    return (
        "; it is best effort, with which Fast DDS, as installed, loses images of more than half a "
        "megabyte (see 'Large images')"
    )


def _instead(
    node: Node, side: Side, topic: str, transport: str, kinds: dict[str, list[str]]
) -> str:
    """Which other topic may be meant; none that is hidden, as those that Fast DDS puts beside the
    topics of images on Lyrical."""
    from difflib import get_close_matches

    base = topic.removesuffix("/compressed")
    other = base if transport == "compressed" else f"{topic}/compressed"
    if _publishers(node, other):
        way = "raw" if transport == "compressed" else "compressed"
        return f", but {other} is there: set {side}.transport to {way}"
    own = {str(node.resolve_topic_name(name)) for name in (topics.FUSED, *topics.INPUTS.values())}
    images = [
        name
        for name, types in kinds.items()
        if {RAW, COMPRESSED} & set(types)
        and name.removesuffix("/compressed") not in own
        and not topic_or_service_is_hidden(name)
    ]
    published = [name for name in images if _publishers(node, name)]
    near = get_close_matches(topic, published, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    if published:
        return f"; images are published on {', '.join(sorted(published)[:4])}"
    return "; no images are published at all, as far as this node sees"


def _publishers(node: Node, topic: str, kind: str | None = None) -> list[str]:
    """The nodes, other than this one, that publish a topic."""
    return [
        _name(each)
        for each in node.get_publishers_info_by_topic(topic)
        if kind in (None, each.topic_type) and _name(each) != node.get_fully_qualified_name()
    ]


def _name(endpoint: Any) -> str:
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"
