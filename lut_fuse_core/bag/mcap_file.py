"""Reads the messages of an MCAP file in the order of recording, whatever its layout."""

from __future__ import annotations

import heapq
import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import zstandard
from lz4.frame import LZ4FrameDecompressor
from mcap.opcode import Opcode
from mcap.records import Attachment, Metadata
from mcap.records import Channel as ChannelRecord
from mcap.records import Schema as SchemaRecord

from lut_fuse_core.bag.channels import Channel, Message
from lut_fuse_core.bag.mcap_layout import (
    CHUNK,
    LONGEST_RECORD,
    MESSAGE,
    RECORD,
    ChunkPlace,
    DamagedError,
    Layout,
    MessagePlace,
    add_channel,
    add_schema,
    attachment_at,
    find_layout,
    metadata_at,
    read_at,
    read_record,
)
from lut_fuse_core.errors import InputError, one_line

MOST_OF_A_NAME = 20
"""Bytes that are shown of the name of an unknown compression."""

Record = TypeVar("Record", Attachment, Metadata)

_Raw = tuple[int, int, int, int, memoryview]
"""Time of recording, channel number, sequence, time of publication, content."""


class McapFile:
    """An MCAP file.

    Every message that can be read is read: with or without indexes, chunks or a summary, and in the
    order of recording even if the file has another. What is damaged is skipped and noted.

    Args:
        path: The file.

    Attributes:
        path: The file.
        counts: Number of messages by channel.

    Raises:
        InputError: If it cannot be opened, or is no MCAP file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from None
        try:
            self._layout = find_layout(self._file)
            self._complete_catalog()
        except DamagedError as error:
            os.close(self._file)
            raise InputError(f"{path} is no MCAP file that can be read: {error}") from None
        self._channels = {
            number: _channel(record, self._layout)
            for number, record in self._layout.channels.items()
        }
        self.counts: dict[Channel, int] = dict.fromkeys(self._channels.values(), 0)
        for number, count in (self._layout.counts or {}).items():
            if number in self._channels:
                self.counts[self._channels[number]] += count

    @property
    def damage(self) -> str | None:
        """The first damage that was met so far; None if there is none."""
        return self._layout.damage

    @property
    def start(self) -> int:
        """When the first message was recorded, nanoseconds since 1970; 0 without messages."""
        return min(
            [each.start for each in self._layout.chunks]
            + [each.time for each in self._layout.messages],
            default=0,
        )

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def messages(self, wanted: Collection[Channel]) -> Iterator[Message]:
        """The messages of some channels.

        Args:
            wanted: The channels.

        Yields:
            The messages in the order of recording.
        """
        channels = {number: each for number, each in self._channels.items() if each in wanted}
        sources: list[tuple[int, Callable[[], Iterator[_Raw]]]] = [
            (chunk.start, lambda chunk=chunk: self._sorted_chunk(chunk, channels))  # type: ignore[misc]
            for chunk in self._layout.chunks
            if chunk.channels is None or not chunk.channels.isdisjoint(channels)
        ]
        alone = [each for each in self._layout.messages if each.channel in channels]
        if alone:
            alone.sort(key=lambda each: (each.time, each.offset))
            sources.append((alone[0].time, lambda: self._unchunked(alone)))
        for time, number, sequence, published, data in merge_in_time(sources):
            yield Message(channels[number], time, data, published, sequence)

    def attachments(self) -> Iterator[Attachment]:
        """The attached files; those that cannot be read are noted as damage."""
        return self._intact(attachment_at, self._layout.attachments, "an attachment")

    def metadata(self) -> Iterator[Metadata]:
        """The metadata records, rosbag2's own among them; damaged ones are noted as damage."""
        return self._intact(metadata_at, self._layout.metadata, "metadata")

    def _intact(
        self,
        read: Callable[[int, tuple[int, int]], Record],
        places: Sequence[tuple[int, int]],
        what: str,
    ) -> Iterator[Record]:
        for place in places:
            try:
                record = read(self._file, place)
            except DamagedError as error:
                self._note(f"{error} ({what} at byte {place[0]})")
            else:
                yield record

    def _complete_catalog(self) -> None:
        """Open chunks until every channel with messages is known and its messages are counted."""
        layout = self._layout
        uncounted = layout.counts is None
        counts: Counter[int] = layout.counts or Counter(each.channel for each in layout.messages)
        for chunk in layout.chunks:
            if not uncounted and not self._unknown(counts):
                break
            with suppress(DamagedError):
                for _, number, *_ in self._records(chunk):
                    if uncounted:
                        counts[number] += 1
        layout.counts = counts

    def _unknown(self, numbers: Collection[int]) -> bool:
        """Whether the definition of a channel has not been met yet."""
        channels, schemas = self._layout.channels, self._layout.schemas
        return any(
            number not in channels or channels[number].schema_id not in {0, *schemas}
            for number in numbers
        )

    def _sorted_chunk(self, chunk: ChunkPlace, wanted: Collection[int]) -> Iterator[_Raw]:
        found = []
        try:
            for message in self._records(chunk):
                if message[1] in wanted:
                    found.append(_own(message))
        except DamagedError as error:
            self._note(f"{error} (the chunk at byte {chunk.offset})")
        found.sort(key=lambda message: message[0])
        return iter(found)

    def _unchunked(self, places: Sequence[MessagePlace]) -> Iterator[_Raw]:
        for place in places:
            try:
                data = memoryview(read_at(self._file, place.offset, place.length))
            except DamagedError as error:
                self._note(str(error))
                continue
            number, sequence, time, published = MESSAGE.unpack_from(data)
            yield time, number, sequence, published, data[MESSAGE.size :]

    def _records(self, chunk: ChunkPlace) -> Iterator[_Raw]:
        """The messages of a chunk; definitions in it are noted. Raises DamagedError."""
        data = self._content(chunk)
        here, end = 0, len(data)
        while here < end:
            if here + RECORD.size > end:
                raise DamagedError("a damaged chunk")
            kind, length = RECORD.unpack_from(data, here)
            here += RECORD.size
            if here + length > end or not kind:
                raise DamagedError("a damaged chunk")
            if kind == Opcode.MESSAGE and length >= MESSAGE.size:
                number, sequence, time, published = MESSAGE.unpack_from(data, here)
                yield time, number, sequence, published, data[here + MESSAGE.size : here + length]
            elif kind == Opcode.SCHEMA:
                add_schema(self._layout, read_record(SchemaRecord, data[here : here + length]))
            elif kind == Opcode.CHANNEL:
                add_channel(self._layout, read_record(ChannelRecord, data[here : here + length]))
            here += length

    def _content(self, chunk: ChunkPlace) -> memoryview:
        data = memoryview(read_at(self._file, chunk.offset, chunk.length))
        if len(data) < CHUNK.size:
            raise DamagedError("a damaged chunk")
        _, _, size, checksum, name_length = CHUNK.unpack_from(data)
        at = CHUNK.size + name_length
        if at + 8 > len(data):
            raise DamagedError("a damaged chunk")
        compression = bytes(data[CHUNK.size : at])
        (stored,) = struct.unpack_from("<Q", data, at)
        packed = data[at + 8 : at + 8 + stored]
        if size > LONGEST_RECORD:
            raise DamagedError("a damaged chunk")
        content = _decompressed(packed, compression, size)
        whole = len(packed) == stored and len(content) == size
        if whole and checksum and zlib.crc32(content) != checksum:
            raise DamagedError("a damaged chunk")
        return content  # of a truncated chunk, what is there

    def _note(self, damage: str) -> None:
        self._layout.damage = self._layout.damage or damage


def merge_in_time(
    sources: Sequence[tuple[int, Callable[[], Iterator[_Raw]]]],
) -> Iterator[_Raw]:
    """Merge the messages of several sources.

    Args:
        sources: Time of the first message, and how to open each source, whose messages are in the
            order of time. A source is opened when its time has come and dropped at its end, so that
            few are open at once.

    Yields:
        The messages of all in the order of time.
    """
    waiting = sorted(range(len(sources)), key=lambda index: sources[index][0], reverse=True)
    open_sources: list[tuple[int, int, _Raw, Iterator[_Raw]]] = []

    def push(index: int, source: Iterator[_Raw]) -> None:
        message = next(source, None)
        if message is not None:
            heapq.heappush(open_sources, (message[0], index, message, source))

    while waiting or open_sources:
        while waiting and (not open_sources or sources[waiting[-1]][0] <= open_sources[0][0]):
            index = waiting.pop()
            push(index, sources[index][1]())
        if open_sources:
            _, index, message, source = heapq.heappop(open_sources)
            yield message
            push(index, source)


def _own(message: _Raw) -> _Raw:
    """A message; copied out of its chunk if it would keep much more memory than its own."""
    *head, data = message
    if len(data) * 4 > len(data.obj):  # type: ignore[arg-type]
        return message
    return (*head, memoryview(bytes(data)))  # type: ignore[return-value]


def _decompressed(packed: memoryview, compression: bytes, size: int) -> memoryview:
    try:
        if compression == b"":
            return packed
        if compression == b"zstd":
            reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
            return memoryview(reader.read(size))
        if compression == b"lz4":
            return memoryview(LZ4FrameDecompressor().decompress(packed, max_length=size))
    except (zstandard.ZstdError, RuntimeError, EOFError, MemoryError) as error:
        raise DamagedError("a damaged chunk") from error
    name = one_line(bytes(compression[:MOST_OF_A_NAME]).decode(errors="replace"))
    raise DamagedError(f"a chunk compressed as '{name}'")


def _channel(record: ChannelRecord, layout: Layout) -> Channel:
    schema = layout.schemas.get(record.schema_id)
    metadata = tuple(record.metadata.items())
    if schema is None:
        return Channel(record.topic, "", record.message_encoding, metadata=metadata)
    return Channel(
        record.topic,
        schema.name,
        record.message_encoding,
        schema.encoding,
        schema.data,
        metadata,
        dict(metadata).get("topic_type_hash", ""),
    )
