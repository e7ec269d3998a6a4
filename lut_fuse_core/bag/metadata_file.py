"""metadata.yaml, which makes a folder a rosbag2."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lut_fuse_core.bag.block_yaml import as_yaml
from lut_fuse_core.bag.channels import Channel, topics_of
from lut_fuse_core.bag.definitions import type_hash
from lut_fuse_core.bag.quality import numbered_text, profiles

OLDEST, NEWEST = 8, 9
"""Versions that are written: the first with hashes of types; the first that spells out the quality
of service, which readers of older ROS cannot read."""


@dataclass
class Contents:
    """What was written to a bag so far.

    Attributes:
        storage: ``mcap`` or ``sqlite3``.
        file: Name of its only file.
        version: Version of the metadata, `OLDEST` or `NEWEST`.
        counts: Number of messages by channel.
        start: Earliest time of recording, nanoseconds since 1970; the largest int64 without any.
        end: Latest time of recording, nanoseconds since 1970; 0 without any.
        custom_data: Entries that the user of the recorder added.
    """

    storage: str
    file: str
    version: int
    counts: dict[Channel, int] = field(default_factory=dict)
    start: int = (1 << 63) - 1
    end: int = 0
    custom_data: dict[str, str] = field(default_factory=dict)

    def add(self, channel: Channel, time: int) -> None:
        """Count a message.

        Args:
            channel: One in `counts`.
            time: When it was recorded, nanoseconds since 1970.
        """
        self.counts[channel] += 1
        self.start, self.end = min(self.start, time), max(self.end, time)


def bag_information(contents: Contents) -> dict[str, Any]:
    """The value of ``rosbag2_bagfile_information``, the one entry of metadata.yaml.

    Args:
        contents: The bag.
    """
    count = sum(contents.counts.values())
    times = {
        "starting_time": {"nanoseconds_since_epoch": contents.start},
        "duration": {"nanoseconds": max(0, contents.end - contents.start)},
        "message_count": count,
    }
    return {
        "version": contents.version,
        "storage_identifier": contents.storage,
        "relative_file_paths": [contents.file],
        **times,
        "topics_with_message_count": [
            {
                "topic_metadata": _topic(topic.channels[0], contents.version),
                "message_count": topic.count,
            }
            for topic in topics_of(contents.counts)
        ],
        "compression_format": "",
        "compression_mode": "",
        "files": [{"path": contents.file, **times}],
        "custom_data": contents.custom_data or None,
        "ros_distro": "lut_fuse",
    }


def write_metadata(folder: Path, contents: Contents) -> None:
    """Write metadata.yaml.

    Args:
        folder: Folder of the bag.
        contents: The bag.

    Raises:
        OSError: If it cannot be written.
    """
    content = {"rosbag2_bagfile_information": bag_information(contents)}
    (folder / "metadata.yaml").write_text(as_yaml(content), "utf-8")


def _topic(channel: Channel, version: int) -> dict[str, Any]:
    spelled_out = version >= NEWEST
    return {
        "name": channel.topic,
        "type": channel.schema,
        "serialization_format": channel.encoding,
        "offered_qos_profiles": (profiles if spelled_out else numbered_text)(channel.qos),
        "type_description_hash": type_hash(channel),
    }
