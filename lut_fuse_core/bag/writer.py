"""Writes a rosbag2 beside its destination and puts it there when it is complete."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from mcap.records import Attachment, Metadata

from lut_fuse_core.atomic import keep_apart
from lut_fuse_core.bag.channels import QOS_KEY, Channel
from lut_fuse_core.bag.definitions import ros_definition
from lut_fuse_core.bag.mcap_writer import McapWriter, Part
from lut_fuse_core.bag.metadata_file import NEWEST, OLDEST, Contents, write_metadata
from lut_fuse_core.bag.reader import STORAGES, STRING_QOS_VERSION, metadata_of
from lut_fuse_core.bag.sqlite_writer import SqliteWriter
from lut_fuse_core.errors import InputError

Storage = Literal["mcap", "sqlite3"]

DEMO_MARK = ".lut-fuse-demo"
"""Empty file in bags that a demo made, and may replace."""


class BagWriter:
    """Takes channels and messages; made by `write_bag`.

    Args:
        storage: Takes the messages.
        contents: What the bag holds besides messages.

    Attributes:
        left_out: What the storage cannot hold, and so was not written.
    """

    def __init__(self, storage: McapWriter | SqliteWriter, contents: Contents) -> None:
        self._storage, self._contents = storage, contents
        self._left_out: dict[str, int] = {}

    @property
    def left_out(self) -> list[str]:
        """See above."""
        counted = [f"{count} {what}" for what, count in self._left_out.items()]
        simplified = self._storage.simplified if isinstance(self._storage, SqliteWriter) else []
        return counted + simplified

    def add_channel(self, channel: Channel) -> Channel:
        """A channel to write to; the same one again is one."""
        if channel not in self._contents.counts:
            self._storage.add_channel(channel)
            self._contents.counts[channel] = 0
        return channel

    def add_topic(self, name: str, kind: str, qos: str = "") -> Channel:
        """A topic of one of ROS's own types, as ``sensor_msgs/msg/Image``."""
        metadata = ((QOS_KEY, qos),)
        return self.add_channel(
            Channel(name, kind, "cdr", "ros2msg", ros_definition(kind), metadata)
        )

    def write(
        self,
        channel: Channel,
        time: int,
        *parts: Part,
        published: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Write a message; its parts must not change any more.

        Args:
            channel: Where it belongs.
            time: Of recording, in nanoseconds.
            published: In nanoseconds; None for ``time``.
            sequence: Its number; 0 if unknown.
            parts: Of its content, in order.
        """
        sent = time if published is None else published
        if sent != time and isinstance(self._storage, SqliteWriter):
            self._leave_out("times of publication")
        self._storage.write(channel, time, parts, sent, sequence)
        self._contents.add(channel, time)

    def attach(self, attachment: Attachment) -> None:
        """Write an attached file."""
        if isinstance(self._storage, McapWriter):
            self._storage.attach(attachment)
        else:
            self._leave_out("attachments")

    def note(self, metadata: Metadata) -> None:
        """Write a metadata record."""
        if isinstance(self._storage, McapWriter):
            self._storage.note(metadata)
        else:
            self._leave_out("metadata records")

    def _leave_out(self, what: str) -> None:
        self._left_out[what] = self._left_out.get(what, 0) + 1


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
        keep_apart(target, [source], ("is", "holds"))
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
def write_bag(
    target: Path,
    storage: Storage,
    version: int | None,
    custom_data: dict[str, str] | None = None,
) -> Iterator[BagWriter]:
    """Yield a writer whose bag appears at ``target`` when the block ends without an error.

    Args:
        target: Folder of the new bag. One that exists stays as it is until the end; after an error
            nothing is left behind.
        storage: Format of the files.
        version: Of the metadata of the bag that it derives from; None if it does not.
        custom_data: Entries for the metadata.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    new, old = aside / target.name, aside / "replaced"
    spelled = version is not None and version >= STRING_QOS_VERSION
    suffix = next(end for end, name in STORAGES.items() if name == storage)
    contents = Contents(storage, f"{target.name}{suffix}", NEWEST if spelled else OLDEST)
    contents.custom_data.update(custom_data or {})
    try:
        new.mkdir(parents=True)
        kind = McapWriter if storage == "mcap" else SqliteWriter
        opened: McapWriter | SqliteWriter = kind(new / contents.file, contents)
        try:
            yield BagWriter(opened, contents)
            opened.close()
        except BaseException:
            with suppress(OSError):
                opened.abort()
            raise
        write_metadata(new, contents)
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
