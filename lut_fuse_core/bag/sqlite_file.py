"""Reads the messages of an sqlite3 bag in the order of recording, whole or damaged."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from lut_fuse_core.bag.channels import QOS_KEY, Channel, Message
from lut_fuse_core.errors import InputError

_MESSAGES = "SELECT topic_id, timestamp, data FROM messages"


class SqliteFile:
    """A database of rosbag2.

    Of a database with missing pages, what can be read is read.

    Args:
        path: The database.

    Attributes:
        path: The database.
        counts: Number of messages by channel.
        start: When the first message was recorded, nanoseconds since 1970; 0 without messages.
        damage: The first damage that was met so far; None if there is none.

    Raises:
        InputError: If it cannot be opened, is no database of rosbag2, or its beginning is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: str | None = None
        # A write-ahead log beside it holds the newest messages; sqlite reads both.
        logged = path.with_name(path.name + "-wal").exists()
        options = "mode=ro" if logged else "mode=ro&immutable=1"
        try:
            self._database = sqlite3.connect(
                f"{path.absolute().as_uri()}?{options}", uri=True, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise InputError(f"{path} cannot be read ({error})") from None
        self._database.text_factory = _text
        try:
            # Otherwise sqlite refuses a file that is shorter than its header says.
            self._database.execute("PRAGMA writable_schema=ON")
            self._channels = self._read_topics()
        except (sqlite3.Error, OverflowError, ValueError) as error:
            self._database.close()
            raise InputError(f"{path} is no bag that can be read: {error}") from error
        if not logged:
            self.damage = _truncated(path)
        counts: Counter[int] = Counter()
        self.start, before, self._in_order = 0, None, True
        for topic, time in self._rows("SELECT topic_id, timestamp FROM messages ORDER BY id"):
            if topic not in self._channels or not isinstance(time, int):
                continue
            counts[topic] += 1
            self._in_order = self._in_order and (before is None or before <= time)
            self.start = time if before is None else min(self.start, time)
            before = time
        self.counts: dict[Channel, int] = dict.fromkeys(self._channels.values(), 0)
        for topic, channel in self._channels.items():
            self.counts[channel] += counts[topic]

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def messages(self, wanted: Collection[Channel]) -> Iterator[Message]:
        """The messages of some channels.

        Args:
            wanted: The channels.

        Yields:
            The messages in the order of recording.
        """
        channels = {number: each for number, each in self._channels.items() if each in wanted}
        # Sqlite then leaves out the pages of other topics' messages, which may be large.
        among = f"topic_id IN ({', '.join(map(str, channels))})"
        if self._in_order:
            rows = self._rows(f"{_MESSAGES} WHERE {among} ORDER BY id")
        else:
            rows = self._sorted_rows(among)
        for topic, time, data in rows:
            if topic in channels and isinstance(time, int) and isinstance(data, bytes):
                yield Message(channels[topic], time, data, time)

    def _sorted_rows(self, among: str) -> Iterator[tuple[int, int, bytes]]:
        """Rows in the order of time, one at a time: images are too large for sqlite to sort."""
        query = f"SELECT id, timestamp FROM messages WHERE {among} ORDER BY id"
        order = sorted(
            (time, number) for number, time in self._rows(query) if isinstance(time, int)
        )
        for _, number in order:
            yield from self._rows(f"{_MESSAGES} WHERE id = {int(number)}")

    def _rows(self, query: str) -> Iterator[tuple]:  # type: ignore[type-arg]
        try:
            yield from self._database.execute(query)
        except (sqlite3.Error, OverflowError) as error:
            self.damage = self.damage or str(error)

    def _read_topics(self) -> dict[int, Channel]:
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(topics)")}
        qos = QOS_KEY if QOS_KEY in columns else "''"
        digest = "type_description_hash" if "type_description_hash" in columns else "''"
        definitions = self._read_definitions()
        rows = self._database.execute(
            f"SELECT id, name, type, serialization_format, {qos}, {digest} FROM topics"
        )
        return {
            number: Channel(
                name,
                kind,
                encoding,
                *definitions.get(kind, ("", b"")),
                metadata=((QOS_KEY, str(profiles or "")),),
                digest=str(hashed or ""),
            )
            for number, name, kind, encoding, profiles, hashed in rows
            if all(isinstance(text, str) for text in (name, kind, encoding))
        }

    def _read_definitions(self) -> dict[str, tuple[str, bytes]]:
        tables = self._database.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'message_definitions'"
        )
        if tables.fetchone() is None:
            return {}
        rows = self._database.execute(
            "SELECT topic_type, encoding, CAST(encoded_message_definition AS BLOB) "
            "FROM message_definitions"
        )
        return {
            kind: (str(encoding or ""), bytes(content or b"")) for kind, encoding, content in rows
        }


def _truncated(path: Path) -> str | None:
    """A sentence if a database is shorter than its header says; None if it is not.

    Source: https://www.sqlite.org/fileformat2.html, section 1.3.
    """
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100:
        return "it is truncated"
    page = int.from_bytes(header[16:18], "big")
    expected = int.from_bytes(header[28:32], "big") * (65536 if page == 1 else page)
    size = path.stat().st_size
    return f"it is truncated: {size} of {expected} bytes are there" if size < expected else None


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
