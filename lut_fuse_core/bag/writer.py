"""Writes a rosbag2 beside its destination and puts it there when it is complete."""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinitionFormat, Qos
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from lut_fuse_core.bag.reader import STORAGES, STRING_QOS_VERSION, metadata_of
from lut_fuse_core.errors import InputError, LutFuseError

Storage = Literal["mcap", "sqlite3"]

STORE = get_typestore(Stores.ROS2_HUMBLE)
"""Message types of ROS itself; those that matter here are the same in all versions of ROS 2."""

DEMO_MARK = ".lut-fuse-demo"
"""Empty file in bags that a demo made, and may make anew."""

_UNKNOWN_HASH = "RIHS01_unknown"
_IDL_SEPARATOR = "=" * 80 + "\n"


class BagWriter:
    """Takes topics and messages; made by `write_bag`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def add_topic(
        self, name: str, kind: str, qos: list[Qos] | None = None, like: Connection | None = None
    ) -> Connection:
        """A topic to write to.

        kind: message type, as ``sensor_msgs/msg/Image``. like: an input topic of that type, whose
        definition is taken over; without it the type is one of ROS's own.
        """
        definition, digest = _definition(kind, like)
        connection = self._writer.add_connection(
            name, kind, msgdef=definition, rihs01=digest, offered_qos_profiles=qos or []
        )
        if digest == _UNKNOWN_HASH:
            # rosbags insists on a hash; readers take an empty one for what it is.
            honest = connection._replace(digest="")
            self._writer.connections[-1] = honest
            return honest
        return connection

    def copy_topic(self, topic: Connection) -> Connection:
        """The same topic as one of the input's: type, definition and QoS."""
        return self.add_topic(topic.topic, topic.msgtype, offered_qos(topic), like=topic)

    def write(self, topic: Connection, time: int, data: bytes | memoryview) -> None:
        """Write a message, recorded at ``time`` nanoseconds, as CDR bytes."""
        try:
            self._writer.write(topic, time, data)
        except sqlite3.Error as error:
            raise LutFuseError(f"cannot write the bag: {error}") from error


def is_copied(topic: Connection) -> bool:
    """Whether the topic can be written again: only what is serialized as CDR."""
    assert isinstance(topic.ext, ConnectionExtRosbag2)
    return topic.ext.serialization_format == "cdr"


def offered_qos(connection: Connection) -> list[Qos]:
    """The QoS profiles that the recorded publishers offered."""
    assert isinstance(connection.ext, ConnectionExtRosbag2)
    return connection.ext.offered_qos_profiles


def check_target(target: Path, source: Path | None, overwrite: bool) -> None:
    """Raise InputError unless a bag may be written at ``target``."""
    if target.suffix in STORAGES:
        raise InputError(
            f"{target} is the name of a file, but a bag is a folder; write "
            f"{target.with_suffix('')} and choose the format with --storage"
        )
    if not target.exists():
        return
    if source is not None:
        inside = source.resolve()
        if target.resolve() in (inside, *inside.parents):
            raise InputError(f"{target} is, or holds, the input bag; choose another output")
    metadata = metadata_of(target)
    if not metadata:
        raise InputError(f"{target} is there already and is no bag; choose another output")
    if more := sorted({path.name for path in target.iterdir()} - _names_in_a_bag(metadata)):
        raise InputError(
            f"{target} holds more than a bag ({', '.join(more[:3])}); choose another output"
        )
    if not overwrite:
        raise InputError(f"the bag {target} is there already; pass --overwrite to replace it")


def _names_in_a_bag(metadata: dict[str, Any]) -> set[str]:
    """What may lie in the folder of a bag with this metadata."""
    files = [Path(str(file)).name for file in metadata.get("relative_file_paths") or ()]
    beside = ("", ".zstd", "-wal", "-shm")
    names = {f"{file}{suffix}" for file in files for suffix in beside}
    return names | {"metadata.yaml", DEMO_MARK}


@contextmanager
def write_bag(target: Path, storage: Storage, version: int | None) -> Iterator[BagWriter]:
    """Yield a writer whose bag appears at ``target`` when the block ends without an error.

    version: of the metadata of the bag it derives from. An existing bag at ``target`` stays as it
    is until then; after an error nothing is left behind.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    new, old = aside / target.name, aside / "replaced"
    spelled = version is not None and version >= STRING_QOS_VERSION
    writer = Writer(
        new,
        version=9 if spelled else 8,
        storage_plugin=StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3,
    )
    try:
        try:
            with writer:
                yield BagWriter(writer)
        except sqlite3.Error as error:
            raise LutFuseError(f"cannot write the bag: {error}") from error
        _forget_unknown_hashes(new)
        _swap(new, target, old)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _swap(new: Path, target: Path, old: Path) -> None:
    """Put ``new`` at ``target``; what was there goes to ``old``, and back if this fails."""
    if not target.exists():
        new.rename(target)
        return
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise


def _forget_unknown_hashes(folder: Path) -> None:
    for file in folder.glob("*.db3"):
        with sqlite3.connect(file) as database:
            for table in ("topics", "message_definitions"):
                database.execute(
                    f"UPDATE {table} SET type_description_hash = '' "
                    "WHERE type_description_hash = ?",
                    (_UNKNOWN_HASH,),
                )
        database.close()


def _definition(kind: str, like: Connection | None) -> tuple[str, str]:
    """Definition and hash of a message type; an empty definition where the input has none."""
    if like is not None and like.msgdef.format is not MessageDefinitionFormat.NONE:
        return like.msgdef.data, like.digest or _hash(kind, like)
    if kind in STORE.fielddefs:
        return STORE.generate_msgdef(kind, ros_version=2)[0], STORE.hash_rihs01(kind)
    return "", (like.digest if like is not None else "") or _UNKNOWN_HASH


def _hash(kind: str, like: Connection) -> str:
    """Hash of a type from its definition, which older bags do not carry."""
    store = get_typestore(Stores.EMPTY)
    try:
        if like.msgdef.format is MessageDefinitionFormat.MSG:
            store.register(get_types_from_msg(like.msgdef.data, kind))
        else:
            for part in like.msgdef.data.split(_IDL_SEPARATOR)[1:]:
                store.register(get_types_from_idl(part.split("\n", 1)[1]))
        return store.hash_rihs01(kind)
    # Definitions in the wild hold whatever the grammar does not know; the hash is dispensable.
    except Exception:
        return _UNKNOWN_HASH
