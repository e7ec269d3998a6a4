"""Names of the topics, and those that image_transport derives from them."""

from __future__ import annotations

from rclpy.node import Node

INPUTS = {"visible": "visible/image_raw", "infrared": "infrared/image_raw"}
FUSED = "fused/image"
FUSED_INFO = "fused/camera_info"


def compressed(node: Node, topic: str) -> str:
    """The topic of the compressed images: below the image topic as it was remapped."""
    return f"{node.resolve_topic_name(topic)}/compressed"
