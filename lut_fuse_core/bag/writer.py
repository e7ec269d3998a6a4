"""Writes a rosbag2 that appears in its place when it is complete."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from mcap.records import Attachment, Metadata

from lut_fuse_core.atomic import keep_apart, put_in_place
from lut_fuse_core.bag.channels import QOS_KEY, Channel
from lut_fuse_core.bag.definitions import ros_definition
from lut_fuse_core.bag.mcap_writer import McapWriter, Part
from lut_fuse_core.bag.metadata_file import NEWEST, OLDEST, Contents, write_metadata
from lut_fuse_core.bag.options import Storage
from lut_fuse_core.bag.reader import STORAGES, listed_files, metadata_of
from lut_fuse_core.bag.sqlite_writer import SqliteWriter
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.demo_mark import DEMO_MARK


class BagWriter:
    """Takes channels and messages; made by `write_bag`.

    Args:
        storage: Writes the file.
        contents: Facts about the bag, which are kept up to date here.
    """

    def __init__(self, storage: McapWriter | SqliteWriter, contents: Contents) -> None:
        self._storage, self._contents = storage, contents
        self._left_out: dict[str, int] = {}

    @property
    def left_out(self) -> list[str]:
        """What was not written so far, since the storage cannot hold it, e.g. ``2 attachments``."""
        counted = [f"{count} {what}" for what, count in self._left_out.items()]
        simplified = self._storage.simplified if isinstance(self._storage, SqliteWriter) else []
        return counted + simplified

    def add_channel(self, channel: Channel) -> Channel:
        """Add a channel to write to, once however often it is added.

        Args:
            channel: With the definition of its type.

        Returns:
            The channel.
        """
        if channel not in self._contents.counts:
            self._storage.add_channel(channel)
            self._contents.counts[channel] = 0
        return channel

    def add_topic(self, name: str, kind: str, qos: str = "") -> Channel:
        """Add a topic of one of ROS's own types.

        Args:
            name: Name of the topic.
            kind: The type, e.g. ``sensor_msgs/msg/Image``.
            qos: Offered quality of service as rosbag2 writes it; empty if unknown.

        Returns:
            Its channel.
        """
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
        """Write a message.

        Args:
            channel: One that was added.
            time: When it was recorded, nanoseconds since 1970.
            *parts: Its content in order; they must not change afterwards.
            published: When it was sent, nanoseconds since 1970; None for ``time``.
            sequence: Its number in the channel; 0 if unknown.
        """
        sent = time if published is None else published
        if sent != time and isinstance(self._storage, SqliteWriter):
            self._leave_out("times of publication")
        self._storage.write(channel, time, parts, sent, sequence)
        self._contents.add(channel, time)

    def attach(self, attachment: Attachment) -> None:
        """Write an attached file, where the storage has a place for it."""
        if isinstance(self._storage, McapWriter):
            self._storage.attach(attachment)
        else:
            self._leave_out("attachments")

    def note(self, metadata: Metadata) -> None:
        """Write a metadata record, where the storage has a place for it."""
        if isinstance(self._storage, McapWriter):
            self._storage.note(metadata)
        else:
            self._leave_out("metadata records")

    def _leave_out(self, what: str) -> None:
        self._left_out[what] = self._left_out.get(what, 0) + 1


def check_target(
    target: Path,
    source: Path | None,
    overwrite: bool,
    earlier: Set[str] = frozenset(),
) -> None:
    """Refuse a place where no bag may be written.

    Args:
        target: Folder of the new bag.
        source: The bag that is read; None if there is none.
        overwrite: Whether a bag at ``target`` may be replaced.
        earlier: Names of files of which a bag that was written there consisted: what is left of it
            may be replaced like a bag.

    Raises:
        InputError: For the name of a file, the input, something that is no bag or holds more than
            one, or a bag that may not be replaced.
    """
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
    if not metadata and not (earlier and target.is_dir()):
        raise InputError(f"{target} is there already and is no bag; choose another output")
    files = {*earlier, *(Path(file).name for file in listed_files(metadata))}
    if more := sorted({path.name for path in target.iterdir()} - _names_in_a_bag(files)):
        raise InputError(
            f"{target} holds more than a bag ({', '.join(more[:3])}); choose another output"
        )
    if not overwrite:
        raise InputError(f"the bag {target} is there already; pass --overwrite to replace it")


def _names_in_a_bag(files: Set[str]) -> set[str]:
    """What may lie in the folder of a bag with these files."""
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
    """Write a bag that appears when the block ends without an error; otherwise nothing is left.

    Args:
        target: Folder of the new bag; one that exists stays until the end, and is then replaced.
        storage: Format of its file.
        version: Version of the metadata of the bag that it is made from; None if there is none.
        custom_data: Entries for the metadata.

    Yields:
        Takes channels and messages.

    Raises:
        LutFuseError: If the database cannot be written.
        OSError: If a file cannot be written or renamed.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    new, old = aside / target.name, aside / "replaced"
    suffix = next(end for end, name in STORAGES.items() if name == storage)
    spelled_out = NEWEST if version is not None and version >= NEWEST else OLDEST
    contents = Contents(storage, f"{target.name}{suffix}", spelled_out)
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
        put_in_place(new, target, old)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
