"""How far the clocks of a recording's two cameras are apart."""

from __future__ import annotations

from pathlib import Path

from lut_fuse_core.bag.image_messages import look, parse_message
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.topics import choose_topics
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.ros_messages import infrared_pixels, visible_pixels
from lut_fuse_core.sync.clock_offset import ClockOffset, ClockOffsetEstimator
from lut_fuse_core.sync.stamps import NANOSECONDS, capture_time, stamp_of

LONGEST = 60.0
"""Seconds of the recording that are looked at."""


def find_clock_offset(
    bag: str | Path, visible: str | None = None, infrared: str | None = None
) -> ClockOffset:
    """Estimate the offset from what moves in the first minute of both streams.

    visible, infrared: image topics; None to recognize them.
    Raises InputError if nothing moves that both cameras see, or the recording is too short.
    """
    estimator = ClockOffsetEstimator(window=LONGEST)
    first: float | None = None
    with BagReader(bag) as reader:
        topics = choose_topics(
            reader.connections, visible, infrared, lambda each: look(reader, each)
        )
        for connection, recorded, data in reader.messages([topics.visible, topics.infrared]):
            first = recorded if first is None else first
            if recorded - first > LONGEST * NANOSECONDS:
                break
            try:
                message = parse_message(connection, data)
                time = capture_time(stamp_of(message), recorded) / NANOSECONDS
                if connection.id == topics.visible.id:
                    estimator.add_visible(visible_pixels(message), time)
                else:
                    estimator.add_infrared(infrared_pixels(message), time)
            except InputError:
                continue  # 'bag' itself names it and goes on without it
    offset = estimator.latest()
    if offset is None:
        raise InputError(
            "the offset between the clocks cannot be told from these images: too little moves in "
            "them, the recording is shorter than 7 s, or they are more than a second apart; give "
            "it as --clock-offset SECONDS"
        )
    return offset
