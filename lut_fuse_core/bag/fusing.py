"""From a bag with visible and infrared images to a bag with fused ones, in one pass."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rosbags.interfaces import Connection

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.bag.camera_infos import CameraInfos
from lut_fuse_core.bag.image_messages import look, parse_message
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.report import BagReport, require_pairs
from lut_fuse_core.bag.topics import (
    COMPRESSED,
    RAW,
    CameraTopics,
    camera_info_topic,
    choose_topics,
)
from lut_fuse_core.bag.writer import (
    STORE,
    BagWriter,
    Storage,
    check_target,
    is_copied,
    offered_qos,
    write_bag,
)
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.ros_messages import (
    compressed_fields,
    image_fields,
    infrared_pixels,
    visible_pixels,
)
from lut_fuse_core.pipeline.fallback import Fallback
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.pipeline.served import ServedInfrared
from lut_fuse_core.sync.pairing import PATIENCE, Pair, StampPairer
from lut_fuse_core.sync.stamps import NANOSECONDS, capture_time, stamp_of

WAITING = 128 << 20
"""Bytes of images that may wait for their partners on one side, ..."""

MOST_WAITING = (32, 512)
"""... but never fewer, nor more, than so many."""

TOPIC_NAME = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")


@dataclass(frozen=True)
class BagOptions:
    """How a bag is fused.

    visible, infrared: image topics; None to recognize them. fused: raw image topic to write.
    tolerance: seconds by which the stamps of a pair may differ.
    reuse_infrared: one infrared image may serve several visible ones (different frame rates).
    max_infrared_age: seconds by which an infrared image may then be older or newer than a visible
        one; None for the tolerance.
    copy: copy all other topics too. storage: of the output, None for the input's.
    output: ``raw`` (sensor_msgs/Image in ``encoding``) or compressed to ``jpeg`` or ``png``.
    overwrite: replace an existing bag.
    """

    visible: str | None = None
    infrared: str | None = None
    fused: str = "/fused/image"
    tolerance: float = 0.03
    reuse_infrared: bool = False
    max_infrared_age: float | None = None
    copy: bool = True
    storage: Storage | None = None
    output: Literal["raw", "jpeg", "png"] = "raw"
    encoding: Literal["rgb8", "bgr8"] = "rgb8"
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance <= 60:
            raise InputError(f"the tolerance is {self.tolerance} s; it must be 0 to 60")
        if self.max_infrared_age is not None:
            if not self.reuse_infrared:
                raise InputError(
                    "an age of infrared images matters only where they are reused; add "
                    "--reuse-infrared"
                )
            if not 0 <= self.max_infrared_age <= 60:
                raise InputError(
                    f"the infrared age is {self.max_infrared_age} s; it must be 0 to 60"
                )
        if not TOPIC_NAME.fullmatch(self.fused):
            raise InputError(f"'{self.fused}' is no topic name; write it like /fused/image")

    @property
    def reach(self) -> float:
        """Seconds by which images that are fused may be apart."""
        return self.tolerance if self.max_infrared_age is None else self.max_infrared_age


def fuse_bag(
    source: str | Path,
    target: str | Path,
    pipeline: FusionPipeline,
    options: BagOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BagReport:
    """Fuse the images of a rosbag2 into a new one.

    source: folder, .mcap or .db3. target: folder of the new bag. progress: called with the
    messages read so far and their number.

    Stamps and frame ids of the fused images are those of the visible ones, their camera_info and
    QoS too. A damaged input is fused as far as it can be read; the report says how far.

    Raises InputError for an input without pairs, wrong topics or an existing target; nothing is
    written then. LutFuseError, OSError when writing fails; an existing target stays as it was.
    """
    options = options or BagOptions()
    source, target = Path(source), Path(target)
    check_target(target, source, options.overwrite)
    if options.reach > pipeline.config.max_infrared_age:
        raise InputError(
            f"the tolerance of {options.reach:g} s exceeds the age of "
            f"{pipeline.config.max_infrared_age:g} s up to which the pipeline uses infrared images"
        )
    start = time.perf_counter()
    with BagReader(source) as reader:
        topics = choose_topics(
            reader.connections, options.visible, options.infrared, lambda each: look(reader, each)
        )
        _check_free(reader.connections, options)
        storage: Storage = options.storage or ("mcap" if reader.storage == "mcap" else "sqlite3")
        with write_bag(target, storage, reader.version) as writer:
            fusing = _Fusing(reader, writer, topics, pipeline, options)
            fusing.run(progress)
            report = fusing.report(str(target), storage, start)
            pairer = fusing.pairer
            require_pairs(report, pairer.closest, options.reach, pairer.missed)
    return replace(report, seconds=time.perf_counter() - start)


class _Fusing:
    """The state of one pass over a bag."""

    def __init__(
        self,
        reader: BagReader,
        writer: BagWriter,
        topics: CameraTopics,
        pipeline: FusionPipeline,
        options: BagOptions,
    ) -> None:
        self.reader, self.writer, self.topics = reader, writer, topics
        self.pipeline, self.options = pipeline, options
        self.pairer: StampPairer[_Recorded, _Recorded] = StampPairer(
            round(options.reach * NANOSECONDS),
            disorder=PATIENCE,
            reuse_infrared=options.reuse_infrared,
        )
        self.pairs = self.unusable = self.unstamped = self.copied = self.read = 0
        self.first_problem: str | None = None
        self.served = ServedInfrared[_Recorded]()
        self.fallback = Fallback("nothing")
        suffix, kind = ("", RAW) if options.output == "raw" else ("/compressed", COMPRESSED)
        qos = offered_qos(topics.visible)
        self.fused = writer.add_topic(options.fused + suffix, kind, qos)
        self.infos = CameraInfos(reader.connections, topics.visible.topic, options.fused, writer)
        copied = [each for each in reader.connections if is_copied(each)] if options.copy else []
        self.left_out = [each.topic for each in reader.connections if not is_copied(each)]
        self.copies = {each.id: writer.copy_topic(each) for each in copied}
        needed = {topics.visible.id, topics.infrared.id, self.infos.source_id, *self.copies}
        self.needed = [each for each in reader.connections if each.id in needed]

    def run(self, progress: Callable[[int, int], None] | None) -> None:
        """Read, pair, fuse and write all messages."""
        total = sum(each.msgcount for each in self.needed)
        for connection, recorded, data in self.reader.messages(self.needed):
            self.read += 1
            if connection.id in self.copies:
                self.writer.write(self.copies[connection.id], recorded, data)
                self.copied += 1
            try:
                self._take(connection, recorded, data)
            except InputError as error:
                self._note_problem(str(error))
            if progress is not None:
                progress(self.read, total)
        self._fuse(self.pairer.flush())

    def _take(self, connection: Connection, recorded: int, data: bytes) -> None:
        if connection.id == self.infos.source_id:
            self.infos.take(parse_message(connection, data), data)
        elif connection.id in (self.topics.visible.id, self.topics.infrared.id):
            # Streams may be recorded seconds apart; what waits for a partner is not decoded.
            room = WAITING // max(1, len(data))
            self.pairer.capacity = max(MOST_WAITING[0], min(MOST_WAITING[1], room))
            message = parse_message(connection, data)
            self.unstamped += stamp_of(message) == 0
            stamp = capture_time(stamp_of(message), recorded)
            item = _Recorded(recorded, stamp, message)
            if connection.id == self.topics.visible.id:
                self._fuse(self.pairer.add_visible(stamp, item))
            else:
                offset = round(self.pipeline.clock_offset * NANOSECONDS)
                self._fuse(self.pairer.add_infrared(stamp - offset, item))

    def _fuse(self, pairs: list[Pair[_Recorded, _Recorded]]) -> None:
        for pair in pairs:
            try:
                fused = self._process(pair)
            except InputError as error:
                self._note_problem(str(error))
                continue
            visible = pair.visible.item
            header = visible.message.header
            self.writer.write(self.fused, visible.recorded, self._encode(fused, header))
            self.infos.write(header, visible.recorded)
            self.pairs += 1

    def _process(self, pair: Pair[_Recorded, _Recorded]) -> UInt8Array:
        infrared = pair.infrared.item
        try:
            visible = visible_pixels(pair.visible.item.message)
            fresh = self.served.pixels(infrared, lambda item: infrared_pixels(item.message))
            fused = self.pipeline.process(
                visible,
                fresh,
                visible_time=pair.visible.stamp / NANOSECONDS,
                infrared_time=infrared.stamp / NANOSECONDS,
            )
            if self.fallback.withholds(self.pipeline.status.source):
                raise InputError("an infrared image does not fit the visible one it was held for")
        except InputError:
            self.served.forget()
            raise
        return fused

    def _encode(self, fused: UInt8Array, header: Any) -> memoryview:
        kind = self.fused.msgtype
        if self.options.output == "raw":
            fields = image_fields(fused, self.options.encoding)
        else:
            fields = compressed_fields(fused, self.options.output)
        return STORE.serialize_cdr(STORE.types[kind](header=header, **fields), kind)

    def _note_problem(self, problem: str) -> None:
        self.unusable += 1
        self.first_problem = self.first_problem or problem

    def report(self, output: str, storage: str, start: float) -> BagReport:
        """What has been done so far."""
        return BagReport(
            output=output,
            storage=storage,
            visible=self.topics.visible.topic,
            infrared=self.topics.infrared.topic,
            fused=self.fused.topic,
            pairs=self.pairs,
            unpaired_visible=self.pairer.unpaired_visible,
            unpaired_infrared=self.pairer.unpaired_infrared,
            unusable=self.unusable,
            first_problem=self.first_problem,
            unstamped=self.unstamped,
            copied=self.copied,
            left_out=tuple(self.left_out),
            messages_read=self.read,
            messages_recorded=self._recorded(),
            damage=self.reader.damage,
            clock_offset=round(self._clock_offset(), 4),
            seconds=time.perf_counter() - start,
        )

    def _clock_offset(self) -> float:
        estimate = self.pipeline.status.clock_offset
        return self.pipeline.clock_offset if estimate is None else estimate.seconds

    def _recorded(self) -> int | None:
        counts = [self.reader.recorded.get(each.topic) for each in self.needed]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None


@dataclass(frozen=True)
class _Recorded:
    """An image message as it lies in the bag; decoded only when it has a partner.

    recorded: when. stamp: of its own camera's clock. Both in nanoseconds.
    """

    recorded: int
    stamp: int
    message: Any


def _check_free(connections: list[Connection], options: BagOptions) -> None:
    taken = {each.topic for each in connections}
    names = (options.fused, f"{options.fused}/compressed", camera_info_topic(options.fused))
    for name in names:
        if options.copy and name in taken:
            raise InputError(
                f"topic {name} is in the bag already; choose another name with --fused "
                "or leave the other topics out with --no-copy"
            )
