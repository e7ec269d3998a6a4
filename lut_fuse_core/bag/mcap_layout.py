"""Where everything lies in an MCAP file, whole or damaged, indexed or not.

The summary at the end of a file is used as far as it goes. What it does not account for is found
by walking over the records themselves, reading only their headers where that is enough.
Source: MCAP file format specification, https://mcap.dev/spec.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    Channel,
    ChunkIndex,
    Metadata,
    Schema,
    Statistics,
)

MAGIC = b"\x89MCAP0\r\n"
LONGEST_RECORD = 1 << 30
"""Most bytes of a record, or of a chunk's content, that are believed."""

RECORD = struct.Struct("<BQ")
"""Kind and length of a record, in front of its content."""

MESSAGE = struct.Struct("<HIQQ")
"""Channel, sequence, times of recording and publication of a message, in front of its data."""

CHUNK = struct.Struct("<QQQII")
"""First and last time, size, checksum and length of the compression's name, in front of that."""

_FOOTER = struct.Struct("<BQQQI8s")
_INDEX = struct.Struct("<HI")


class DamagedError(Exception):
    """Something in the file is damaged or missing; the text says what, and where."""


@dataclass(frozen=True)
class ChunkPlace:
    """Where a chunk lies.

    Attributes:
        start: Time of its first message, nanoseconds since 1970.
        offset: Where the content of its record begins in the file, in bytes.
        length: Length of that content, in bytes.
        channels: Numbers of the channels with messages in it; None if unknown.
    """

    start: int
    offset: int
    length: int
    channels: frozenset[int] | None


@dataclass(frozen=True)
class MessagePlace:
    """Where a message outside of chunks lies.

    Attributes:
        time: When it was recorded, nanoseconds since 1970.
        channel: Number of its channel.
        offset: Where the content of its record begins in the file, in bytes.
        length: Length of that content, in bytes.
    """

    time: int
    channel: int
    offset: int
    length: int


@dataclass
class Layout:
    """Where everything lies.

    Attributes:
        chunks: The chunks, in the order of the file.
        messages: The messages outside of chunks, in the order of the file.
        attachments: Offset and length of the content of each attachment's record.
        metadata: The same of metadata records.
        schemas: Schemas by number; those inside of chunks are added when the chunks are opened.
        channels: Channels by number, likewise.
        counts: Number of messages by channel; None while those in chunks are not counted.
        closed: Whether the file ends as a recorder ends it.
        damage: The first damage that was met; None if there is none.
    """

    chunks: list[ChunkPlace] = field(default_factory=list)
    messages: list[MessagePlace] = field(default_factory=list)
    attachments: list[tuple[int, int]] = field(default_factory=list)
    metadata: list[tuple[int, int]] = field(default_factory=list)
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: Counter[int] | None = field(default_factory=Counter)
    closed: bool = False
    damage: str | None = None


def read_at(file: int, offset: int, length: int) -> bytes:
    """Read bytes of a file.

    Args:
        file: Descriptor of the file.
        offset: Where to begin, in bytes.
        length: How many bytes.

    Returns:
        All of these bytes.

    Raises:
        DamagedError: If they are missing, or more than `LONGEST_RECORD`.
    """
    if length > LONGEST_RECORD:
        raise DamagedError(f"a record of {length} bytes at byte {offset}")
    data = os.pread(file, length, offset)
    while len(data) < length:  # one call may return less, at most 2 GB
        more = os.pread(file, length - len(data), offset + len(data))
        if not more:
            raise DamagedError(f"it breaks off at byte {offset + len(data)}")
        data += more
    return data


def read_record(kind: Any, data: bytes | memoryview) -> Any:
    """Parse a record with the mcap package.

    Args:
        kind: Class of the record.
        data: Its content.

    Returns:
        The record.

    Raises:
        DamagedError: If the content is no such record.
    """
    try:
        return kind.read(ReadDataStream(BytesIO(data)))
    # The package reads strings, sizes and maps as they come, and fails in as many ways.
    except Exception as error:
        raise DamagedError(f"a damaged {kind.__name__.lower()} record") from error


def find_layout(file: int) -> Layout:
    """Find where everything lies in an open MCAP file.

    Args:
        file: Descriptor of the file.

    Returns:
        The layout, which notes damage.

    Raises:
        DamagedError: If it does not begin like an MCAP file.
    """
    size = os.fstat(file).st_size
    if os.pread(file, len(MAGIC), 0) != MAGIC:
        raise DamagedError("it does not begin like an MCAP file" if size else "it is empty")
    layout = Layout()
    summary_start, end = _footer(file, size, layout)
    indexed: list[ChunkIndex] = []
    statistics: Statistics | None = None
    if summary_start:
        try:
            indexed, statistics = _read_summary(file, summary_start, end, layout)
            end = summary_start
        except DamagedError:
            indexed, statistics = [], None
            layout.schemas.clear()
            layout.channels.clear()
    here = len(MAGIC)
    for index in sorted(indexed, key=lambda each: each.chunk_start_offset):
        _walk(file, here, index.chunk_start_offset, layout)
        _add_indexed(index, layout)
        here = index.chunk_start_offset + index.chunk_length + index.message_index_length
    _walk(file, here, end, layout)
    _count(indexed, statistics, layout)
    return layout


def _footer(file: int, size: int, layout: Layout) -> tuple[int, int]:
    """Where the summary begins, 0 without one, and where the records end."""
    start = size - _FOOTER.size
    if start > 0:
        kind, length, summary, _, _, magic = _FOOTER.unpack(os.pread(file, _FOOTER.size, start))
        if (kind, length, magic) == (Opcode.FOOTER, 20, MAGIC):
            layout.closed = True
            return (summary if len(MAGIC) < summary < start else 0), start
    layout.damage = "the recording was not closed, or the file is truncated"
    return 0, size


def _read_summary(
    file: int, start: int, end: int, layout: Layout
) -> tuple[list[ChunkIndex], Statistics | None]:
    data = memoryview(read_at(file, start, end - start))
    indexed, statistics, here = [], None, 0
    while here + RECORD.size <= len(data):
        kind, length = RECORD.unpack_from(data, here)
        content = data[here + RECORD.size :][:length]
        here += RECORD.size + length
        if here > len(data):
            raise DamagedError("a damaged summary")
        if kind == Opcode.SCHEMA:
            add_schema(layout, read_record(Schema, content))
        elif kind == Opcode.CHANNEL:
            add_channel(layout, read_record(Channel, content))
        elif kind == Opcode.STATISTICS:
            statistics = read_record(Statistics, content)
        elif kind == Opcode.CHUNK_INDEX:
            index = read_record(ChunkIndex, content)
            if (
                index.chunk_length < RECORD.size + CHUNK.size
                or not 0 < index.chunk_start_offset <= start - index.chunk_length
            ):
                raise DamagedError("a damaged summary")
            indexed.append(index)
    return indexed, statistics


def add_schema(layout: Layout, schema: Schema) -> None:
    """Add a schema; of several with one number the first counts."""
    layout.schemas.setdefault(schema.id, schema)


def add_channel(layout: Layout, channel: Channel) -> None:
    """Add a channel; of several with one number the first counts."""
    layout.channels.setdefault(channel.id, channel)


def _add_indexed(index: ChunkIndex, layout: Layout) -> None:
    layout.chunks.append(
        ChunkPlace(
            index.message_start_time,
            index.chunk_start_offset + RECORD.size,
            index.chunk_length - RECORD.size,
            # Without a message index the channels are unknown.
            frozenset(index.message_index_offsets) or None,
        )
    )


def _walk(file: int, start: int, end: int, layout: Layout) -> None:
    """Note every record between two places."""
    here = start
    try:
        while here < end:
            kind, length = RECORD.unpack(read_at(file, here, RECORD.size))
            content = here + RECORD.size
            if content + length > end or not kind:
                if kind == Opcode.CHUNK and end - content > CHUNK.size:
                    # What is there of a truncated chunk can be read.
                    _note(file, kind, content, end - content, layout)
                raise DamagedError(f"it breaks off at byte {here}")
            if kind == Opcode.FOOTER and os.pread(file, 8, content + length) == MAGIC:
                # The file ends here, whatever was appended to it since.
                layout.closed, layout.damage = True, None
                return
            _note(file, kind, content, length, layout)
            here = content + length
    except DamagedError as error:
        layout.damage = _first(layout.damage, str(error), layout.closed)


def _first(known: str | None, found: str, closed: bool) -> str:
    """The damage to report: where it is says more than that the end is missing."""
    return found if known is None or not closed else known


def _note(file: int, kind: int, content: int, length: int, layout: Layout) -> None:
    if kind == Opcode.SCHEMA:
        add_schema(layout, read_record(Schema, read_at(file, content, length)))
    elif kind == Opcode.CHANNEL:
        add_channel(layout, read_record(Channel, read_at(file, content, length)))
    elif kind == Opcode.MESSAGE:
        if length < MESSAGE.size:
            layout.damage = layout.damage or f"a damaged message at byte {content}"
            return
        channel, _, time, _ = MESSAGE.unpack(read_at(file, content, MESSAGE.size))
        layout.messages.append(MessagePlace(time, channel, content, length))
    elif kind == Opcode.CHUNK:
        if length < CHUNK.size:
            raise DamagedError(f"a damaged chunk at byte {content}")
        first, *_ = CHUNK.unpack(read_at(file, content, CHUNK.size))
        layout.chunks.append(ChunkPlace(first, content, length, None))
    elif kind == Opcode.MESSAGE_INDEX and layout.chunks:
        _add_message_index(read_at(file, content, length), layout)
    elif kind == Opcode.ATTACHMENT:
        layout.attachments.append((content, length))
    elif kind == Opcode.METADATA:
        layout.metadata.append((content, length))


def _add_message_index(data: bytes, layout: Layout) -> None:
    """Note that a channel has messages in the chunk before."""
    if len(data) < _INDEX.size:
        raise DamagedError("a damaged message index")
    channel, size = _INDEX.unpack_from(data)
    chunk = layout.chunks[-1]
    if size:
        known = (chunk.channels or frozenset()) | {channel}
        layout.chunks[-1] = replace(chunk, channels=known)


def _count(indexed: list[ChunkIndex], statistics: Statistics | None, layout: Layout) -> None:
    """Set the number of messages by channel, from the statistics if they cover all chunks."""
    alone = Counter(each.channel for each in layout.messages)
    if statistics is None:
        layout.counts = None if layout.chunks else alone
        return
    counts = Counter(
        {key: count for key, count in statistics.channel_message_counts.items() if count}
    )
    complete = len(layout.chunks) == statistics.chunk_count
    layout.counts = counts if complete and counts.total() == statistics.message_count else None


def attachment_at(file: int, place: tuple[int, int]) -> Attachment:
    """Read an attachment.

    Args:
        file: Descriptor of the file.
        place: Offset and length of its record's content, in bytes.

    Returns:
        The attachment, all in memory.

    Raises:
        DamagedError: If there is none at that place, or it has more than `LONGEST_RECORD` bytes.
    """
    return read_record(Attachment, read_at(file, *place))


def metadata_at(file: int, place: tuple[int, int]) -> Metadata:
    """Read a metadata record.

    Args:
        file: Descriptor of the file.
        place: Offset and length of its content, in bytes.

    Returns:
        The record.

    Raises:
        DamagedError: If there is none at that place.
    """
    return read_record(Metadata, read_at(file, *place))
