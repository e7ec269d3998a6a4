"""Opens a rosbag2, whole or damaged, behind one interface."""

from __future__ import annotations

import heapq
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import zstandard
from mcap.records import Attachment, Metadata
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lut_fuse_core.bag.channels import Channel, Message, Topic, topics_of
from lut_fuse_core.bag.mcap_file import McapFile
from lut_fuse_core.bag.sqlite_file import SqliteFile
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.natural_order import natural

STORAGES = {".mcap": "mcap", ".db3": "sqlite3"}
"""Storages by the suffixes of their files."""

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LARGEST_MESSAGE = 1 << 30
"""Most bytes of a decompressed message that are believed."""


class BagReader:
    """A bag that is read in the order of recording. Use as a context manager.

    Args:
        path: A rosbag2 folder or one of its files (.mcap, .db3).

    Attributes:
        path: The folder or file.
        topics: The topics, with the number of messages that can be read.
        counts: Number of messages that can be read, by channel.
        recorded: Number of messages that were recorded, by topic name, as the metadata says or, if
            nothing is damaged, as counted; empty if unknown.
        version: Version of the bag's metadata; None if unknown.
        storage: ``mcap`` or ``sqlite3``.
        custom_data: Entries of ``ros2 bag record --custom-data``.
        notes: Sentences about what is unusual, but no damage.

    Raises:
        InputError: If there is no bag, or nothing in it can be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._stack = ExitStack()
        files = _storage_files(self.path)
        self.storage = STORAGES[files[0].suffix]
        metadata = metadata_of(self.path)
        version = metadata.get("version")
        self.version: int | None = version if isinstance(version, int) else None
        self.custom_data = _custom_data(metadata)
        self.notes: list[str] = []
        self._damage: str | None = None
        try:
            self._files = self._open(files)
        except BaseException:
            self._stack.close()
            raise
        listed = len(listed_files(metadata) or files)
        if len(files) < listed:
            self._damage = (
                self._damage or f"{listed - len(files)} of its {listed} files are missing"
            )
        elif self.path.is_dir() and not metadata and self.storage == "sqlite3":
            self.notes.append(
                "there is no metadata.yaml, so the recording may not have been closed; all that is "
                "in the database was read"
            )
        self.counts: dict[Channel, int] = {}
        for file in self._files:
            for channel, count in file.counts.items():
                self.counts[channel] = self.counts.get(channel, 0) + count
        self.topics: list[Topic] = topics_of(self.counts)
        self.recorded: dict[str, int] = _recorded(metadata)
        if not self.recorded and self.damage is None:
            for topic in self.topics:
                self.recorded[topic.name] = self.recorded.get(topic.name, 0) + topic.count

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def damage(self) -> str | None:
        """The first damage that was met so far; None if there is none."""
        return next(filter(None, (self._damage, *(file.damage for file in self._files))), None)

    def messages(self, topics: Collection[Topic] = ()) -> Iterator[Message]:
        """The messages of some topics.

        Args:
            topics: The topics; of all if empty.

        Yields:
            The messages in the order of recording.
        """
        wanted = {channel for topic in topics or self.topics for channel in topic.channels}
        for message in _merged(self._files, wanted):
            # Only metadata.yaml says that messages are compressed; no CDR begins like this.
            if message.channel.encoding == "cdr" and message.data[:4] == ZSTD_MAGIC:
                yield message._replace(data=_decompressed(bytes(message.data)))
            else:
                yield message

    def attachments(self) -> Iterator[Attachment]:
        """The files that are attached to the bag; damaged ones are left out, see `damage`."""
        for file in self._files:
            if isinstance(file, McapFile):
                yield from file.attachments()

    def metadata_records(self) -> Iterator[Metadata]:
        """The metadata records of the bag, without rosbag2's own; damaged ones are left out."""
        for file in self._files:
            if isinstance(file, McapFile):
                yield from (each for each in file.metadata() if each.name != "rosbag2")

    def _open(self, files: list[Path]) -> list[McapFile | SqliteFile]:
        """The files that can be read at all."""
        if any(_has_log(file) for file in files):
            files = _with_logs(files, self._stack)
        found: list[McapFile | SqliteFile] = []
        problems = []
        for file in files:
            kind: Any = McapFile if file.suffix == ".mcap" else SqliteFile
            try:
                opened = kind(self._plain(file))
            except InputError as error:
                problems.append(str(error))
                continue
            self._stack.callback(opened.close)
            found.append(opened)
        if not found or (problems and not any(sum(file.counts.values()) for file in found)):
            raise InputError(f"nothing in the bag {self.path} can be read: {problems[0]}")
        if problems:
            self._damage = self._damage or problems[0]
        return found

    def _plain(self, file: Path) -> Path:
        """A file of a bag, unpacked into a temporary folder if only the compressed one is there."""
        compressed = file.with_name(f"{file.name}.zstd")
        if file.exists() or not compressed.exists():
            return file
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        plain = Path(folder) / file.name
        try:
            with compressed.open("rb") as source, plain.open("wb") as target:
                zstandard.ZstdDecompressor().copy_stream(source, target)
        except zstandard.ZstdError as error:  # a truncated file gives what it has
            self._damage = self._damage or f"{compressed.name} is damaged ({error})"
        except OSError as error:
            raise InputError(
                f"{compressed} cannot be unpacked into {plain.parent} ({error.strerror}); TMPDIR "
                "names another place"
            ) from None
        return plain


def _merged(
    files: Collection[McapFile | SqliteFile], wanted: Collection[Channel]
) -> Iterator[Message]:
    """The messages of several files in the order of recording; most files follow one another."""
    order = sorted(
        (file for file in files if any(file.counts.get(channel) for channel in wanted)),
        key=lambda file: file.start,
        reverse=True,
    )
    running: list[tuple[int, int, Message, Iterator[Message]]] = []

    def push(rank: int, source: Iterator[Message]) -> None:
        message = next(source, None)
        if message is not None:
            heapq.heappush(running, (message.recorded, rank, message, source))

    while order or running:
        while order and (not running or order[-1].start <= running[0][0]):
            file = order.pop()
            push(-len(order), file.messages(wanted))
        if running:
            _, rank, message, source = heapq.heappop(running)
            yield message
            push(rank, source)


def _with_logs(files: list[Path], stack: ExitStack) -> list[Path]:
    """Paths of databases whose logs sqlite can read. For that it writes beside them: what it leaves
    there is removed at the end, and where it must not write, copies are read."""
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
        reader = zstandard.ZstdDecompressor().stream_reader(data)
        size = zstandard.get_frame_parameters(data).content_size
        return reader.read(size if 0 < size < LARGEST_MESSAGE else LARGEST_MESSAGE)
    except (zstandard.ZstdError, MemoryError):
        return data  # whoever decodes it says that it is damaged


def _has_log(file: Path) -> bool:
    """Whether sqlite keeps the newest messages of a file beside it."""
    log = file.with_name(f"{file.name}-wal")
    return file.suffix == ".db3" and log.exists() and log.stat().st_size > 0


def _storage_files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"there is no bag {path}")
    if path.suffix == ".bag":
        raise InputError(
            f"{path} is a ROS 1 bag; convert it first: rosbags-convert --src {path} --dst NEW"
        )
    if path.is_file():
        if path.suffix == ".zstd":
            raise InputError(
                f"{path} is a compressed file of a bag; give the bag's folder, or decompress it "
                f"first: zstd -d {path}"
            )
        if path.suffix not in STORAGES:
            raise InputError(f"{path} is no bag: a folder, a .mcap or a .db3 file is expected")
        return [path]
    for suffix in STORAGES:
        plain, packed = path.glob(f"*{suffix}"), path.glob(f"*{suffix}.zstd")
        # 'zstd -d' keeps the compressed file beside the plain one, which then is the one to read.
        files = {*plain, *(file.with_suffix("") for file in packed)}
        if files:
            return sorted(files, key=natural)
    raise InputError(f"{path} is no bag: it holds no .mcap and no .db3 file")


def metadata_of(path: Path) -> dict[str, Any]:
    """Read metadata.yaml.

    Args:
        path: Folder of a bag.

    Returns:
        Its entries; none where there is no such file, or it is damaged.
    """
    try:
        content = YAML(typ="safe").load((path / "metadata.yaml").read_text(errors="replace"))
        return dict(content["rosbag2_bagfile_information"])
    except (OSError, YAMLError, KeyError, TypeError, ValueError, RecursionError):
        return {}


def listed_files(metadata: dict[str, Any]) -> list[str]:
    """The files of a bag that its metadata lists.

    Args:
        metadata: As `metadata_of` returns it.

    Returns:
        Paths below the bag's folder; none if they are not listed.
    """
    files = metadata.get("relative_file_paths")
    return [str(file) for file in files] if isinstance(files, list) else []


def _custom_data(metadata: dict[str, Any]) -> dict[str, str]:
    custom = metadata.get("custom_data")
    if not isinstance(custom, dict):
        return {}
    return {str(key): str(value) for key, value in custom.items()}


def _recorded(metadata: dict[str, Any]) -> dict[str, int]:
    """Number of messages by topic name, as metadata.yaml says; empty if it does not."""
    found: dict[str, int] = {}
    try:
        for each in metadata.get("topics_with_message_count") or []:
            name = each["topic_metadata"]["name"]
            found[name] = found.get(name, 0) + int(each["message_count"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
    return found
