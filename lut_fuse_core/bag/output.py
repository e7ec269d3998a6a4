"""What is written when a bag is fused: copies, fused images, their camera_info."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Protocol

from lut_fuse_core.arrays import UInt8Array
from lut_fuse_core.bag.camera_infos import CameraInfos
from lut_fuse_core.bag.channels import Channel, Topic
from lut_fuse_core.bag.definitions import STORE, header_of
from lut_fuse_core.bag.image_messages import CAMERA_INFO, COMPRESSED, RAW
from lut_fuse_core.bag.pairs import RecordedImage, Step
from lut_fuse_core.bag.quality import complete_text
from lut_fuse_core.bag.reader import BagReader
from lut_fuse_core.bag.topics import CameraTopics
from lut_fuse_core.bag.writer import BagWriter
from lut_fuse_core.errors import InputError
from lut_fuse_core.io.ros_messages import compressed_fields, image_fields

_LENGTH = struct.Struct("<I")


class OutputOptions(Protocol):
    """The part of `BagOptions` that is used here."""

    @property
    def fused(self) -> str: ...  # noqa: D102
    @property
    def copy(self) -> bool: ...  # noqa: D102
    @property
    def output(self) -> Any: ...  # noqa: D102
    @property
    def encoding(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Fused:
    """A step and its fused image.

    Attributes:
        step: The stretch of the bag that ends with the pair.
        image: ``(H, W, 3) uint8``, RGB; None where nothing was fused.
        fields: Fields of the compressed message; None before or without compression.
    """

    step: Step
    image: UInt8Array | None
    fields: dict[str, Any] | None = None


class Output:
    """Writes the steps of a bag, one after the other.

    Args:
        reader: The bag that is read.
        writer: The bag that is written.
        topics: Topics of the two cameras.
        options: What is written and how.

    Attributes:
        needed: Topics of the input that have to be read.
        fused: Channel of the fused images.
        copied: Number of messages that were copied.
        problems: Sentences about camera_info messages that could not be used.
    """

    def __init__(
        self, reader: BagReader, writer: BagWriter, topics: CameraTopics, options: OutputOptions
    ) -> None:
        self._writer, self._options = writer, options
        self.copied = 0
        self.problems: list[str] = []
        suffix, kind = ("", RAW) if options.output == "raw" else ("/compressed", COMPRESSED)
        qos = complete_text(topics.visible.channels[0].qos)
        self.fused = writer.add_topic(options.fused + suffix, kind, qos)
        self._infos = CameraInfos(reader.topics, topics.visible.name, options.fused)
        self._info_channel: Channel | None = None
        if self._infos.target is not None:
            name, info_qos = self._infos.target
            self._info_channel = writer.add_topic(name, CAMERA_INFO, info_qos)
        self._early: list[tuple[Any, int]] = []
        self.needed: list[Topic] = reader.topics if options.copy else self._used(topics)
        if options.copy:
            for channel in reader.counts:
                writer.add_channel(channel)
            for attachment in reader.attachments():
                writer.attach(attachment)
            for record in reader.metadata_records():
                writer.note(record)

    @property
    def left_out(self) -> list[str]:
        """What of the original the storage of the copy cannot hold."""
        return self._writer.left_out

    def encode(self, fused: Fused) -> Fused:
        """Compress a fused image as the options say.

        Args:
            fused: The step; its image is not changed.

        Returns:
            The step with `fields`; the same one if it has no image.
        """
        if fused.image is None:
            return fused
        return Fused(fused.step, fused.image, compressed_fields(fused.image, self._options.output))

    def write(self, fused: Fused) -> Fused:
        """Write a step.

        Args:
            fused: The next step; with `fields` where images are compressed.

        Returns:
            The step without `fields`.

        Raises:
            LutFuseError: If the database of the new bag cannot be written.
            OSError: If a file of the new bag cannot be written.
        """
        for message in fused.step.messages:
            if self._infos.source is not None and message.channel in self._infos.source.channels:
                self._take_info(message)
            if self._options.copy:
                self._writer.write(
                    message.channel,
                    message.recorded,
                    message.data,
                    published=message.published,
                    sequence=message.sequence,
                )
                self.copied += 1
        if fused.image is not None:
            assert fused.step.pair is not None
            fields = fused.fields or image_fields(fused.image, self._options.encoding)
            self._write_image(fields, fused.step.pair.visible.item)
        return Fused(fused.step, fused.image)

    def _used(self, topics: CameraTopics) -> list[Topic]:
        source = self._infos.source
        return [topics.visible, topics.infrared, *([source] if source is not None else [])]

    def _write_image(self, fields: dict[str, Any], visible: RecordedImage) -> None:
        header = header_of(visible.image.stamp, visible.image.frame_id)
        recorded = visible.message.recorded
        kind = self.fused.schema
        # The pixels are the last field, after their number: they are written without a copy.
        data = fields["data"]
        empty = STORE.types[kind](header=header, **{**fields, "data": data[:0]})
        prefix = bytes(STORE.serialize_cdr(empty, kind, little_endian=True)[:-4])
        self._writer.write(self.fused, recorded, prefix + _LENGTH.pack(len(data)), data)
        if self._info_channel is not None:
            self._early.append((header, recorded))
            self._write_infos()

    def _take_info(self, message: Any) -> None:
        try:
            self._infos.take(message)
        except InputError as error:
            self.problems.append(str(error))

    def _write_infos(self) -> None:
        """Write the camera_info of the images so far, once one has come."""
        while self._early and self._infos.known:
            header, recorded = self._early.pop(0)
            info = self._infos.of(header)
            assert self._info_channel is not None
            if info is not None:
                self._writer.write(self._info_channel, recorded, info)
