"""Image messages of a bag: looked at, decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection

from lut_fuse_core.arrays import RawInfrared, UInt8Array
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.topics import RAW, ImageTopic
from lut_fuse_core.bag.writer import STORE
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.image_header import encoded_size
from lut_fuse_core.io.ros_messages import infrared_pixels, visible_pixels


def parse_message(connection: Connection, data: bytes) -> Any:
    """The fields of a message from its CDR bytes. Raises InputError for damaged ones."""
    try:
        return STORE.deserialize_cdr(data, connection.msgtype)
    # rosbags promises no particular error for bytes that are no such message.
    except Exception as error:
        raise InputError(f"a message of {connection.topic} is damaged: {error}") from error


def visible_images(bag: Path, topic: str) -> Iterator[UInt8Array]:
    """Color images in the order of recording, ``(H, W, 3) uint8``, RGB.

    Raises InputError for a topic that is not there or an image that cannot be decoded.
    """
    for message in _messages(bag, topic):
        yield visible_pixels(message)


def infrared_images(bag: Path, topic: str) -> Iterator[RawInfrared]:
    """Raw infrared images in the order of recording, ``(H, W) uint8 or uint16``. See above."""
    for message in _messages(bag, topic):
        yield infrared_pixels(message)


def look(reader: BagReader, connection: Connection) -> ImageTopic:
    """What the first image of a topic looks like."""
    for _, _, data in reader.messages([connection]):
        try:
            message = parse_message(connection, data)
        except InputError:
            break
        if connection.msgtype == RAW:
            return ImageTopic(connection, message.encoding, (message.width, message.height))
        return ImageTopic(connection, message.format, encoded_size(message.data))
    return ImageTopic(connection, None, None)


def _messages(bag: Path, topic: str) -> Iterator[Any]:
    with BagReader(bag) as reader:
        connections = [each for each in reader.connections if each.topic == topic]
        if not connections:
            raise InputError(f"topic {topic} is not in the bag {bag}")
        for connection, _, data in reader.messages(connections):
            yield parse_message(connection, data)
