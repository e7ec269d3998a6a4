"""The visible camera's infos, published again beside the fused images."""

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
from lut_fuse_core.sync.stamps import NANOSECONDS

CAMERA_INFOS_KEPT = 256


class CameraInfos:
    """Keeps the latest infos of the visible camera and gives the one of each fused image.

    Args:
        topics: All of the bag.
        visible: Topic of the visible images.
        fused: Topic of the fused images.

    Attributes:
        source: The topic with them; None where the bag has none.
        target: The channel for those of the fused images; None without a source.
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
        """Whether an info has come yet, or none ever will."""
        return bool(self._recent) or self.source is None

    def take(self, message: Message) -> None:
        """Keep an info.

        Raises:
            InputError: For a damaged one.
        """
        fields = read_fields(message)
        try:
            stamp = fields.header.stamp
            time = int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)
        except AttributeError as error:
            raise InputError(f"a message of {message.channel.topic} has no stamp") from error
        self._recent.append((time, bytes(message.data)))

    def of(self, header: Any) -> bytes | memoryview | None:
        """The info of the image with this header; the latest one if none has its stamp, and the
        first one for images before it. None if there is none."""
        if not self._recent:
            return None
        stamp = header.stamp.sec * NANOSECONDS + header.stamp.nanosec
        same = next((data for time, data in reversed(self._recent) if time == stamp), None)
        if same is not None:
            return same
        latest: Any = STORE.deserialize_cdr(self._recent[-1][1], CAMERA_INFO)
        latest.header.stamp = header.stamp
        return STORE.serialize_cdr(latest, CAMERA_INFO)
