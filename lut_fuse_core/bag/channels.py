"""The topics and messages of a bag, whatever it is stored in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

QOS_KEY = "offered_qos_profiles"
"""Key of the quality of service in the metadata of an MCAP channel, as rosbag2 writes it."""

_DDS_NAME = re.compile(r"(\w+)::(\w+)::dds_::(\w+?)_")


@dataclass(frozen=True)
class Channel:
    """A topic of one publisher, as it was recorded; a topic may consist of several channels.

    Attributes:
        topic: Name of the topic.
        schema: Name of the message type as the bag spells it, e.g. ``sensor_msgs/msg/Image``.
        encoding: How messages are serialized: ``cdr``, ``ros1``, ``json``, ``protobuf``.
        definition_encoding: Language of the definition, e.g. ``ros2msg``; empty without one.
        definition: Definition of the message type, as recorded; not necessarily UTF-8.
        metadata: Keys and values of the channel, the quality of service among them.
        digest: ROS 2's hash of the type; empty where the bag has none.
    """

    topic: str
    schema: str
    encoding: str = "cdr"
    definition_encoding: str = ""
    definition: bytes = b""
    metadata: tuple[tuple[str, str], ...] = ()
    digest: str = ""

    @cached_property
    def kind(self) -> str:
        """The message type as ROS 2 spells it, e.g. ``sensor_msgs/msg/Image``."""
        dds = _DDS_NAME.fullmatch(self.schema)
        if dds is not None:
            return "/".join(dds.groups())
        if self.encoding == "cdr" and self.schema.count("/") == 1:
            package, _, name = self.schema.partition("/")
            return f"{package}/msg/{name}"
        return self.schema

    @property
    def qos(self) -> str:
        """The offered quality of service, as the recorder wrote it; empty without it."""
        return dict(self.metadata).get(QOS_KEY, "")


class Message(NamedTuple):
    """A recorded message.

    Attributes:
        channel: Its channel.
        recorded: When it was recorded, nanoseconds since 1970.
        data: Its serialized content.
        published: When it was sent, nanoseconds since 1970; `recorded` where that is unknown.
        sequence: Its number in the channel; 0 where that is unknown.
    """

    channel: Channel
    recorded: int
    data: bytes | memoryview
    published: int
    sequence: int = 0


@dataclass(frozen=True)
class Topic:
    """The channels of one name, type and serialization, taken together.

    Attributes:
        channels: At least one, in the order in which the bag lists them.
        count: Number of messages.
    """

    channels: tuple[Channel, ...]
    count: int

    @property
    def name(self) -> str:
        """The topic's name."""
        return self.channels[0].topic

    @property
    def kind(self) -> str:
        """Its message type, see `Channel.kind`."""
        return self.channels[0].kind

    @property
    def encoding(self) -> str:
        """How its messages are serialized."""
        return self.channels[0].encoding

    def __str__(self) -> str:
        schema = self.channels[0].schema or "no type"
        unit = "message" if self.count == 1 else "messages"
        return f"{self.name} ({schema}, {self.encoding or 'no'} encoding, {self.count} {unit})"


def topics_of(counts: dict[Channel, int]) -> list[Topic]:
    """Group channels into topics.

    Args:
        counts: Number of messages by channel.

    Returns:
        The topics, in the order of their first channels.
    """
    found: dict[tuple[str, str, str], list[Channel]] = {}
    for channel in counts:
        found.setdefault((channel.topic, channel.kind, channel.encoding), []).append(channel)
    return [Topic(tuple(each), sum(counts[one] for one in each)) for each in found.values()]


def describe_topics(topics: Sequence[Topic]) -> str:
    """List topics in a sentence, the first 12 of many.

    Args:
        topics: The topics.

    Returns:
        The list; ``nothing`` if there are none.
    """
    most = 12
    names = [str(topic) for topic in topics[:most]]
    if len(topics) > most:
        names.append(f"and {len(topics) - most} more")
    return "; ".join(names) or "nothing"
