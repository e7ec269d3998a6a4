"""How far the clocks of a recording's two cameras are apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lut_fuse_core.bag.channels import Message
from lut_fuse_core.bag.image_messages import (
    BagImage,
    ImageStream,
    infrared_of,
    look,
    visible_of,
)
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.recorded_offset import FAR, Arrivals, recorded_offset
from lut_fuse_core.bag.topics import CameraTopics, choose_topics
from lut_fuse_core.errors import InputError
from lut_fuse_core.infrared.quantity import CountConverter
from lut_fuse_core.sync.clock_offset import ClockOffset, ClockOffsetEstimator
from lut_fuse_core.sync.stamps import NANOSECONDS, capture_time

LONGEST = 60.0
"""Seconds of the recording that are looked at."""


def find_clock_offset(
    bag: str | Path, visible: str | None = None, infrared: str | None = None
) -> ClockOffset:
    """Estimate the offset between the clocks of a bag's cameras from its first minute.

    Motion in the images shows it to about 0.05 s if the clocks are less than a second apart. An
    offset of a second or more is estimated from the times of recording first; where nothing moves,
    that is the result, with a correlation of 0.

    Args:
        bag: Folder or file of the bag.
        visible: Topic of the visible images; None to recognize it.
        infrared: Topic of the infrared images; None to recognize it.

    Returns:
        The offset.

    Raises:
        InputError: If the bag cannot be read, or its offset is below a second and nothing moves
            that both cameras see, or the recording is shorter than 7 s.
    """
    with BagReader(bag) as reader:
        topics = choose_topics(reader.topics, visible, infrared, lambda each: look(reader, each))
        coarse = _coarse(reader, topics)
        fine = _fine(reader, topics, coarse)
    if fine is not None:
        return ClockOffset(coarse + fine.seconds, fine.correlation)
    if coarse:
        return ClockOffset(coarse, 0.0)
    raise InputError(
        "the offset between the clocks cannot be estimated from these images: too little moves in "
        "them, or the recording is shorter than 7 s; give it as --clock-offset SECONDS"
    )


def _coarse(reader: BagReader, topics: CameraTopics) -> float:
    """The offset by the times of recording where it is large; otherwise 0."""
    arrivals = {topics.visible.name: Arrivals(), topics.infrared.name: Arrivals()}
    for message, image in _images(reader, topics):
        arrivals[message.channel.topic].add(image.stamp, message.recorded)
    found = recorded_offset(arrivals[topics.visible.name], arrivals[topics.infrared.name])
    return found.seconds if found is not None and abs(found.seconds) >= FAR else 0.0


def _fine(reader: BagReader, topics: CameraTopics, coarse: float) -> ClockOffset | None:
    """What is left of the offset, by what moves."""
    estimator = ClockOffsetEstimator(window=LONGEST, interleaved=False)
    converter = CountConverter()
    for message, image in _images(reader, topics):
        time = capture_time(image.stamp, message.recorded) / NANOSECONDS
        try:
            if message.channel.topic == topics.visible.name:
                estimator.add_visible(visible_of(image.content), time)
            else:
                pixels = converter(infrared_of(image.content))
                estimator.add_infrared(pixels, time - (coarse if image.stamp else 0))
        except InputError:
            continue  # 'bag' itself names it and goes on without it
    return estimator.latest()


def _images(reader: BagReader, topics: CameraTopics) -> Iterator[tuple[Message, BagImage]]:
    """The images of the first minute, with their messages."""
    streams = {each.name: ImageStream(each) for each in (topics.visible, topics.infrared)}
    first: int | None = None
    for message in reader.messages([topics.visible, topics.infrared]):
        first = message.recorded if first is None else first
        if message.recorded - first > LONGEST * NANOSECONDS:
            return
        try:
            yield from streams[message.channel.topic].take(message)
        except InputError:
            continue
