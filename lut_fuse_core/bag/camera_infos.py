"""The camera_info of the visible camera, written again beside the fused images."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from lut_fuse_core.bag.channels import Message, Topic
from lut_fuse_core.bag.definitions import STORE
from lut_fuse_core.bag.image_messages import CAMERA_INFO, read_fields
from lut_fuse_core.bag.quality import complete_text
from lut_fuse_core.bag.topics import camera_info_topic
from lut_fuse_core.errors import InputError
from lut_fuse_core.sync.stamps import NANOSECONDS, stamp_of

CAMERA_INFOS_KEPT = 256
"""Latest messages that are kept: a fused image may come that many after its camera_info."""


class CameraInfos:
    """Keeps the latest camera_info messages and finds the one of each fused image.

    Args:
        topics: All topics of the bag.
        visible: Topic of the visible images.
        fused: Topic of the raw fused images.

    Attributes:
        source: The topic with the visible camera's camera_info; None where the bag has none.
        target: Topic and quality of service of the fused images' camera_info; None without a
            source.
    """

    def __init__(self, topics: Sequence[Topic], visible: str, fused: str) -> None:
        name = camera_info_topic(visible)
        found = [
            each
            for each in topics
            if (each.name, each.kind, each.encoding) == (name, CAMERA_INFO, "cdr")
        ]
        self.source: Topic | None = found[0] if found else None
        self.target: tuple[str, str] | None = None
        if found:
            qos = complete_text(found[0].channels[0].qos)
            self.target = camera_info_topic(fused), qos
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=CAMERA_INFOS_KEPT)

    @property
    def known(self) -> bool:
        """Whether a message has come yet, or the bag has none."""
        return bool(self._recent) or self.source is None

    def take(self, message: Message) -> None:
        """Keep a message.

        Args:
            message: Of the topic `source`.

        Raises:
            InputError: For a damaged one.
        """
        fields = read_fields(message)
        try:
            time = stamp_of(fields)
        except AttributeError as error:
            raise InputError(f"a message of {message.channel.topic} has no stamp") from error
        self._recent.append((time, bytes(message.data)))

    def of(self, header: Any) -> bytes | memoryview | None:
        """The camera_info of an image: with its stamp or, if none has it, the latest one.

        Args:
            header: Header of the image.

        Returns:
            The serialized message, with the stamp of the image; None if none has come.
        """
        if not self._recent:
            return None
        stamp = header.stamp.sec * NANOSECONDS + header.stamp.nanosec
        same = next((data for time, data in reversed(self._recent) if time == stamp), None)
        if same is not None:
            return same
        latest: Any = STORE.deserialize_cdr(self._recent[-1][1], CAMERA_INFO)
        latest.header.stamp = header.stamp
        return STORE.serialize_cdr(latest, CAMERA_INFO)
