"""Bags made for tests, and readers of bags that share no code with the writer under test."""

from __future__ import annotations

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_HUMBLE)
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"
TEXT = "std_msgs/msg/String"
MILLI = 1_000_000
START = 1_700_000_000_000_000_000
NEVER = QosTime(2147483647, 4294967295)
BEST_EFFORT = Qos(
    QosHistory.KEEP_LAST,
    5,
    QosReliability.BEST_EFFORT,
    QosDurability.VOLATILE,
    NEVER,
    NEVER,
    QosLiveliness.AUTOMATIC,
    NEVER,
    False,
)


@dataclass(frozen=True)
class Entry:
    """One message to write: topic, type, when recorded (ns), content."""

    topic: str
    kind: str
    recorded: int
    data: bytes


def header(stamp: int, frame: str = "camera") -> Any:
    time = STORE.types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
    return STORE.types["std_msgs/msg/Header"](stamp=time, frame_id=frame)


def image(topic: str, pixels: np.ndarray, encoding: str, stamp: int, **changes: Any) -> Entry:
    """An image message; `changes` replace its fields."""
    fields = {
        "header": header(stamp, topic.split("/")[1] + "_frame"),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "encoding": encoding,
        "is_bigendian": 0,
        "step": pixels.strides[0],
        "data": np.frombuffer(pixels.tobytes(), np.uint8),
    }
    message = STORE.types[IMAGE](**{**fields, **changes})
    return Entry(topic, IMAGE, stamp + 3 * MILLI, bytes(STORE.serialize_cdr(message, IMAGE)))


def compressed(topic: str, name: str, data: bytes, stamp: int) -> Entry:
    message = STORE.types[COMPRESSED](
        header=header(stamp), format=name, data=np.frombuffer(data, np.uint8)
    )
    return Entry(
        topic, COMPRESSED, stamp + 3 * MILLI, bytes(STORE.serialize_cdr(message, COMPRESSED))
    )


def info(topic: str, stamp: int, focal: float) -> Entry:
    message = STORE.types[INFO](
        header=header(stamp, "visible_frame"),
        height=48,
        width=64,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array([focal, 0, 32, 0, focal, 24, 0, 0, 1.0]),
        r=np.eye(3).reshape(-1),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=STORE.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False),
    )
    return Entry(topic, INFO, stamp + 4 * MILLI, bytes(STORE.serialize_cdr(message, INFO)))


def text(topic: str, words: str, recorded: int) -> Entry:
    message = STORE.types[TEXT](data=words)
    return Entry(topic, TEXT, recorded, bytes(STORE.serialize_cdr(message, TEXT)))


def write(
    path: Path,
    entries: Iterable[Entry],
    storage: str = "mcap",
    version: int = 8,
    compression: CompressionMode = CompressionMode.NONE,
) -> Path:
    """A bag with these messages, topics offered as best effort."""
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    writer = Writer(path, version=version, storage_plugin=plugin)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        topics = {}
        for entry in entries:
            if entry.topic not in topics:
                topics[entry.topic] = writer.add_connection(
                    entry.topic, entry.kind, typestore=STORE, offered_qos_profiles=[BEST_EFFORT]
                )
            writer.write(topics[entry.topic], entry.recorded, entry.data)
    return path


@dataclass(frozen=True)
class Read:
    """A message as an independent reader found it."""

    recorded: int
    data: bytes
    message: Any


def read_mcap(bag: Path, *topics: str) -> dict[str, list[Read]]:
    """All messages (of some topics) by topic, through Foxglove's own reader and decoder."""
    found = defaultdict(list)
    (file,) = bag.glob("*.mcap")
    with file.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        for _, channel, raw, decoded in reader.iter_decoded_messages(topics or None):
            found[channel.topic].append(Read(raw.log_time, raw.data, decoded))
    return found


def read_mcap_qos(bag: Path) -> dict[str, str]:
    (file,) = bag.glob("*.mcap")
    with file.open("rb") as stream:
        channels = make_reader(stream).get_summary().channels.values()
    return {channel.topic: channel.metadata["offered_qos_profiles"] for channel in channels}


def read_sqlite(bag: Path) -> dict[str, list[Read]]:
    """All messages by topic, through Python's sqlite3 and a decoder of images in this file."""
    found = defaultdict(list)
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as database:
        rows = database.execute(
            "SELECT name, type, timestamp, data FROM messages JOIN topics "
            "ON topics.id = topic_id ORDER BY timestamp, messages.id"
        )
        for name, kind, recorded, data in rows:
            decoded = decode_image(data) if kind == IMAGE else None
            found[name].append(Read(recorded, data, decoded))
    database.close()
    return found


@dataclass(frozen=True)
class PlainImage:
    """What `decode_image` finds in an Image message."""

    stamp: int
    frame: str
    height: int
    width: int
    encoding: str
    step: int
    data: bytes


def decode_image(data: bytes) -> PlainImage:
    """A little-endian CDR image message, decoded by hand."""
    body, at = data[4:], 0

    def number() -> int:
        nonlocal at
        at = -(-at // 4) * 4 + 4
        return struct.unpack_from("<I", body, at - 4)[0]

    def string() -> str:
        nonlocal at
        length = number()
        at += length
        return body[at - length : at - 1].decode()

    stamp = number() * 10**9 + number()
    frame, height, width, encoding = string(), number(), number(), string()
    at += 1  # is_bigendian
    step = number()
    length = number()
    return PlainImage(stamp, frame, height, width, encoding, step, body[at : at + length])
