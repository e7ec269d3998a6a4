"""What can still be read of a bag file whose end, index or pages are missing.

A recorder that was killed, a full disk or an interrupted copy leave such files. Their beginning is
read in the order of recording, up to the first thing that makes no sense.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mcap.records import Channel, Footer, Schema
from mcap.records import Message as McapMessage
from mcap.stream_reader import StreamReader
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.rosbag2.metadata import parse_qos

from lut_fuse_core.errors import InputError

_FORMATS = {
    "ros2msg": MessageDefinitionFormat.MSG,
    "ros2idl": MessageDefinitionFormat.IDL,
}
_RECORD_LIMIT = 1 << 30
"""Longest record in bytes that is believed."""


class SalvagedMcap:
    """An MCAP file without its end. Raises InputError if it is no MCAP file at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damage: str | None = None
        self.whole = False
        self._connections: dict[int, Connection] = {}
        counts = Counter(connection.id for connection, _, _ in self.messages())
        self.message_count = sum(counts.values())
        self.connections = [
            each._replace(msgcount=counts[each.id]) for each in self._connections.values()
        ]

    def __enter__(self) -> SalvagedMcap:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def messages(self) -> Iterator[tuple[Connection, int, bytes]]:
        """All messages up to the damage, in the order of recording."""
        schemas: dict[int, Schema] = {}
        with self._path.open("rb") as stream:
            records = StreamReader(stream, record_size_limit=_RECORD_LIMIT).records
            while True:
                try:
                    record = next(records)
                except StopIteration:
                    return
                # A cut record fails as an end of file, a bad length, bad UTF-8, a bad chunk...
                except Exception as error:
                    self.damage = f"it breaks off at byte {stream.tell()} ({type(error).__name__})"
                    return
                self.whole = isinstance(record, Footer)
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    self._add(record, schemas.get(record.schema_id))
                elif isinstance(record, McapMessage) and record.channel_id in self._connections:
                    yield self._connections[record.channel_id], record.log_time, record.data

    def _add(self, channel: Channel, schema: Schema | None) -> None:
        definition = MessageDefinition(MessageDefinitionFormat.NONE, "")
        if schema is not None and schema.encoding in _FORMATS:
            definition = MessageDefinition(_FORMATS[schema.encoding], schema.data.decode())
        qos = parse_qos(channel.metadata.get("offered_qos_profiles", ""))
        self._connections[channel.id] = Connection(
            channel.id,
            channel.topic,
            schema.name if schema is not None else "",
            definition,
            "",
            0,
            ConnectionExtRosbag2(channel.message_encoding, qos),
            self,
        )


class SalvagedSqlite:
    """An sqlite3 bag with missing pages. Raises InputError if its beginning is missing too."""

    def __init__(self, path: Path) -> None:
        self.damage: str | None = None
        # With a write-ahead log beside it, the newest messages are there, and sqlite reads both.
        logged = path.with_name(path.name + "-wal").exists()
        options = "mode=ro" if logged else "mode=ro&immutable=1"
        self._database = sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True)
        try:
            # Otherwise sqlite refuses a file that is shorter than its header says.
            self._database.execute("PRAGMA writable_schema=ON")
            self._connections = self._read_topics()
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise InputError(f"{path} holds no readable bag: {error}") from error
        counts: Counter[int] = Counter()
        for (topic,) in self._rows("SELECT topic_id FROM messages ORDER BY id"):
            counts[topic] += 1
        self.message_count = sum(counts.values())
        self.whole = self.damage is None
        self.connections = [
            each._replace(msgcount=counts[each.id]) for each in self._connections.values()
        ]

    def __enter__(self) -> SalvagedSqlite:
        return self

    def __exit__(self, *error: object) -> None:
        self._database.close()

    def messages(self) -> Iterator[tuple[Connection, int, bytes]]:
        """All messages up to the damage, in the order of recording."""
        for topic, time, data in self._rows(
            "SELECT topic_id, timestamp, data FROM messages ORDER BY id"
        ):
            if topic in self._connections:
                yield self._connections[topic], time, data

    def _rows(self, query: str) -> Iterator[tuple]:  # type: ignore[type-arg]
        try:
            yield from self._database.execute(query)
        except sqlite3.DatabaseError as error:
            self.damage = str(error)

    def _read_topics(self) -> dict[int, Connection]:
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(topics)")}
        qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        digest = "type_description_hash" if "type_description_hash" in columns else "''"
        definitions = self._read_definitions()
        none = MessageDefinition(MessageDefinitionFormat.NONE, "")
        return {
            number: Connection(
                number,
                name,
                kind,
                definitions.get(kind, none),
                hashed,
                0,
                ConnectionExtRosbag2(serialization, parse_qos(profiles)),
                self,
            )
            for number, name, kind, serialization, profiles, hashed in self._database.execute(
                f"SELECT id, name, type, serialization_format, {qos}, {digest} FROM topics"
            )
        }

    def _read_definitions(self) -> dict[str, MessageDefinition]:
        tables = self._database.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'message_definitions'"
        )
        if tables.fetchone() is None:
            return {}
        rows = self._database.execute(
            "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        )
        return {
            kind: MessageDefinition(_FORMATS[encoding], text)
            for kind, encoding, text in rows
            if encoding in _FORMATS
        }
