"""The visible camera's infos, published again beside the fused images."""

from __future__ import annotations

from collections import deque
from typing import Any

from rosbags.interfaces import Connection

from lut_fuse_core.bag.topics import CAMERA_INFO, camera_info_topic
from lut_fuse_core.bag.writer import STORE, BagWriter, offered_qos
from lut_fuse_core.sync.stamps import NANOSECONDS, stamp_of

CAMERA_INFOS_KEPT = 256


class CameraInfos:
    """Keeps the latest infos of the visible camera and writes the one of each fused image."""

    def __init__(
        self, connections: list[Connection], visible: str, fused: str, writer: BagWriter
    ) -> None:
        name = camera_info_topic(visible)
        sources = [
            each for each in connections if (each.topic, each.msgtype) == (name, CAMERA_INFO)
        ]
        self.source_id = sources[0].id if sources else None
        self._writer = writer
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=CAMERA_INFOS_KEPT)
        self._early: list[tuple[Any, int]] = []
        if sources:
            qos = offered_qos(sources[0])
            self._topic = writer.add_topic(camera_info_topic(fused), CAMERA_INFO, qos)

    def take(self, message: Any, data: bytes) -> None:
        """Keep an info, parsed and as it was recorded."""
        self._recent.append((stamp_of(message), data))
        early, self._early = self._early, []
        for header, recorded in early:
            self.write(header, recorded)

    def write(self, header: Any, recorded: int) -> None:
        """Write the info of the image with this header; the latest one if none has its stamp, and
        the first one for images before it."""
        if not self._recent:
            if self.source_id is not None:
                self._early.append((header, recorded))
            return
        stamp = header.stamp.sec * NANOSECONDS + header.stamp.nanosec
        same = next((data for time, data in reversed(self._recent) if time == stamp), None)
        if same is None:
            latest: Any = STORE.deserialize_cdr(self._recent[-1][1], CAMERA_INFO)
            latest.header.stamp = header.stamp
            self._writer.write(self._topic, recorded, STORE.serialize_cdr(latest, CAMERA_INFO))
        else:
            self._writer.write(self._topic, recorded, same)
