"""Writes an MCAP file without copying the messages in memory.

The mcap package copies every message three times before it reaches the file, which for images takes
longer than writing them.
Source: MCAP file format specification, https://mcap.dev/spec.
"""

from __future__ import annotations

import os
import struct
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    AttachmentIndex,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)
from mcap.records import Channel as ChannelRecord

from lut_fuse_core import __version__
from lut_fuse_core.bag.block_yaml import as_yaml
from lut_fuse_core.bag.channels import Channel
from lut_fuse_core.bag.mcap_layout import MAGIC
from lut_fuse_core.bag.metadata_file import Contents, bag_information

Part = bytes | bytearray | memoryview | Any
"""Contiguous bytes, whatever holds them (an array of uint8, too)."""

CHUNK = 1 << 20
"""Bytes after which a chunk is written."""

MOST_PARTS = 512
"""Parts per call of the system; Linux takes 1024."""

_NO_TIME = ((1 << 63) - 1, 0)
"""Start and end of a chunk without messages."""

_MESSAGE = struct.Struct("<BQHIQQ")
_MESSAGE_HEADER = _MESSAGE.size - 9
_CHUNK = struct.Struct("<BQQQQIIQ")
_INDEX = struct.Struct("<BQHI")


class McapWriter:
    """Takes channels and messages; `close` completes the file.

    Args:
        path: The file to write; it must not exist.
        contents: Facts about the bag, kept up to date by the caller until `close`.

    Raises:
        OSError: If it cannot be written; so do all methods.
    """

    def __init__(self, path: Path, contents: Contents) -> None:
        self._path, self._contents = path, contents
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._position = 0
        self._schemas: dict[tuple[str, str, bytes], Schema] = {}
        self._channels: dict[Channel, ChannelRecord] = {}
        self._chunks: list[ChunkIndex] = []
        self._attachments: list[AttachmentIndex] = []
        self._metadata: list[MetadataIndex] = []
        self._parts: list[Part] = []
        self._size = 0
        self._start, self._end = _NO_TIME
        self._index: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        header = Header("ros2", f"lut_fuse {__version__}")
        self._put([MAGIC, _record(header)])

    def add_channel(self, channel: Channel) -> None:
        """Add a channel to write to.

        Args:
            channel: With the definition of its type; each is added once.
        """
        schema_id = 0
        if channel.schema:
            key = channel.schema, channel.definition_encoding, channel.definition
            schema = self._schemas.get(key)
            if schema is None:
                schema = Schema(
                    id=len(self._schemas) + 1, name=key[0], encoding=key[1], data=key[2]
                )
                self._schemas[key] = schema
                self._append([_record(schema)])
            schema_id = schema.id
        record = ChannelRecord(
            id=len(self._channels) + 1,
            schema_id=schema_id,
            topic=channel.topic,
            message_encoding=channel.encoding,
            metadata=dict(channel.metadata),
        )
        self._channels[channel] = record
        self._append([_record(record)])

    def write(
        self, channel: Channel, time: int, parts: Sequence[Part], published: int, sequence: int
    ) -> None:
        """Write a message.

        Args:
            channel: One that was added.
            time: When it was recorded, nanoseconds since 1970.
            parts: Its content in order; they must not change afterwards.
            published: When it was sent, nanoseconds since 1970.
            sequence: Its number in the channel; 0 if unknown.
        """
        number = self._channels[channel].id
        length = sum(len(part) for part in parts)
        self._index[number].append((time, self._size))
        self._start, self._end = min(self._start, time), max(self._end, time)
        head = _MESSAGE.pack(
            Opcode.MESSAGE, _MESSAGE_HEADER + length, number, sequence, time, published
        )
        self._append([head, *parts])
        if self._size > CHUNK:
            self._end_chunk()

    def attach(self, attachment: Attachment) -> None:
        """Write an attached file."""
        data = _record(attachment)
        self._attachments.append(
            AttachmentIndex(
                offset=self._position,
                length=len(data),
                log_time=attachment.log_time,
                create_time=attachment.create_time,
                data_size=len(attachment.data),
                name=attachment.name,
                media_type=attachment.media_type,
            )
        )
        self._put([data])

    def note(self, metadata: Metadata) -> None:
        """Write a metadata record."""
        data = _record(metadata)
        self._metadata.append(MetadataIndex(self._position, len(data), metadata.name))
        self._put([data])

    def close(self) -> None:
        """Write what is left and the summary, and close the file."""
        self._end_chunk()
        text = as_yaml(bag_information(self._contents))
        self.note(Metadata(name="rosbag2", metadata={"serialized_metadata": text}))
        self._put([_record(DataEnd(0))])
        self._write_summary()
        os.close(self._file)

    def abort(self) -> None:
        """Close the file as it is, incomplete."""
        os.close(self._file)

    def _append(self, parts: Sequence[Part]) -> None:
        self._parts += parts
        self._size += sum(len(part) for part in parts)

    def _end_chunk(self) -> None:
        if not self._parts:
            return
        here, start = self._position, self._start if self._index else 0
        length = _CHUNK.size - 9 + self._size
        head = _CHUNK.pack(Opcode.CHUNK, length, start, self._end, self._size, 0, 0, self._size)
        self._put([head, *self._parts])
        indexed = self._position
        offsets = {}
        for number, entries in self._index.items():
            offsets[number] = self._position
            self._put([_message_index(number, entries)])
        self._chunks.append(
            ChunkIndex(
                chunk_start_offset=here,
                chunk_length=indexed - here,
                message_start_time=start,
                message_end_time=self._end,
                message_index_offsets=offsets,
                message_index_length=self._position - indexed,
                compression="",
                compressed_size=self._size,
                uncompressed_size=self._size,
            )
        )
        self._parts, self._size, self._index = [], 0, defaultdict(list)
        self._start, self._end = _NO_TIME

    def _write_summary(self) -> None:
        start = self._position
        counts = {self._channels[each].id: count for each, count in self._contents.counts.items()}
        total = sum(counts.values())
        statistics = Statistics(
            message_count=total,
            schema_count=len(self._schemas),
            channel_count=len(self._channels),
            attachment_count=len(self._attachments),
            metadata_count=len(self._metadata),
            chunk_count=len(self._chunks),
            message_start_time=self._contents.start if total else 0,
            message_end_time=self._contents.end,
            channel_message_counts=counts,
        )
        groups: list[tuple[Opcode, Sequence[McapRecord]]] = [
            (Opcode.SCHEMA, list(self._schemas.values())),
            (Opcode.CHANNEL, list(self._channels.values())),
            (Opcode.STATISTICS, [statistics]),
            (Opcode.CHUNK_INDEX, self._chunks),
            (Opcode.ATTACHMENT_INDEX, self._attachments),
            (Opcode.METADATA_INDEX, self._metadata),
        ]
        offsets = []
        for kind, records in groups:
            if records:
                here = self._position
                self._put([_record(each) for each in records])
                offsets.append(SummaryOffset(kind, here, self._position - here))
        footer = Footer(start, self._position, 0)
        self._put([*(_record(each) for each in offsets), _record(footer), MAGIC])

    def _put(self, parts: Sequence[Part]) -> None:
        """Write to the file, in several calls where the system takes less at once."""
        try:
            for first in range(0, len(parts), MOST_PARTS):
                batch = [memoryview(part).cast("B") for part in parts[first : first + MOST_PARTS]]
                self._position += sum(len(part) for part in batch)
                while batch:
                    written = os.writev(self._file, batch)
                    while batch and written >= len(batch[0]):
                        written -= len(batch.pop(0))
                    if written:
                        batch[0] = batch[0][written:]
        except OSError as error:
            error.filename = str(self._path)
            raise


def _message_index(channel: int, entries: Sequence[tuple[int, int]]) -> bytes:
    """The record that mcap's `MessageIndex` writes, in a tenth of the time: each chunk has some."""
    numbers = [number for entry in entries for number in entry]
    length = 8 * len(numbers)
    head = _INDEX.pack(Opcode.MESSAGE_INDEX, _INDEX.size - 9 + length, channel, length)
    return head + struct.pack(f"<{len(numbers)}Q", *numbers)


def _record(record: McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    return bytes(builder.end())  # type: ignore[no-untyped-call]
