"""Writes the database of an sqlite3 bag, as rosbag2 lays it out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lut_fuse_core.bag.block_yaml import as_yaml
from lut_fuse_core.bag.channels import Channel
from lut_fuse_core.bag.definitions import type_hash
from lut_fuse_core.bag.mcap_writer import Part
from lut_fuse_core.bag.metadata_file import Contents, bag_information
from lut_fuse_core.errors import LutFuseError

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
CREATE TABLE metadata(
  id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE topics(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
  serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL,
  type_description_hash TEXT NOT NULL);
CREATE TABLE message_definitions(
  id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, encoding TEXT NOT NULL,
  encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL);
CREATE TABLE messages(
  id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,
  data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
INSERT INTO schema(schema_version, ros_distro) VALUES (4, 'lut_fuse');
"""


class SqliteWriter:
    """Takes channels and messages; `close` completes the database.

    The database needs no journal: until it is complete, nobody reads it.

    Args:
        path: The database to write; it must not exist.
        contents: Facts about the bag, kept up to date by the caller until `close`.

    Attributes:
        simplified: What the database could not hold as it was: further definitions of a type, and
            definitions that are not UTF-8.

    Raises:
        LutFuseError: If it cannot be written; so do all methods.
    """

    def __init__(self, path: Path, contents: Contents) -> None:
        self._contents = contents
        self.simplified: list[str] = []
        self._topics: dict[Channel, int] = {}
        self._names: dict[tuple[str, str, str], int] = {}
        self._definitions: dict[str, bytes] = {}
        # Opened in one thread and used in another, but never in two at once.
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        with _failures():
            self._database.executescript(_TABLES)
            self._database.execute("BEGIN")

    def add_channel(self, channel: Channel) -> None:
        """Add a channel to write to.

        Args:
            channel: With the definition of its type; each is added once.
        """
        name = (channel.topic, channel.schema, channel.encoding)
        if name in self._names:
            self._topics[channel] = self._names[name]
            return
        self._topics[channel] = self._names[name] = number = len(self._names) + 1
        digest = type_hash(channel)
        row = (channel.topic, channel.schema, channel.encoding, channel.qos, digest)
        with _failures():
            self._database.execute("INSERT INTO topics VALUES(?, ?, ?, ?, ?, ?)", (number, *row))
            if channel.definition_encoding:
                self._define(channel, digest)

    def _define(self, channel: Channel, digest: str) -> None:
        known = self._definitions.setdefault(channel.schema, channel.definition)
        if known is not channel.definition and known != channel.definition:
            self.simplified.append(f"a second definition of {channel.schema}")
            return
        text = channel.definition.decode(errors="replace")
        if text.encode() != channel.definition:
            self.simplified.append(f"what is not UTF-8 in the definition of {channel.schema}")
        if known is channel.definition:
            self._database.execute(
                "INSERT INTO message_definitions(topic_type, encoding, encoded_message_definition,"
                " type_description_hash) VALUES(?, ?, ?, ?)",
                (channel.schema, channel.definition_encoding, text, digest),
            )

    def write(
        self, channel: Channel, time: int, parts: Sequence[Part], published: int, sequence: int
    ) -> None:
        """Write a message.

        Args:
            channel: One that was added.
            time: When it was recorded, nanoseconds since 1970.
            parts: Its content in order.
            published: Not used: the database has no place for it.
            sequence: Not used, likewise.
        """
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        with _failures():
            self._database.execute(
                "INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)",
                (self._topics[channel], time, data),
            )

    def close(self) -> None:
        """Complete the database and close it."""
        text = as_yaml(bag_information(self._contents))
        with _failures():
            self._database.execute(
                "INSERT INTO metadata(metadata_version, metadata) VALUES(?, ?)",
                (self._contents.version, text),
            )
            self._database.execute("COMMIT")
            self._database.close()

    def abort(self) -> None:
        """Close the database as it is, incomplete."""
        self._database.close()


@contextmanager
def _failures() -> Iterator[None]:
    """Turn failures of the database in the block into sentences."""
    try:
        yield
    except sqlite3.Error as error:
        raise LutFuseError(f"cannot write the bag: {error}") from error
