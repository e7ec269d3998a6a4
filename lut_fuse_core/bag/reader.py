"""Opens a rosbag2, whole or damaged, behind one interface."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

import zstandard
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lut_fuse_core.bag.salvage import SalvagedMcap, SalvagedSqlite
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.natural_order import natural

Message = tuple[Connection, int, bytes]
"""The connection a message belongs to, when it was recorded (nanoseconds), its CDR bytes."""

STORAGES = {".mcap": "mcap", ".db3": "sqlite3"}
STRING_QOS_VERSION = 9
"""First version of the bag's metadata that spells QoS out; readers of older ROS cannot read it."""


ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


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
        metadata = metadata_of(self.path)
        self._listed = len(metadata.get("relative_file_paths") or files)
        self.version: int | None = metadata.get("version")
        self._reader = self._open(files)
        # A topic may have several connections, of several publishers, and metadata.yaml may spell
        # out another quality of service than the files: what counts is the topic and its type.
        self._merged = _merged(self._reader.connections)
        self.connections = list(self._merged.values())
        counts = {each.topic: each.msgcount for each in self.connections}
        self.recorded: dict[str, int] = _recorded(metadata) or ({} if self.damage else counts)

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[Message]:
        """All messages of some connections (none: of all); ends early where the bag is damaged."""
        wanted = {_key(each) for each in connections or self.connections}
        stored = [each for each in _stored(self._reader) if _key(each) in wanted]
        iterator = iter(self._reader.messages(stored) if stored else ())
        while True:
            try:
                message = next(iterator)
            except StopIteration:
                return
            # Damaged files make the reader, its decompressor or the database fail in any way.
            except Exception as error:
                self.damage = self.damage or _one_line(error)
                return
            connection, recorded, data = message
            yield self._merged[_key(connection)], recorded, data

    def _open(self, files: list[Path]) -> _Storage:
        try:
            logs = any(_has_log(file) for file in files)
            logged = _salvage(_with_logs(files, self._stack), self._stack) if logs else None
            if logged is not None:
                self.damage = logged.damage
                return logged
            return self._stack.enter_context(Reader(self.path))
        except Exception as error:  # as above
            salvaged = _salvage(files, self._stack)
            if salvaged is None:
                raise InputError(f"nothing in the bag {self.path} can be read: {error}") from error
            if (self.path / "metadata.yaml").exists() or self.path.is_file():
                # What another reader refuses but is read here to its end is whole.
                whole = salvaged.whole and len(files) >= self._listed
                self.damage = None if whole else _one_line(error)
            else:
                self.damage = salvaged.damage or "the recording was not closed (no metadata.yaml)"
            return salvaged


class _Salvage:
    """Several damaged files of one bag, one after the other."""

    def __init__(self, parts: list[SalvagedMcap | SalvagedSqlite], whole: bool) -> None:
        """whole: whether these are all files of the bag."""
        self._parts = parts
        self.message_count = sum(part.message_count for part in parts)
        self.damage = next((part.damage for part in parts if part.damage), None)
        self.whole = whole and all(part.whole for part in parts)
        self.connections = [each for part in parts for each in part.connections]

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[Message]:
        wanted = {_key(connection) for connection in connections}
        for part in self._parts:
            for connection, time, data in part.messages():
                if _key(connection) in wanted:
                    # Compressed one by one, which only metadata.yaml says; no CDR begins like this.
                    plain = _decompressed(data) if data.startswith(ZSTD_MAGIC) else data
                    yield connection, time, plain


def _salvage(files: list[Path], stack: ExitStack) -> _Salvage | None:
    parts: list[SalvagedMcap | SalvagedSqlite] = []
    for file in files:
        kind: Any = SalvagedMcap if file.suffix == ".mcap" else SalvagedSqlite
        plain = _plain(file, stack)
        with suppress(InputError, OSError, sqlite3.Error):
            parts.append(stack.enter_context(kind(plain)))
    salvage = _Salvage(parts, whole=len(parts) == len(files))
    return salvage if salvage.message_count else None


def _plain(file: Path, stack: ExitStack) -> Path:
    """A file of a bag, decompressed into a temporary folder if only the compressed one is there."""
    compressed = file.with_name(f"{file.name}.zstd")
    if file.exists() or not compressed.exists():
        return file
    plain = Path(stack.enter_context(tempfile.TemporaryDirectory())) / file.name
    try:
        with (
            compressed.open("rb") as source,
            plain.open("wb") as target,
            suppress(zstandard.ZstdError),  # a cut file gives what it has
        ):
            zstandard.ZstdDecompressor().copy_stream(source, target)
    except OSError as error:
        raise InputError(
            f"{compressed} cannot be unpacked into {plain.parent} ({error.strerror}); TMPDIR names "
            "another place"
        ) from None
    return plain


def _with_logs(files: list[Path], stack: ExitStack) -> list[Path]:
    """Databases whose logs can be read. For that sqlite writes beside them: what it leaves there is
    removed again, and where it must not write they are copied."""
    if all(os.access(file.parent, os.W_OK) for file in files):
        for index in (file.with_name(f"{file.name}-shm") for file in files):
            if not index.exists():  # else somebody has the database open
                stack.callback(index.unlink, missing_ok=True)
        return files
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for file in files:
        for name in (file.name, f"{file.name}-wal"):
            if (file.parent / name).exists():
                shutil.copyfile(file.parent / name, folder / name)
    return [folder / file.name for file in files]


def _decompressed(data: bytes) -> bytes:
    try:
        return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data))
    except zstandard.ZstdError:
        return data  # whoever decodes it says that it is damaged


def _has_log(file: Path) -> bool:
    """Whether sqlite keeps the newest messages of a file beside it; rosbags does not look there."""
    log = file.with_name(f"{file.name}-wal")
    return file.suffix == ".db3" and log.exists() and log.stat().st_size > 0


def _stored(reader: Any) -> list[Connection]:
    """The connections as the files have them, not as metadata.yaml does."""
    storage = getattr(reader, "storage", reader)
    return [each for part in getattr(storage, "storages", [storage]) for each in part.connections]


def _merged(connections: Iterable[Connection]) -> dict[tuple[str, str], Connection]:
    """One connection per topic and type, with the messages of all."""
    merged: dict[tuple[str, str], Connection] = {}
    for connection in connections:
        key = _key(connection)
        known = merged.setdefault(key, connection._replace(id=len(merged) + 1, msgcount=0))
        merged[key] = known._replace(msgcount=known.msgcount + connection.msgcount)
    return merged


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


def metadata_of(path: Path) -> dict[str, Any]:
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
