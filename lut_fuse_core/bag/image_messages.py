"""The image messages of a bag, of every type and serialization that is supported."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from lut_fuse_core.arrays import AnyInfrared, UInt8Array
from lut_fuse_core.bag.channels import Channel, Message, Topic
from lut_fuse_core.bag.definitions import store_of
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.video_messages import VideoDecoder, VideoFrame, VideoPacket
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.compressed_messages import RawImage
from lut_fuse_core.io.image_encodings import ImageMessage
from lut_fuse_core.io.image_header import encoded_size
from lut_fuse_core.io.ros_messages import (
    CompressedImageMessage,
    infrared_pixels,
    visible_pixels,
)
from lut_fuse_core.sync.stamps import LAST_STAMP, NANOSECONDS, stamp_of

LOOKED_AT = 10
"""Messages at the start of a topic that are tried to see what its images are."""

RAW = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"

Content = ImageMessage | CompressedImageMessage | VideoPacket | VideoFrame


@dataclass(frozen=True)
class BagImage:
    """An image message.

    Attributes:
        stamp: When it was captured, nanoseconds since 1970; 0 if it does not say.
        frame_id: Frame of the camera.
        content: The image as it was sent; of video the packet or, once decoded, the frame.
    """

    stamp: int
    frame_id: str
    content: Content


Reader = Callable[[Any], BagImage]


def _ros(wrap: Callable[[Any], Content]) -> Reader:
    def read(fields: Any) -> BagImage:
        return BagImage(_checked(stamp_of(fields)), str(fields.header.frame_id), wrap(fields))

    return read


def _foxglove(wrap: Callable[[Any], Content]) -> Reader:
    def read(fields: Any) -> BagImage:
        return BagImage(_checked(_time(fields.timestamp)), str(fields.frame_id), wrap(fields))

    return read


def _checked(stamp: int) -> int:
    """A stamp that a ROS message can carry.

    Raises:
        ValueError: For another.
    """
    if not 0 <= stamp < LAST_STAMP:
        raise ValueError(f"its stamp is {stamp / NANOSECONDS:.0f} s")
    return stamp


def _time(stamp: Any) -> int:
    """Nanoseconds of a time: CDR has sec, nanosec; protobuf seconds, nanos; JSON sec, nsec."""
    whole = _first(stamp, "sec", "seconds")
    return int(whole) * NANOSECONDS + int(_first(stamp, "nanosec", "nsec", "nanos"))


def _first(fields: Any, *names: str) -> Any:
    return next((getattr(fields, name) for name in names if hasattr(fields, name)), 0)


def _raw(fields: Any) -> ImageMessage:
    return RawImage(
        int(fields.height),
        int(fields.width),
        str(fields.encoding),
        int(getattr(fields, "is_bigendian", 0)),  # Foxglove's messages are little-endian
        int(fields.step),
        _bytes(fields.data),
    )


def _compressed(fields: Any) -> CompressedImageMessage:
    return SimpleNamespace(format=str(fields.format), data=_bytes(fields.data))


def _video(fields: Any) -> VideoPacket:
    return VideoPacket(str(fields.format), _bytes(fields.data))


def _ffmpeg(fields: Any) -> VideoPacket:
    size = int(fields.width), int(fields.height)
    return VideoPacket(str(fields.encoding), _bytes(fields.data), size if min(size) > 0 else None)


def _bytes(data: Any) -> Any:
    """Bytes as they are or, in JSON, as base64.

    Raises:
        TypeError: For anything else, which a damaged definition may make of them.
    """
    if isinstance(data, str):
        return base64.b64decode(data)
    if isinstance(data, bytes) or (isinstance(data, np.ndarray) and data.dtype == np.uint8):
        return data
    raise TypeError("its data are no bytes")


_FFMPEG = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
_READERS: dict[tuple[str, str], Reader] = {
    ("cdr", RAW): _ros(_raw),
    ("cdr", COMPRESSED): _ros(_compressed),
    ("cdr", _FFMPEG): _ros(_ffmpeg),
    **{
        (encoding, name.format(f"{kind}")): _foxglove(wrap)
        for kind, wrap in (
            ("RawImage", _raw),
            ("CompressedImage", _compressed),
            ("CompressedVideo", _video),
        )
        for encoding, name in (
            ("cdr", "foxglove_msgs/msg/{}"),
            ("protobuf", "foxglove.{}"),
            ("json", "foxglove.{}"),
        )
    },
}
"""Converts the fields of a message into an image, by serialization and type."""

_RAW_KINDS = (RAW, "foxglove_msgs/msg/RawImage", "foxglove.RawImage")


def holds_images(topic: Topic) -> bool:
    """Whether the messages of a topic are images of a type and serialization that is supported."""
    return (topic.encoding, topic.kind) in _READERS


def is_raw(topic: Topic) -> bool:
    """Whether the images of a topic are uncompressed."""
    return topic.kind in _RAW_KINDS


def read_fields(message: Message) -> Any:
    """Parse a message.

    Args:
        message: As it was recorded.

    Returns:
        An object with the message's fields as attributes.

    Raises:
        InputError: For a damaged message, an unknown serialization, or a missing package.
    """
    channel = message.channel
    try:
        return _parser(channel)(message.data)
    except InputError:
        raise
    # No library promises a particular error for bytes that are no such message.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"a message of {channel.topic} is damaged: {reason[:200]}") from error


def read_image(message: Message) -> BagImage:
    """The image in a message of a topic that `holds_images`.

    Args:
        message: As it was recorded.

    Returns:
        The image, not decoded.

    Raises:
        InputError: For a message that holds no such image.
    """
    fields = read_fields(message)
    try:
        return _READERS[message.channel.encoding, message.channel.kind](fields)
    # A damaged definition may turn a message into anything.
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"a message of {message.channel.topic} is no {message.channel.schema}: {error}"
        ) from error


@lru_cache(maxsize=64)
def _parser(channel: Channel) -> Callable[[Any], Any]:
    if channel.encoding == "cdr":
        store, kind = store_of(channel), channel.kind
        return lambda data: store.deserialize_cdr(data, kind)
    if channel.encoding == "json":
        return lambda data: json.loads(
            bytes(data), object_hook=lambda fields: SimpleNamespace(**fields)
        )
    if channel.encoding == "protobuf":
        return _protobuf_parser(channel)
    raise InputError(f"{channel.topic} is serialized as '{channel.encoding}', which is not read")


def _protobuf_parser(channel: Channel) -> Callable[[Any], Any]:
    from mcap.records import Schema

    try:
        from mcap_protobuf.decoder import DecoderFactory
    except ImportError as error:
        raise InputError(
            f"{channel.topic} is serialized as protobuf, which needs another package ({error}); "
            "run 'pip install mcap-protobuf-support'"
        ) from None
    schema = Schema(
        id=1, name=channel.schema, encoding=channel.definition_encoding, data=channel.definition
    )
    decode = DecoderFactory().decoder_for("protobuf", schema)
    if decode is None:
        raise InputError(f"{channel.topic} ({channel.schema}, protobuf) has no definition")
    return lambda data: decode(bytes(data))


def visible_of(content: Content) -> UInt8Array:
    """Decode a color image.

    Args:
        content: Any but a packet, which `ImageStream` decodes.

    Returns:
        ``(H, W, 3) uint8``, RGB.

    Raises:
        InputError: For an image that cannot be used.
    """
    return content.visible() if isinstance(content, VideoFrame) else visible_pixels(content)


def infrared_of(content: Content) -> AnyInfrared:
    """Decode a raw infrared image.

    Args:
        content: Any but a packet, which `ImageStream` decodes.

    Returns:
        ``(h, w)`` uint8, uint16, int16 or float32; of video see `InfraredPixels`.

    Raises:
        InputError: For an image that cannot be used.
    """
    return content.infrared() if isinstance(content, VideoFrame) else infrared_pixels(content)


class ImageStream:
    """The images of one topic in the order of recording; video is decoded on the way.

    Args:
        topic: The topic.
    """

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._decoder: VideoDecoder[tuple[Message, BagImage]] | None = None

    def take(self, message: Message) -> list[tuple[Message, BagImage]]:
        """Take the next message.

        Args:
            message: Of the topic.

        Returns:
            The images that are available now, each with its message: this one's or, of video, none
            or some of earlier messages.

        Raises:
            InputError: For a damaged message, or video of an unknown codec.
            LutFuseError: If PyAV is needed and not installed.
        """
        image = read_image(message)
        if not isinstance(image.content, VideoPacket):
            return [(message, image)]
        if self._decoder is None:
            self._decoder = VideoDecoder(self._topic.name, image.content)
        frames = self._decoder.feed(image.content, (message, image))
        return [self._decoded(*each) for each in frames]

    def flush(self) -> list[tuple[Message, BagImage]]:
        """The images that the decoder held back, with their messages; the topic has ended."""
        if self._decoder is None:
            return []
        return [self._decoded(*each) for each in self._decoder.flush()]

    @property
    def lost(self) -> int:
        """Packets without an image: mainly those before the first key frame."""
        return self._decoder.lost if self._decoder is not None else 0

    @staticmethod
    def _decoded(item: tuple[Message, BagImage], frame: VideoFrame) -> tuple[Message, BagImage]:
        message, image = item
        return message, BagImage(image.stamp, image.frame_id, frame)


@dataclass(frozen=True)
class ImageTopic:
    """A topic with images, and what its first one looks like.

    Attributes:
        topic: The topic.
        encoding: Encoding of the raw image, or format of the compressed one; None if the topic is
            empty or its first images cannot be read.
        size: Width and height in pixels; None if the message does not say.
    """

    topic: Topic
    encoding: str | None
    size: tuple[int, int] | None

    @property
    def name(self) -> str:
        """The topic's name."""
        return self.topic.name

    def __str__(self) -> str:
        looks = [self.encoding or ("unreadable" if self.topic.count else "empty")]
        if self.size is not None:
            looks.append(f"{self.size[0]}x{self.size[1]}")
        if self.topic.kind not in (RAW, COMPRESSED):
            looks.append(f"{self.topic.channels[0].schema} as {self.topic.encoding}")
        unit = "image" if self.topic.count == 1 else "images"
        return f"{self.name} ({', '.join(looks)}, {self.topic.count} {unit})"


def look(reader: BagReader, topic: Topic) -> ImageTopic:
    """What the first readable image of a topic looks like.

    Args:
        reader: The bag.
        topic: A topic that `holds_images`.

    Returns:
        The topic with encoding and size.
    """
    for message in islice(reader.messages([topic]), LOOKED_AT):
        try:
            content = read_image(message).content
        except InputError:
            continue
        if isinstance(content, VideoPacket):
            return ImageTopic(topic, content.format, None)
        if hasattr(content, "format"):
            data = np.frombuffer(content.data, np.uint8)  # type: ignore[union-attr]
            return ImageTopic(topic, content.format, encoded_size(data))  # type: ignore[union-attr]
        return ImageTopic(topic, content.encoding, (content.width, content.height))  # type: ignore[union-attr]
    return ImageTopic(topic, None, None)


def visible_images(bag: Path, topic: str) -> Iterator[UInt8Array]:
    """The color images of a bag's topic, in the order of recording.

    Args:
        bag: Folder or file of the bag.
        topic: Name of the topic.

    Yields:
        ``(H, W, 3) uint8``, RGB.

    Raises:
        InputError: If the bag has no such topic with images, or an image cannot be decoded.
    """
    for content in _contents(bag, topic):
        yield visible_of(content)


def infrared_images(bag: Path, topic: str) -> Iterator[AnyInfrared]:
    """The raw infrared images of a bag's topic, in the order of recording.

    Args:
        bag: Folder or file of the bag.
        topic: Name of the topic.

    Yields:
        ``(h, w)`` uint8, uint16, int16 or float32; of video see `InfraredPixels`.

    Raises:
        InputError: If the bag has no such topic with images, or an image cannot be decoded.
    """
    for content in _contents(bag, topic):
        yield infrared_of(content)


def _contents(bag: Path, topic: str) -> Iterator[Content]:
    with BagReader(bag) as reader:
        named = [each for each in reader.topics if each.name == topic and holds_images(each)]
        if not named:
            raise InputError(f"there are no images in topic {topic} of the bag {bag}")
        stream = ImageStream(named[0])
        for message in reader.messages(named[:1]):
            for _, image in stream.take(message):
                yield image.content
        for _, image in stream.flush():
            yield image.content
