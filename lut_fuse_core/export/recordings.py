"""The pairs of a recording one by one: of a bag, two videos or two folders, at a chosen rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.bag.image_messages import look
from lut_fuse_core.bag.options import BagOptions
from lut_fuse_core.bag.pairs import PairedReading
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.topics import choose_topics
from lut_fuse_core.batch.inputs import BatchInput
from lut_fuse_core.errors import InputError
from lut_fuse_core.files.folders import only
from lut_fuse_core.files.video_pairs import infrared_reader, pairs_by_time
from lut_fuse_core.io.image_files import image_files, infrared_files, read_infrared, read_visible
from lut_fuse_core.io.video_pixels import VisiblePixels
from lut_fuse_core.io.video_reader import VideoReader
from lut_fuse_core.sync.jumps import jumped_back_seconds
from lut_fuse_core.sync.stamps import NANOSECONDS


@dataclass(frozen=True)
class Selection:
    """What is read of recordings.

    Attributes:
        bag: How the images of bags are paired.
        rate: Most pairs per second of recording; None for all.
    """

    bag: BagOptions
    rate: float | None = None


class RecordedPair(NamedTuple):
    """A visible and an infrared image of one moment.

    Attributes:
        stem: Name within the recording: of bags the stamp in nanoseconds, of videos the time in
            milliseconds, of images the file's stem.
        read: Returns both images, ``(H, W, 3) uint8``, RGB, and ``(h, w)``, raw; raises InputError.
        visible_time: When the visible image was captured, seconds; None if unknown.
        infrared_time: The same of infrared, by its own clock; None if unknown.
    """

    stem: str
    read: Callable[[], tuple[UInt8Array, AnyInfrared]]
    visible_time: float | None
    infrared_time: float | None


def recorded_pairs(
    source: BatchInput,
    selection: Selection,
    clock_offset: Callable[[], float],
    note: Callable[[str], None],
) -> Iterator[RecordedPair]:
    """The pairs of a recording, thinned to the chosen rate.

    Args:
        source: The recording.
        selection: What is read of it.
        clock_offset: Seconds that the infrared clock is ahead; called for every image.
        note: Called with a sentence about each thing that cannot be used.

    Returns:
        The pairs in order.

    Raises:
        InputError: If the recording cannot be read, or has no times although a rate is chosen.
    """
    if source.kind == "bag":
        pairs = _of_bag(source, selection.bag, clock_offset, note)
    elif source.kind == "videos":
        pairs = _of_videos(source, clock_offset, note)
    else:
        pairs = _of_folders(source)
    if selection.rate is None:
        return pairs
    if source.kind == "folders":
        raise InputError(f"{source} has no times, so that no rate can be chosen; leave out --rate")
    return thinned(pairs, selection.rate)


def thinned(pairs: Iterator[RecordedPair], rate: float) -> Iterator[RecordedPair]:
    """Thin pairs to a rate.

    Args:
        pairs: The pairs in order, with times.
        rate: Pairs per second.

    Yields:
        The first pair of each interval of ``1 / rate`` seconds, counted from the first pair and
        again wherever time was set back.
    """
    start, newest, next_interval = 0.0, None, 0
    for pair in pairs:
        time = pair.visible_time or 0.0
        if newest is None or jumped_back_seconds(time, newest):
            start, next_interval = time, 0
        newest = time
        interval = int((time - start) * rate + 1e-6)
        if interval >= next_interval:
            next_interval = interval + 1
            yield pair


def _of_bag(
    source: BatchInput,
    options: BagOptions,
    clock_offset: Callable[[], float],
    note: Callable[[str], None],
) -> Iterator[RecordedPair]:
    with BagReader(source.paths[0]) as reader:
        topics = choose_topics(
            reader.topics, options.visible, options.infrared, lambda each: look(reader, each)
        )
        reading = PairedReading(
            reader,
            topics,
            [topics.visible, topics.infrared],
            round(options.reach * NANOSECONDS),
            reuse_infrared=options.reuse_infrared,
            stamps=options.stamps,
            clock_offset=clock_offset,
        )
        for step in reading.steps():
            for problem in step.problems:
                note(problem)
            if step.pair is not None:
                visible, infrared = step.pair.visible.item, step.pair.infrared.item
                yield RecordedPair(
                    str(visible.time),
                    lambda visible=visible, infrared=infrared: (  # type: ignore[misc]
                        visible.visible(),
                        infrared.infrared(),
                    ),
                    visible.time / NANOSECONDS,
                    infrared.time / NANOSECONDS,
                )
        if reader.damage:
            note(f"the bag is damaged: {reader.damage}")


def _of_videos(
    source: BatchInput, clock_offset: Callable[[], float], note: Callable[[str], None]
) -> Iterator[RecordedPair]:
    color, thermal = VideoReader(source.paths[0], VisiblePixels()), infrared_reader(source.paths[1])
    infrared: AnyInfrared | None = None
    for pair in pairs_by_time(color, thermal, thermal.rate, clock_offset):
        infrared = infrared if pair.infrared is None else pair.infrared
        assert infrared is not None, "the first pair brings one"
        yield RecordedPair(
            f"{round(pair.visible_time * 1000):08d}",
            lambda images=(pair.visible, infrared): images,  # type: ignore[misc]
            pair.visible_time,
            pair.infrared_time,
        )
    for damage in (color.damage, thermal.damage):
        if damage:
            note(f"the video is damaged: {damage}")


def _of_folders(source: BatchInput) -> Iterator[RecordedPair]:
    ours, theirs = image_files(source.paths[0]), infrared_files(source.paths[1])
    for stem in (stem for stem in ours if stem in theirs):
        yield RecordedPair(
            stem,
            lambda visible=ours[stem], infrared=theirs[stem]: (  # type: ignore[misc]
                read_visible(only(visible)),
                read_infrared(only(infrared)),
            ),
            None,
            None,
        )
