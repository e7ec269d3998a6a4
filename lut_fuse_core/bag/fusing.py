"""From a bag with visible and infrared images to a bag with fused ones, in one pass."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rosbags.interfaces import Connection

from lut_fuse_core.bag.images import infrared_pixels, look, parse_message, visible_pixels
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.topics import (
    CAMERA_INFO,
    COMPRESSED,
    RAW,
    CameraTopics,
    camera_info_topic,
    choose_topics,
)
from lut_fuse_core.bag.writer import STORE, BagWriter, Storage, check_target, offered_qos, write_bag
from lut_fuse_core.encodings import compressed_fields, image_fields
from lut_fuse_core.errors import InputError
from lut_fuse_core.features import UInt8Array
from lut_fuse_core.pairing import NANOSECONDS, Pair, StampPairer
from lut_fuse_core.pipeline import FusionPipeline

CAMERA_INFOS_KEPT = 256


@dataclass(frozen=True)
class BagOptions:
    """How a bag is fused.

    visible, infrared: image topics; None to recognise them. fused: raw image topic to write.
    tolerance: seconds by which the stamps of a pair may differ.
    reuse_infrared: one infrared image may serve several visible ones (different frame rates).
    copy: copy all other topics too. storage: of the output, None for the input's.
    output: ``raw`` (sensor_msgs/Image in ``encoding``) or compressed to ``jpeg`` or ``png``.
    overwrite: replace an existing bag.
    """

    visible: str | None = None
    infrared: str | None = None
    fused: str = "/fused/image"
    tolerance: float = 0.03
    reuse_infrared: bool = False
    copy: bool = True
    storage: Storage | None = None
    output: Literal["raw", "jpeg", "png"] = "raw"
    encoding: Literal["rgb8", "bgr8"] = "rgb8"
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance <= 60:
            raise InputError(f"the tolerance is {self.tolerance} s; it must be 0 to 60")
        if not self.fused.startswith("/") or self.fused.endswith("/"):
            raise InputError(f"'{self.fused}' is no topic name; write it like /fused/image")


@dataclass(frozen=True)
class BagReport:
    """What became of a bag.

    pairs: fused and written. unpaired_*: images without a partner within the tolerance.
    unusable: messages that could not be decoded or fused; first_problem: why, for the first.
    unstamped: images without a stamp of their own, paired by the time they were recorded.
    copied: messages of other topics. messages_read, messages_recorded: of the topics that were
    needed; the latter None where the bag does not say. damage: what is wrong with the input.
    seconds: it took.
    """

    output: str
    storage: str
    visible: str
    infrared: str
    fused: str
    pairs: int
    unpaired_visible: int
    unpaired_infrared: int
    unusable: int
    first_problem: str | None
    unstamped: int
    copied: int
    messages_read: int
    messages_recorded: int | None
    damage: str | None
    seconds: float

    @property
    def rate(self) -> float:
        """Pairs per second, reading and writing included."""
        return self.pairs / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """All fields and the rate, for `json.dump`."""
        return {**asdict(self), "seconds": round(self.seconds, 3), "fps": round(self.rate, 2)}


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
    if options.tolerance > pipeline.config.max_infrared_age:
        raise InputError(
            f"the tolerance of {options.tolerance:g} s exceeds the age of "
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
            _require_pairs(report, fusing.pairer.closest, options.tolerance)
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
            round(options.tolerance * NANOSECONDS), reuse_infrared=options.reuse_infrared
        )
        self.pairs = self.unusable = self.unstamped = self.copied = self.read = 0
        self.first_problem: str | None = None
        self.held: _Recorded | None = None
        suffix, kind = ("", RAW) if options.output == "raw" else ("/compressed", COMPRESSED)
        qos = offered_qos(topics.visible)
        self.fused = writer.add_topic(options.fused + suffix, kind, qos)
        self.infos = _CameraInfos(reader.connections, topics.visible.topic, options.fused, writer)
        copied = reader.connections if options.copy else []
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
            message = parse_message(connection, data)
            stamp = _stamp(message)
            if stamp == 0:
                self.unstamped += 1
                stamp = recorded
            item = _Recorded(recorded, message)
            if connection.id == self.topics.visible.id:
                self._fuse(self.pairer.add_visible(stamp, item))
            else:
                offset = round(self.pipeline.config.clock_offset * NANOSECONDS)
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
        # An infrared image that serves again is held by the pipeline already: showing it twice
        # would look like a frozen camera.
        fresh = None
        if infrared is not self.held:
            self.held = None
            fresh = infrared_pixels(self.topics.infrared, infrared.message)
        offset = self.pipeline.config.clock_offset
        fused = self.pipeline.process(
            visible_pixels(self.topics.visible, pair.visible.item.message),
            fresh,
            visible_time=pair.visible.stamp / NANOSECONDS,
            infrared_time=pair.infrared.stamp / NANOSECONDS + offset,
        )
        if self.pipeline.status.source == "visible":
            raise InputError("an infrared image does not fit the visible one it was held for")
        self.held = infrared
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
            messages_read=self.read,
            messages_recorded=self._recorded(),
            damage=self.reader.damage,
            seconds=time.perf_counter() - start,
        )

    def _recorded(self) -> int | None:
        counts = [self.reader.recorded.get(each.topic) for each in self.needed]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None


@dataclass(frozen=True)
class _Recorded:
    """An image message as it lies in the bag; decoded only when it has a partner."""

    recorded: int
    message: Any


class _CameraInfos:
    """The visible camera's infos, published again beside the fused images."""

    def __init__(
        self, connections: list[Connection], visible: str, fused: str, writer: BagWriter
    ) -> None:
        name = camera_info_topic(visible)
        sources = [
            each for each in connections if (each.topic, each.msgtype) == (name, CAMERA_INFO)
        ]
        self.source_id = sources[0].id if sources else None
        self._writer = writer
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=CAMERA_INFOS_KEPT)
        if sources:
            qos = offered_qos(sources[0])
            self._topic = writer.add_topic(camera_info_topic(fused), CAMERA_INFO, qos)

    def take(self, message: Any, data: bytes) -> None:
        """Keep an info, parsed and as it was recorded."""
        self._recent.append((_stamp(message), data))

    def write(self, header: Any, recorded: int) -> None:
        """Write the info of the image with this header; the latest one if none has its stamp."""
        if not self._recent:
            return
        stamp = header.stamp.sec * NANOSECONDS + header.stamp.nanosec
        same = next((data for time, data in reversed(self._recent) if time == stamp), None)
        if same is None:
            latest: Any = STORE.deserialize_cdr(self._recent[-1][1], CAMERA_INFO)
            latest.header.stamp = header.stamp
            self._writer.write(self._topic, recorded, STORE.serialize_cdr(latest, CAMERA_INFO))
        else:
            self._writer.write(self._topic, recorded, same)


def _stamp(message: Any) -> int:
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def _check_free(connections: list[Connection], options: BagOptions) -> None:
    taken = {each.topic for each in connections}
    names = (options.fused, f"{options.fused}/compressed", camera_info_topic(options.fused))
    for name in names:
        if options.copy and name in taken:
            raise InputError(
                f"topic {name} is in the bag already; choose another name with --fused "
                "or leave the other topics out with --no-copy"
            )


def _require_pairs(report: BagReport, closest: int | None, tolerance: float) -> None:
    if report.pairs:
        return
    if report.unusable:
        raise InputError(
            f"none of the images of {report.visible} and {report.infrared} can be fused: "
            f"{report.first_problem}"
        )
    hint = "the two topics do not overlap in time"
    if closest is not None:
        hint = f"the closest are {closest / NANOSECONDS:.3f} s apart"
    if report.damage:
        hint += f"; the bag is damaged: {report.damage}"
    raise InputError(
        f"no images of {report.visible} and {report.infrared} have stamps within "
        f"{tolerance:g} s of each other ({hint}); try a larger --tolerance"
    )
