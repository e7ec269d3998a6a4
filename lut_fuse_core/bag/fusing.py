"""From a bag with visible and infrared images to a bag with fused ones, in one pass.

Reading and pairing, decoding, fusing, encoding and writing overlap; the queues between them are
bounded, and the order of the messages is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.bag.channels import Topic
from lut_fuse_core.bag.image_messages import is_raw, look
from lut_fuse_core.bag.options import BagOptions, Storage
from lut_fuse_core.bag.output import Fused, Output
from lut_fuse_core.bag.pairs import PairedReading, RecordedImage, Step
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.report import BagReport, require_pairs
from lut_fuse_core.bag.topics import CameraTopics, camera_info_topic, choose_topics
from lut_fuse_core.bag.writer import check_target, write_bag
from lut_fuse_core.errors import InputError
from lut_fuse_core.parallel import ordered_map, prefetch
from lut_fuse_core.pipeline.fallback import Fallback
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.pipeline.served import ServedInfrared
from lut_fuse_core.sync.stamps import NANOSECONDS

AHEAD = 8
"""Pairs that one stage may be ahead of the next."""


def fuse_bag(
    source: str | Path,
    target: str | Path,
    pipeline: FusionPipeline,
    options: BagOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BagReport:
    """Fuse the images of a rosbag2 into a new one.

    The fused images have the stamps, frame ids, camera_info and quality of service of the visible
    ones. A damaged bag is fused as far as it can be read; the report says how far.

    Args:
        source: Folder, .mcap or .db3 file of the bag.
        target: Folder of the new bag.
        pipeline: Fuses; a new one, or one that was reset.
        options: How to fuse; None for the defaults.
        progress: Called with the number of messages read so far and of all.

    Returns:
        What became of the bag.

    Raises:
        InputError: If the bag cannot be read, its topics are not clear, no images pair, or the
            target exists. As after every error, nothing is written, and an existing target stays.
        LutFuseError: If the database of the new bag cannot be written, or PyAV is needed and not
            installed.
        OSError: If a file of the new bag cannot be written.
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
            reader.topics, options.visible, options.infrared, lambda each: look(reader, each)
        )
        _check_free(reader.topics, options)
        storage: Storage = options.storage or ("mcap" if reader.storage == "mcap" else "sqlite3")
        with write_bag(target, storage, reader.version, reader.custom_data) as writer:
            fusing = _Fusing(
                reader, Output(reader, writer, topics, options), topics, pipeline, options
            )
            fusing.run(progress)
            report = fusing.report(str(target), storage)
            require_pairs(report, fusing.reading, options.reach)
    return replace(report, seconds=time.perf_counter() - start)


class _Fusing:
    """One pass over a bag."""

    def __init__(
        self,
        reader: BagReader,
        output: Output,
        topics: CameraTopics,
        pipeline: FusionPipeline,
        options: BagOptions,
    ) -> None:
        self.reader, self.topics, self.output = reader, topics, output
        self.pipeline, self.options = pipeline, options
        self.reading = PairedReading(
            reader,
            topics,
            output.needed,
            round(options.reach * NANOSECONDS),
            reuse_infrared=options.reuse_infrared,
            stamps=options.stamps,
            clock_offset=lambda: pipeline.clock_offset,
        )
        self.pairs = self.read = self.unusable = 0
        self.first_problem: str | None = None
        self.complaints, self.first_complaint = 0, ""
        self.served = ServedInfrared[RecordedImage]()
        self.fallback = Fallback("nothing")

    def run(self, progress: Callable[[int, int], None] | None) -> None:
        """Read, pair, decode, fuse, encode and write all messages."""
        total = sum(each.count for each in self.output.needed)
        with ExitStack() as stages:

            def stage(iterator: Iterator[object]) -> Iterator[object]:
                stages.callback(iterator.close)  # type: ignore[attr-defined]
                return iterator

            written = self._stages(stage)  # type: ignore[arg-type]
            for fused in written:
                self.pairs += fused.image is not None
                self.read = fused.step.read
                if progress is not None:
                    progress(self.read, total)
        for problem in self.output.problems:
            self._note(problem)

    def _stages(self, stage: Callable[[Iterator[object]], Iterator[object]]) -> Iterator[Fused]:
        steps: Iterator[Step] = self.reading.steps()
        # While the clock offset is being corrected it decides which images pair: no reading ahead.
        if self.pipeline.config.clock != "correct":
            raw = is_raw(self.topics.visible) and is_raw(self.topics.infrared)
            if raw:  # quickly decoded: by the thread that reads, which has less to do than this one
                steps = map(_decode, steps)
            steps = stage(prefetch(steps, AHEAD))  # type: ignore[arg-type, assignment]
            if not raw:
                steps = stage(ordered_map(_decode, steps))  # type: ignore[arg-type, assignment]
        fused = stage(self._fused(steps))
        if self.options.output != "raw":
            fused = stage(ordered_map(self.output.encode, fused))  # type: ignore[arg-type]
        return stage(ordered_map(self.output.write, fused, workers=1, ahead=AHEAD))  # type: ignore[arg-type, return-value]

    def _fused(self, steps: Iterator[Step]) -> Iterator[Fused]:
        for step in steps:
            for problem in step.problems:
                self._note(problem)
            image = None
            if step.pair is not None:
                try:
                    image = self._process(step)
                except InputError as error:
                    self._note(str(error))
            yield Fused(step, image)

    def _process(self, step: Step) -> UInt8Array:
        assert step.pair is not None
        visible, infrared = step.pair.visible.item, step.pair.infrared.item
        try:
            fresh = self.served.pixels(infrared, lambda item: item.infrared())
            fused = self.pipeline.process(
                visible.visible(),
                fresh,
                visible_time=visible.time / NANOSECONDS,
                infrared_time=infrared.time / NANOSECONDS,
            )
            for each in (visible, infrared) if fresh is not None else (visible,):
                self.complaints += bool(each.complaint)
                self.first_complaint = self.first_complaint or each.complaint
            if self.fallback.withholds(self.pipeline.source):
                raise InputError("an infrared image does not fit the visible one it was held for")
        except InputError:
            self.served.forget()
            raise
        return fused

    def _note(self, problem: str) -> None:
        self.unusable += 1
        self.first_problem = self.first_problem or problem

    def report(self, output: str, storage: str) -> BagReport:
        """What has been done."""
        pairer = self.reading.pairer
        return BagReport(
            output=output,
            storage=storage,
            visible=self.topics.visible.name,
            infrared=self.topics.infrared.name,
            fused=self.output.fused.topic,
            pairs=self.pairs,
            unpaired_visible=pairer.unpaired_visible,
            unpaired_infrared=pairer.unpaired_infrared,
            unusable=self.unusable,
            first_problem=self.first_problem,
            unstamped=self.reading.unstamped,
            copied=self.output.copied,
            left_out=tuple(self.output.left_out),
            notes=(
                *self.reader.notes,
                *self.reading.notes(self._clock_offset()),
                *self.pipeline.status.notes,
                *self._complaints(),
            ),
            messages_read=self.read,
            messages_recorded=self._recorded(),
            damage=self.reader.damage,
            clock_offset=round(self._clock_offset(), 4),
            seconds=0.0,
        )

    def _complaints(self) -> Iterator[str]:
        if self.complaints:
            count = self.complaints
            images = "1 compressed image was" if count == 1 else f"{count} compressed images were"
            yield (
                f"{images} fused although the decoder reports '{self.first_complaint}': parts of "
                "them may be wrong"
            )

    def _clock_offset(self) -> float:
        estimate = self.pipeline.status.clock_offset
        return self.pipeline.clock_offset if estimate is None else estimate.seconds

    def _recorded(self) -> int | None:
        names = {each.name for each in self.output.needed}
        counts = [self.reader.recorded.get(name) for name in names]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None


def _decode(step: Step) -> Step:
    step.decode()
    return step


def _check_free(topics: list[Topic], options: BagOptions) -> None:
    taken = {each.name for each in topics}
    names = (options.fused, f"{options.fused}/compressed", camera_info_topic(options.fused))
    for name in names:
        if options.copy and name in taken:
            raise InputError(
                f"topic {name} is in the bag already; choose another name with --fused "
                "or leave the other topics out with --no-copy"
            )
