"""Reads a bag step by step: the messages to copy and the pairs to fuse."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.bag.channels import Message, Topic
from lut_fuse_core.bag.image_messages import (
    BagImage,
    Content,
    ImageStream,
    infrared_of,
    visible_of,
)
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.recorded_offset import FAR, Arrivals, RecordedOffset, recorded_offset
from lut_fuse_core.bag.topics import CameraTopics
from lut_fuse_core.bag.video_messages import VideoFrame
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.compressed_messages import is_coarse
from lut_fuse_core.io.library_lines import heard
from lut_fuse_core.io.ros_messages import is_compressed
from lut_fuse_core.sync.pairing import PATIENCE, Pair, StampPairer
from lut_fuse_core.sync.stamps import NANOSECONDS, StampSource, capture_time

T = TypeVar("T")

WAITING = 128 << 20
"""Bytes of images of one camera that may wait for their partners ..."""

MOST_WAITING = (32, 512)
"""... but at least, and at most, so many images."""

STEP = 8 << 20
"""Bytes of messages after which a step ends without a pair."""


class RecordedImage:
    """An image message as it lies in the bag; decoded only when it has a partner.

    Attributes:
        message: The message.
        image: What it holds.
        time: When it was captured by its own camera's clock, or recorded; nanoseconds since 1970.
        complaint: What its decoder reported, which decoded it all the same; empty if nothing, and
            before that.
    """

    def __init__(self, message: Message, image: BagImage, time: int) -> None:
        self.message, self.image, self.time = message, image, time
        self.complaint = ""
        self._infrared: AnyInfrared | None = None
        self._visible: UInt8Array | None = None

    def visible(self) -> UInt8Array:
        """The color image; decoded once.

        Returns:
            ``(H, W, 3) uint8``, RGB.

        Raises:
            InputError: For a message that holds no usable image.
        """
        if self._visible is None:
            self._visible = self._decoded(visible_of)
        return self._visible

    def infrared(self) -> AnyInfrared:
        """The raw infrared image; decoded once.

        Returns:
            ``(h, w)``, see `infrared_of`.

        Raises:
            InputError: For a message that holds no usable image.
        """
        if self._infrared is None:
            self._infrared = self._decoded(infrared_of)
        return self._infrared

    def _decoded(self, decode: Callable[[Content], T]) -> T:
        content = self.image.content
        if not is_compressed(content):
            return decode(content)
        pixels, complaint = heard(lambda: decode(content))
        self.complaint = self.complaint or complaint
        return pixels


ImagePair = Pair[RecordedImage, RecordedImage]


@dataclass
class Step:
    """A stretch of the bag, up to its next pair.

    Attributes:
        messages: All messages of the stretch, in the order of recording.
        pair: What is to be fused; None if there is only something to copy.
        problems: Sentences about messages that could not be used.
        read: Number of messages read from the beginning of the bag to here.
    """

    messages: list[Message] = field(default_factory=list)
    pair: ImagePair | None = None
    problems: list[str] = field(default_factory=list)
    read: int = 0

    def decode(self) -> None:
        """Decode the pair; errors are raised again where its images are used."""
        if self.pair is not None:
            with suppress(InputError):
                self.pair.visible.item.visible()
            with suppress(InputError):
                self.pair.infrared.item.infrared()


class PairedReading:
    """One pass over a bag.

    Args:
        reader: The bag.
        topics: Topics of the two cameras.
        needed: Topics to read, those of the cameras among them.
        tolerance: Nanoseconds by which the times of a pair may differ.
        reuse_infrared: Whether one infrared image may serve several visible ones.
        stamps: Whether images are paired by their stamps or by when they were recorded.
        clock_offset: Seconds to subtract from infrared stamps; called for every image.

    Attributes:
        pairer: Pairs the images; counts those without a partner.
        unstamped: Number of images without a stamp.
    """

    def __init__(
        self,
        reader: BagReader,
        topics: CameraTopics,
        needed: Collection[Topic],
        tolerance: int,
        *,
        reuse_infrared: bool,
        stamps: StampSource,
        clock_offset: Callable[[], float],
    ) -> None:
        self.pairer: StampPairer[RecordedImage, RecordedImage] = StampPairer(
            tolerance, disorder=PATIENCE, reuse_infrared=reuse_infrared
        )
        self.unstamped = 0
        self._reader, self._topics, self._needed = reader, topics, needed
        self._stamps, self._clock_offset = stamps, clock_offset
        self._visible, self._infrared = ImageStream(topics.visible), ImageStream(topics.infrared)
        self._arrivals = Arrivals(), Arrivals()
        self._coarse = False

    def steps(self) -> Iterator[Step]:
        """Read the whole bag.

        Yields:
            The steps; every pair ends one, and so do `STEP` bytes without a pair.
        """
        step, size = Step(), 0
        for read, message in enumerate(self._reader.messages(self._needed), start=1):
            step.messages.append(message)
            step.read, size = read, size + len(message.data)
            try:
                pairs = self._take(message)
            except InputError as error:
                step.problems.append(str(error))
                pairs = []
            for pair in pairs:
                step.pair = pair
                yield step
                step, size = Step(read=read), 0
            if size > STEP:
                yield step
                step, size = Step(read=read), 0
        yield from self._rest(step)

    def _rest(self, step: Step) -> Iterator[Step]:
        read = step.read
        pairs = []
        for stream, add in (
            (self._visible, self._add_visible),
            (self._infrared, self._add_infrared),
        ):
            for message, image in stream.flush():
                pairs += add(message, image)
            if stream.lost:
                step.problems += ["a video packet comes before the first key frame"] * stream.lost
        for pair in pairs + self.pairer.flush():
            step.pair = pair
            yield step
            step = Step(read=read)
        yield step

    def offset(self, applied: float) -> RecordedOffset | None:
        """The offset between the stamps, if it is far from the one that was subtracted.

        Args:
            applied: Seconds that were subtracted from infrared stamps.

        Returns:
            The offset in all; None if it is within `FAR` of that, unknown, or does not matter.
        """
        found = recorded_offset(*self._arrivals)
        if self._stamps == "arrival" or found is None or abs(found.seconds - applied) < FAR:
            return None
        return found

    def notes(self, applied: float) -> list[str]:
        """What the user should know about the images.

        Args:
            applied: Seconds that were subtracted from infrared stamps.

        Returns:
            Sentences.
        """
        found = []
        offset = self.offset(applied)
        if offset is not None:
            found.append(f"the pairs may be of different moments: {offset}")
        if self._coarse:
            found.append(
                f"{self._topics.infrared.name} is a JPEG of 16-bit counts, which keeps 256 of "
                "their 65536 levels; record the raw topic, or set the plugin's format to png"
            )
        return found

    def _take(self, message: Message) -> list[ImagePair]:
        if message.channel in self._topics.visible.channels:
            add, images = self._add_visible, self._visible.take(message)
        elif message.channel in self._topics.infrared.channels:
            add, images = self._add_infrared, self._infrared.take(message)
        else:
            return []
        return [pair for each, image in images for pair in add(each, image)]

    def _add_visible(self, message: Message, image: BagImage) -> list[ImagePair]:
        self._arrivals[0].add(image.stamp, message.recorded)
        item = self._item(message, image)
        return self.pairer.add_visible(item.time, item, message.recorded)

    def _add_infrared(self, message: Message, image: BagImage) -> list[ImagePair]:
        self._arrivals[1].add(image.stamp, message.recorded)
        self._coarse = self._coarse or is_coarse(getattr(image.content, "format", ""))
        item = self._item(message, image)
        offset = 0 if self._stamps == "arrival" else round(self._clock_offset() * NANOSECONDS)
        return self.pairer.add_infrared(item.time - offset, item, message.recorded)

    def _item(self, message: Message, image: BagImage) -> RecordedImage:
        # Streams may be recorded seconds apart; what waits for a partner is not decoded.
        size = image.content.size if isinstance(image.content, VideoFrame) else len(message.data)
        self.pairer.capacity = max(MOST_WAITING[0], min(MOST_WAITING[1], WAITING // max(1, size)))
        self.unstamped += image.stamp == 0
        time = capture_time(image.stamp, message.recorded, self._stamps)
        return RecordedImage(message, image, time)
