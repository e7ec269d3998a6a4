"""The images of one topic of a bag, decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.topics import COMPRESSED
from lut_fuse_core.bag.writer import STORE
from lut_fuse_core.encodings import (
    decode_compressed_infrared,
    decode_compressed_visible,
    decode_infrared,
    decode_visible,
)
from lut_fuse_core.errors import InputError
from lut_fuse_core.features import UInt8Array
from lut_fuse_core.infrared import RawInfrared


def visible_images(bag: Path, topic: str) -> Iterator[UInt8Array]:
    """Colour images in the order of recording, ``(H, W, 3) uint8``, RGB.

    Raises InputError for a topic that is not there or an image that cannot be decoded.
    """
    for message, compressed in _messages(bag, topic):
        yield (decode_compressed_visible if compressed else decode_visible)(message)


def infrared_images(bag: Path, topic: str) -> Iterator[RawInfrared]:
    """Raw infrared images in the order of recording, ``(H, W) uint8 or uint16``. See above."""
    for message, compressed in _messages(bag, topic):
        yield (decode_compressed_infrared if compressed else decode_infrared)(message)


def _messages(bag: Path, topic: str) -> Iterator[tuple[Any, bool]]:
    with BagReader(bag) as reader:
        connections = [each for each in reader.connections if each.topic == topic]
        if not connections:
            raise InputError(f"topic {topic} is not in the bag {bag}")
        for connection, _, data in reader.messages(connections):
            message = STORE.deserialize_cdr(data, connection.msgtype)
            yield message, connection.msgtype == COMPRESSED
