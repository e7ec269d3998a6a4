"""Pairs to calibrate from, out of pictures, folders of them, videos or a bag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lut_fuse_core.arrays import AnyInfrared
from lut_fuse_core.bag.image_messages import look
from lut_fuse_core.bag.options import BagOptions
from lut_fuse_core.bag.pairs import PairedReading
from lut_fuse_core.bag.reader import STORAGES, BagReader
from lut_fuse_core.bag.topics import choose_topics
from lut_fuse_core.calibration.timed_pair import Due, TimedPair
from lut_fuse_core.errors import InputError
from lut_fuse_core.files.video_pairs import infrared_reader, pairs_by_time
from lut_fuse_core.io.dataset import images_by_name
from lut_fuse_core.io.image_files import read_infrared, read_visible
from lut_fuse_core.io.video_pixels import VisiblePixels
from lut_fuse_core.io.video_reader import VIDEO_SUFFIXES, VideoReader
from lut_fuse_core.sync.stamps import NANOSECONDS


@dataclass(frozen=True)
class Source:
    """Where pairs come from.

    Attributes:
        visible: Image, folder of images, video, or a bag, which holds both.
        infrared: The same; None with a bag.
        clock_offset: Seconds that the infrared clock of a recording is ahead.
        topics: Names of the visible and the infrared topic of a bag; None for those recognized.
    """

    visible: Path
    infrared: Path | None = None
    clock_offset: float = 0.0
    topics: tuple[str | None, str | None] = (None, None)

    @property
    def is_recording(self) -> bool:
        """Whether the pairs have times: a bag or two videos."""
        return self.infrared is None or self.visible.suffix.lower() in VIDEO_SUFFIXES

    def pairs(self, due: Due) -> Iterator[TimedPair | None]:
        """All pairs in order, infrared as it was recorded.

        Args:
            due: Of a recording, which pairs are wanted; for the others None is given.

        Raises:
            InputError: If there are none, or an image cannot be read.
        """
        if self.infrared is None:
            return _bag_pairs(self, due)
        if self.is_recording:
            return _video_pairs(self, due)
        return (picture(*files) for files in picture_files(self.visible, self.infrared))


def picture_files(visible: Path, infrared: Path) -> list[tuple[Path, Path]]:
    """The files of all pairs of two images or two folders.

    Raises:
        InputError: If there are none.
    """
    if visible.is_dir() != infrared.is_dir():
        raise InputError("pass two images, two folders or two videos, not one of each")
    if not visible.is_dir():
        return [(visible, infrared)]
    here, there = images_by_name(visible), images_by_name(infrared)
    files = [(here[name], there[name]) for name in here if name in there]
    if not files:
        raise InputError(f"no image in {visible} has the same name as one in {infrared}")
    return files


def picture(visible: Path, infrared: Path) -> TimedPair:
    """A pair of image files.

    Raises:
        InputError: If they cannot be read.
    """
    return TimedPair(read_visible(visible), read_infrared(infrared))


def evenly(source: Source, most: int) -> list[TimedPair]:
    """At most so many pairs of a source, evenly spread over it.

    Raises:
        InputError: If there are none, or an image cannot be read.
    """
    if source.infrared is not None and not source.is_recording:
        files = picture_files(source.visible, source.infrared)
        count = min(most, len(files))
        chosen = (round(i * (len(files) - 1) / max(count - 1, 1)) for i in range(count))
        return [picture(*files[index]) for index in chosen]
    # The length is not known: keep twice as many as it takes, and thin them out when full.
    kept: list[TimedPair] = []
    interval, last = 0.2, -np.inf

    def due(time: float) -> bool:
        return time >= last + interval

    for pair in source.pairs(due):
        if pair is None or pair.time is None:
            continue
        last = pair.time
        kept.append(pair)
        if len(kept) >= 2 * most:
            kept, interval = kept[::2], 2 * interval
    count = min(most, len(kept))
    return [kept[round(i * (len(kept) - 1) / max(count - 1, 1))] for i in range(count)]


def _video_pairs(source: Source, due: Due) -> Iterator[TimedPair | None]:
    assert source.infrared is not None
    color, thermal = VideoReader(source.visible, VisiblePixels()), infrared_reader(source.infrared)
    last: AnyInfrared | None = None
    empty = True
    for pair in pairs_by_time(color, thermal, thermal.rate, lambda: source.clock_offset):
        empty = False
        if pair.infrared is not None:
            last = pair.infrared
        if last is None or not due(pair.visible_time):
            yield None
            continue
        yield TimedPair(pair.visible, last, pair.visible_time)
    if empty:
        raise InputError(
            f"no frame of {source.infrared} is of a time that {source.visible} shows; check "
            "--clock-offset"
        )


def _bag_pairs(source: Source, due: Due) -> Iterator[TimedPair | None]:
    if not source.visible.is_dir() and source.visible.suffix not in STORAGES:
        raise InputError(
            f"{source.visible} alone is no bag; pass the infrared images, folder or video too"
        )
    options = BagOptions(*source.topics, reuse_infrared=True)
    with BagReader(source.visible) as reader:
        topics = choose_topics(
            reader.topics, options.visible, options.infrared, lambda each: look(reader, each)
        )
        reading = PairedReading(
            reader,
            topics,
            (topics.visible, topics.infrared),
            round(options.reach * NANOSECONDS),
            reuse_infrared=True,
            stamps=options.stamps,
            clock_offset=lambda: source.clock_offset,
        )
        start: int | None = None
        for step in reading.steps():
            if step.pair is None:
                continue
            here, there = step.pair.visible.item, step.pair.infrared.item
            start = here.time if start is None else start
            time = (here.time - start) / NANOSECONDS
            if not due(time):
                yield None
                continue
            try:
                pair = TimedPair(here.visible(), there.infrared(), time)
            except InputError:  # a damaged message; others will do
                yield None
                continue
            yield pair
        if start is None:
            raise InputError(
                f"no images of {topics.visible.name} and {topics.infrared.name} are of one moment; "
                "check --clock-offset"
            )
