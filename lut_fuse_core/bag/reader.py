"""Opens a rosbag2, whole or damaged, behind one interface."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lut_fuse_core.bag.salvage import SalvagedMcap, SalvagedSqlite
from lut_fuse_core.errors import InputError
from lut_fuse_core.natural_order import natural

Message = tuple[Connection, int, bytes]
"""The connection a message belongs to, when it was recorded (nanoseconds), its CDR bytes."""

STORAGES = {".mcap": "mcap", ".db3": "sqlite3"}
STRING_QOS_VERSION = 9
"""First version of the bag's metadata that spells QoS out; readers of older ROS cannot read it."""


class _Storage(Protocol):
    @property
    def connections(self) -> list[Connection]: ...

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[Message]: ...


class BagReader:
    """A bag that is read from its beginning to its end, or to where it is damaged.

    path: a rosbag2 folder or one of its files (.mcap, .db3). Use as a context manager.
    Raises InputError for what is no bag.

    connections: the topics, with the number of messages that can be read.
    recorded: messages per topic that were recorded, as far as the bag says so.
    version: of the bag's metadata, None without it. storage: ``mcap`` or ``sqlite3``.
    damage: what is wrong with the bag, None if nothing is so far.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.damage: str | None = None
        self._stack = ExitStack()
        files = _storage_files(self.path)
        self.storage = STORAGES[files[0].suffix]
        metadata = _metadata(self.path)
        self.version: int | None = metadata.get("version")
        self._reader = self._open(files)
        self.connections = list(self._reader.connections)
        counts = {each.topic: each.msgcount for each in self.connections}
        self.recorded: dict[str, int] = _recorded(metadata) or ({} if self.damage else counts)

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[Message]:
        """All messages of some connections (none: of all); ends early where the bag is damaged."""
        iterator = iter(self._reader.messages(list(connections)))
        while True:
            try:
                message = next(iterator)
            except StopIteration:
                return
            # Damaged files make the reader, its decompressor or the database fail in any way.
            except Exception as error:
                self.damage = self.damage or _one_line(error)
                return
            yield message

    def _open(self, files: list[Path]) -> _Storage:
        try:
            return self._stack.enter_context(Reader(self.path))
        except Exception as error:  # as above
            salvaged = _salvage(files, self._stack)
            if salvaged is None:
                raise InputError(f"nothing in the bag {self.path} can be read: {error}") from error
            if (self.path / "metadata.yaml").exists() or self.path.is_file():
                self.damage = _one_line(error)
            else:
                self.damage = salvaged.damage or "the recording was not closed (no metadata.yaml)"
            return salvaged


class _Salvage:
    """Several damaged files of one bag, one after the other."""

    def __init__(self, parts: list[SalvagedMcap | SalvagedSqlite]) -> None:
        self._parts = parts
        self.message_count = sum(part.message_count for part in parts)
        self.damage = next((part.damage for part in parts if part.damage), None)
        merged: dict[tuple[str, str], Connection] = {}
        for connection in (each for part in parts for each in part.connections):
            known = merged.setdefault(
                _key(connection), connection._replace(id=len(merged) + 1, msgcount=0)
            )
            merged[_key(connection)] = known._replace(msgcount=known.msgcount + connection.msgcount)
        self._merged = merged
        self.connections = list(merged.values())

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[Message]:
        wanted = {_key(connection) for connection in connections or self.connections}
        for part in self._parts:
            for connection, time, data in part.messages():
                if _key(connection) in wanted:
                    yield self._merged[_key(connection)], time, data


def _salvage(files: list[Path], stack: ExitStack) -> _Salvage | None:
    parts: list[SalvagedMcap | SalvagedSqlite] = []
    for file in files:
        kind: Any = SalvagedMcap if file.suffix == ".mcap" else SalvagedSqlite
        with suppress(InputError):
            parts.append(stack.enter_context(kind(file)))
    salvage = _Salvage(parts)
    return salvage if salvage.message_count else None


def _key(connection: Connection) -> tuple[str, str]:
    return connection.topic, connection.msgtype


def _storage_files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"there is no bag {path}")
    if path.suffix == ".bag":
        raise InputError(
            f"{path} is a ROS 1 bag; convert it first: rosbags-convert --src {path} --dst NEW"
        )
    if path.is_file():
        if path.suffix not in STORAGES:
            raise InputError(f"{path} is no bag: a folder, a .mcap or a .db3 file is expected")
        return [path]
    for suffix in STORAGES:
        files = sorted(path.glob(f"*{suffix}"), key=natural) + sorted(path.glob(f"*{suffix}.zstd"))
        if files:
            return [file if file.suffix == suffix else file.with_suffix("") for file in files]
    raise InputError(f"{path} is no bag: it holds no .mcap and no .db3 file")


def _metadata(path: Path) -> dict[str, Any]:
    """What metadata.yaml says; empty where there is none or it is damaged."""
    try:
        content = YAML(typ="safe").load((path / "metadata.yaml").read_text(errors="replace"))
        return dict(content["rosbag2_bagfile_information"])
    except (OSError, YAMLError, KeyError, TypeError, ValueError):
        return {}


def _recorded(metadata: dict[str, Any]) -> dict[str, int]:
    """Messages per topic according to metadata.yaml."""
    topics = metadata.get("topics_with_message_count") or []
    try:
        return {each["topic_metadata"]["name"]: int(each["message_count"]) for each in topics}
    except (KeyError, TypeError, ValueError):
        return {}


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rstrip(".")
